"""Requests as they go over the wire, without a client in between; every answer is held to the envelope."""

import http.client
import json
import unittest
import urllib.parse

from kew import PATIENCE_SECONDS, Kew

NOBODY = "00000000000000000000000000000000"
ENVELOPE = {"success", "errors", "messages", "result"}


class Answer:
    """What came back, and that it is what every answer must be (spec §1.2): JSON by its type, with all four keys."""

    def __init__(self, status, headers, content):
        self.status, self.headers = status, headers
        assert headers["content-type"].split(";")[0] == "application/json", headers["content-type"]
        self.envelope = json.loads(content)
        assert ENVELOPE <= set(self.envelope), self.envelope
        errors = self.envelope["errors"]
        assert self.envelope["success"] == (status == 200) == (errors == []), (status, self.envelope)
        assert isinstance(self.envelope["messages"], list)

    @property
    def result(self):
        """The result of a call that went well."""
        assert self.status == 200, (self.status, self.envelope["errors"])
        return self.envelope["result"]

    @property
    def refusal(self):
        """Status and first code of a call that was refused."""
        assert self.envelope["result"] is None, self.envelope
        return (self.status, self.envelope["errors"][0]["code"])

    @property
    def pointer(self):
        """The place in the request that was refused."""
        return self.envelope["errors"][0]["source"]["pointer"]


class Wire:
    """One account of one server, over one connection at a time."""

    def __init__(self, url, account, headers):
        self.host = urllib.parse.urlsplit(url).netloc
        self.base = f"/client/v4/accounts/{account}"
        self.headers = headers

    def send(self, method, target, content, headers):
        """Asks for a path from the root; `content` is bytes, chunks, or None."""
        connection = http.client.HTTPConnection(self.host, timeout=PATIENCE_SECONDS)
        is_chunked = not (content is None or isinstance(content, bytes))
        try:
            connection.request(method, target, content, headers, encode_chunked=is_chunked)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def call(self, method, path, body=None, **headers):
        """Asks for a path of the account; a body that is no text is sent as JSON."""
        content = body if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
        return self.send(method, self.base + path, content, self.headers | headers)


class Queue:
    """One queue, and the calls on its messages."""

    def __init__(self, wire, name, settings=None, consumer=None):
        self.wire, self.name = wire, name
        body = {"queue_name": name} | ({"settings": settings} if settings else {})
        self.id = wire.call("POST", "/queues", body).result["queue_id"]
        self.path = f"/queues/{self.id}"
        if consumer is not None:
            self.consumer = self.call("POST", "/consumers", {"type": "http_pull"} | consumer).result

    def call(self, method, path="", body=None, **headers):
        return self.wire.call(method, self.path + path, body, **headers)

    def push(self, *texts, **more):
        """Publishes texts, in one call each."""
        for text in texts:
            self.call("POST", "/messages", {"body": text, "content_type": "text"} | more).result

    def pull(self, **more):
        return self.call("POST", "/messages/pull", more).result["messages"]

    def pull_one(self, **more):
        (message,) = self.pull(batch_size=100, **more)
        return message

    def settle(self, acks=(), retries=()):
        """Settles lease ids, or whole entries, and returns the two counts and the warned ids."""
        entry = lambda lease: lease if isinstance(lease, dict) else {"lease_id": lease}
        body = {"acks": [entry(lease) for lease in acks], "retries": [entry(lease) for lease in retries]}
        settled = self.call("POST", "/messages/ack", body).result
        return (settled["ackCount"], settled["retryCount"], list(settled["warnings"]))

    def backlog(self):
        return self.call("GET", "/metrics").result["backlog_count"]


class Case(unittest.TestCase):
    """A case with the server of its class; queues are named after the case."""

    @classmethod
    def setUpClass(cls):
        cls.kew = Kew.dev()
        cls.addClassCleanup(cls.kew.__exit__)
        settings = cls.kew.settings()
        token = {"authorization": f"Bearer {settings['CLOUDFLARE_API_TOKEN']}"}
        cls.wire = Wire(cls.kew.url, settings["CLOUDFLARE_ACCOUNT_ID"], token)

    def queue(self, settings=None, consumer=None, name=None):
        """A new queue with a pull consumer."""
        return Queue(self.wire, name or self.name(), settings, consumer or {})

    def name(self, more=""):
        return f"{self._testMethodName}{more}".replace("_", "-")
