"""The checklist's boxes on credentials and transport (spec §12), one case a box."""

import http.client
import socket
import unittest

from kew import PATIENCE_SECONDS, Kew
from raw.wire import NOBODY, Answer, Case, Queue, Wire


class Transport(Case):
    def test_envelope(self):
        queue = self.queue()
        # Each answer is held to the envelope as it is read.
        for method, path, status in (
            ("GET", "", 200),
            ("HEAD", "", 200),
            ("OPTIONS", "", 405),
            ("BREW", "", 405),
            ("OPTIONS", "/messages", 405),
            ("GET", "/messages/pull", 405),
            ("POST", "/messages/pull", 200),
            ("POST", "/messages", 400),
        ):
            with self.subTest(method=method, path=path):
                if method == "HEAD":
                    self.assertEqual(self.head(queue), (status, b""))
                else:
                    self.assertEqual(queue.call(method, path).status, status)
        for path in ("/nothing", "/queues/a/b/c", "/queues//messages"):
            answer = self.wire.call("GET", path)
            self.assertEqual((answer.refusal, answer.envelope["errors"][1]["code"]), ((404, 7003), 7000))

    def head(self, queue):
        connection = http.client.HTTPConnection(self.wire.host, timeout=PATIENCE_SECONDS)
        self.addCleanup(connection.close)
        connection.request("HEAD", self.wire.base + queue.path, headers=self.wire.headers)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def test_no_content_length(self):
        queue = self.queue()
        for path in ("/messages/pull", "/messages/peek", "/purge"):
            self.assertEqual(self.spoken(f"POST {self.wire.base}{queue.path}{path} HTTP/1.1").status, 200)

    def test_chunked(self):
        queue = self.queue()
        chunks = iter([b'{"body":"in ', b"pieces", b'","content_type":"text"}'])
        target = f"{self.wire.base}{queue.path}/messages"
        self.assertEqual(self.wire.send("POST", target, chunks, self.wire.headers).status, 200)
        self.assertEqual(queue.pull_one()["body"], "in pieces")

    def test_delete_with_a_body(self):
        for number, (body, headers) in enumerate(
            (
                (None, {"content-type": "application/json"}),
                ("", {"content-type": "application/json"}),
                ("{}", {"content-type": "application/json"}),
                ("no json", {}),
            )
        ):
            queue = self.queue(name=self.name(f"-{number}"))
            consumer = f"/consumers/{queue.consumer['consumer_id']}"
            self.assertIsNone(queue.call("DELETE", consumer, body, **headers).result)
            self.assertIsNone(queue.call("DELETE", "", body, **headers).result)

    def test_expect_continue(self):
        queue = self.queue()
        body = b'{"body":"asked for","content_type":"text"}'
        request = f"POST {self.wire.base}{queue.path}/messages HTTP/1.1"
        headers = (f"content-length: {len(body)}", "expect: 100-continue")
        self.assertEqual(self.spoken(request, *headers, asked=body).status, 200)
        self.assertEqual(queue.pull_one()["body"], "asked for")

    def spoken(self, request, *headers, asked=None):
        """Sends exactly these lines; `asked` follows once the server asks for it."""
        host, port = self.wire.host.split(":")
        with socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS) as connection:
            known = (f"{name}: {value}" for name, value in self.wire.headers.items())
            lines = [request, f"host: {host}", *known, *headers, "", ""]
            connection.sendall("\r\n".join(lines).encode())
            if asked is not None:
                self.assertEqual(connection.recv(len(b"HTTP/1.1 100")), b"HTTP/1.1 100")
                connection.sendall(asked)
                while not self.ends_line(connection):
                    pass
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            return Answer(answer.status, answer.headers, answer.read())

    def ends_line(self, connection):
        """Reads a line of the interim answer; whether it was the empty one behind its headers."""
        line = b""
        while not line.endswith(b"\r\n"):
            line += connection.recv(1)
        return line == b"\r\n"


class Credentials(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kew = Kew.serve()
        cls.addClassCleanup(cls.kew.__exit__)
        cls.account = cls.kew.admin("account", "list")[0]["id"]
        cls.admin = (cls.kew.data / "admin.token").read_text().strip()
        cls.queue = Queue(cls.wire({"authorization": f"Bearer {cls.admin}"}), "jobs", consumer={})

    @classmethod
    def wire(cls, headers, account=None):
        return Wire(cls.kew.url, account or cls.account, headers)

    def token(self, *more):
        return self.kew.admin("token", "create", *more)["secret"]

    def pushed(self, headers, account=None):
        """What becomes of a push with these headers."""
        path = f"{self.queue.path}/messages"
        return self.wire(headers, account).call("POST", path, {"body": "x", "content_type": "text"})

    def test_no_credential(self):
        self.assertEqual(self.pushed({}).refusal, (401, 10000))

    def test_malformed_credential(self):
        for headers in ({"authorization": "nonsense"}, {"authorization": "Bearer"}, {"authorization": "Basic eDp5"}):
            answer = self.pushed(headers)
            self.assertEqual(answer.refusal, (400, 6003), headers)
            self.assertEqual([error["code"] for error in answer.envelope["errors"][0]["error_chain"]], [6111])

    def test_unknown_credential(self):
        self.assertEqual(self.pushed({"authorization": "Bearer a-token-that-nobody-has"}).refusal, (401, 10000))

    def test_read_only_credential(self):
        headers = {"authorization": f"Bearer {self.token('--scope', 'read')}"}
        self.assertEqual(self.pushed(headers).refusal, (403, 10000))
        self.assertEqual(self.wire(headers).call("GET", self.queue.path).result["queue_name"], "jobs")

    def test_wrong_account(self):
        other = self.kew.admin("account", "create", "other")[0]["id"]
        for account in (other, NOBODY):
            self.assertEqual(self.pushed({"authorization": f"Bearer {self.admin}"}, account).refusal, (403, 10000))

    def test_email_and_key(self):
        key = self.token("--scope", "push", "--email", "ops@example.com")
        pair = {"x-auth-email": "ops@example.com", "x-auth-key": key}
        self.assertEqual(self.pushed(pair).status, 200)
        self.assertEqual(self.pushed(pair | {"x-auth-email": "eve@example.com"}).refusal, (401, 10000))

    def test_both_credentials(self):
        bearer = {"authorization": f"Bearer {self.token('--scope', 'push')}"}
        wrong = {"x-auth-email": "eve@example.com", "x-auth-key": "0" * 37}
        self.assertEqual(self.pushed(bearer | wrong).status, 200, "bearer wins")
        key = self.token("--scope", "push", "--email", "ops@example.com")
        pair = {"x-auth-email": "ops@example.com", "x-auth-key": key}
        self.assertEqual(self.pushed(pair).status, 200)
        unknown = {"authorization": "Bearer a-token-that-nobody-has"}
        self.assertEqual(self.pushed(pair | unknown).refusal, (401, 10000), "and nothing falls back")
