"""Both credential schemes, in development and with scoped tokens."""

import unittest

import cloudflare

from cases.house import Case, client
from kew import Kew


class Development(Case):
    def test_legacy_pair(self):
        url = f"{self.kew.url}/client/v4"
        with cloudflare.Cloudflare(base_url=url, api_email="anyone@example.com", api_key=self.token) as legacy:
            self.assertEqual(legacy.queues.get(self.queue, account_id=self.account).queue_id, self.queue)

    def test_any_account_id(self):
        pushed = self.messages.push(self.queue, account_id=self.queue, body="x", content_type="text")
        self.assertEqual(pushed.metadata.metrics.backlog_count, 1)


class Scoped(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kew = Kew.serve()
        cls.addClassCleanup(cls.kew.__exit__)
        cls.account = cls.kew.admin("account", "list")[0]["id"]
        admin = (cls.kew.data / "admin.token").read_text().strip()
        with client(cls.kew.url, admin) as first:
            cls.queue = first.queues.create(account_id=cls.account, queue_name="jobs").queue_id
            first.queues.consumers.create(cls.queue, account_id=cls.account, type="http_pull")

    def token(self, *more):
        return self.kew.admin("token", "create", *more)["secret"]

    def test_permission(self):
        with client(self.kew.url, self.token("--scope", "push")) as producer:
            messages = producer.queues.messages
            messages.push(self.queue, account_id=self.account, body="x", content_type="text")
            with self.assertRaises(cloudflare.PermissionDeniedError) as caught:
                messages.pull(self.queue, account_id=self.account)
            self.assertEqual(caught.exception.errors[0].code, 10000)

    def test_scoped_consumer(self):
        with client(self.kew.url, self.token("--scope", "consume", "--queue", self.queue)) as consumer:
            pulled = consumer.queues.messages.pull(self.queue, account_id=self.account)
            self.assertIsInstance(pulled.messages, list)

    def test_scoped_legacy_pair(self):
        key = self.token("--scope", "read", "--email", "ops@example.com")
        url = f"{self.kew.url}/client/v4"
        with cloudflare.Cloudflare(base_url=url, api_email="ops@example.com", api_key=key) as legacy:
            self.assertEqual(legacy.queues.get(self.queue, account_id=self.account).queue_name, "jobs")
        with cloudflare.Cloudflare(base_url=url, api_email="eve@example.com", api_key=key) as stranger:
            with self.assertRaises(cloudflare.AuthenticationError):
                stranger.queues.get(self.queue, account_id=self.account)
