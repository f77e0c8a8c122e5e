"""What the cases have in common: one server for a class of cases, and an empty queue for each."""

import unittest

import cloudflare
from kew import Kew


def client(url, token, **more):
    """The official client, pointed at a server."""
    return cloudflare.Cloudflare(base_url=f"{url}/client/v4", api_token=token, **more)


class Case(unittest.TestCase):
    """A case with the server of its class and a queue of its own."""

    @classmethod
    def setUpClass(cls):
        cls.kew = Kew.dev()
        cls.addClassCleanup(cls.kew.__exit__)
        settings = cls.kew.settings()
        cls.account, cls.token = settings["CLOUDFLARE_ACCOUNT_ID"], settings["CLOUDFLARE_API_TOKEN"]

    def setUp(self):
        self.client = self.client_at(self.kew.url)
        name = self._testMethodName.replace("_", "-")
        self.queue = self.client.queues.create(account_id=self.account, queue_name=name).queue_id
        self.consumer = self.client.queues.consumers.create(self.queue, account_id=self.account, type="http_pull")

    def client_at(self, url):
        """A client of the development token, closed at the end of the case."""
        made = client(url, self.token)
        self.addCleanup(made.close)
        return made

    @property
    def messages(self):
        return self.client.queues.messages

    def push(self, body, **more):
        return self.messages.push(self.queue, account_id=self.account, body=body, **more)

    def pull(self, **more):
        return self.messages.pull(self.queue, account_id=self.account, **more)

    def pull_one(self):
        """The only message that can be pulled."""
        (message,) = self.pull(batch_size=100).messages
        return message

    def settle(self, acks=(), retries=()):
        acks = [{"lease_id": message.lease_id} for message in acks]
        return self.messages.ack(self.queue, account_id=self.account, acks=acks, retries=list(retries))

    def refused(self, error, code, call):
        """Requires that a call raises exactly this error class with this code, and returns it."""
        with self.assertRaises(error) as caught:
            call()
        self.assertIs(type(caught.exception), error)
        self.assertEqual([entry.code for entry in caught.exception.errors][0], code)
        return caught.exception
