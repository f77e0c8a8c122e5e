"""Queues changed, replaced, paused, measured and purged."""

import cloudflare

from cases.house import Case
from proxy import Proxy

DAY_SECONDS = 86_400
DEFAULTS = {"delivery_delay": 0, "delivery_paused": False, "message_retention_period": 4 * DAY_SECONDS}
STAMP = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"


class Changes(Case):
    def settings(self):
        return self.client.queues.get(self.queue, account_id=self.account).settings.to_dict()

    def test_queue_update(self):
        queues = self.client.queues
        given = {"delivery_delay": 7, "delivery_paused": True, "message_retention_period": DAY_SECONDS}
        updated = queues.update(self.queue, account_id=self.account, queue_name="test-queue-updated", settings=given)
        self.assertEqual((updated.queue_id, updated.queue_name), (self.queue, "test-queue-updated"))
        self.assertEqual(updated.settings.to_dict(), given)
        queues.update(self.queue, account_id=self.account, settings={"delivery_delay": 9})
        self.assertEqual(self.settings(), DEFAULTS | {"delivery_delay": 9}, "what is absent gets its default")
        queue = queues.get(self.queue, account_id=self.account)
        self.assertEqual(queue.queue_name, "test-queue-updated", "an absent name stays")

    def test_queue_edit(self):
        queues = self.client.queues
        queues.edit(self.queue, account_id=self.account, settings={"delivery_delay": 7})
        edited = queues.edit(self.queue, account_id=self.account, settings={"delivery_paused": True})
        self.assertEqual(edited.settings.to_dict(), DEFAULTS | {"delivery_delay": 7, "delivery_paused": True})
        queues.edit(self.queue, account_id=self.account, queue_name="test-queue-edited")
        queue = queues.get(self.queue, account_id=self.account)
        self.assertEqual((queue.queue_name, queue.settings), ("test-queue-edited", edited.settings))

    def test_queue_rename_taken(self):
        for change in (self.client.queues.edit, self.client.queues.update):
            rename = lambda: change(self.queue, account_id=self.account, queue_name="jobs")
            self.refused(cloudflare.ConflictError, 11009, rename)

    def test_queue_jurisdiction(self):
        queues = self.client.queues
        made = queues.create(account_id=self.account, queue_name="test-in-europe", jurisdiction="eu")
        self.assertEqual(queues.get(made.queue_id, account_id=self.account).jurisdiction, "eu")
        self.assertIsNone(queues.get(self.queue, account_id=self.account).jurisdiction)
        move = lambda: queues.edit(made.queue_id, account_id=self.account, jurisdiction="us")
        self.refused(cloudflare.BadRequestError, 19002, move)

    def test_queue_settings_out_of_bounds(self):
        for name, value in (("delivery_delay", DAY_SECONDS + 1), ("message_retention_period", 59)):
            edit = lambda: self.client.queues.edit(self.queue, account_id=self.account, settings={name: value})
            error = self.refused(cloudflare.BadRequestError, 100128, edit)
            self.assertEqual(error.errors[0].source.pointer, f"/settings/{name}")
        self.assertEqual(self.settings(), DEFAULTS, "nothing is clamped")

    def test_metrics(self):
        metrics = lambda: self.client.queues.get_metrics(self.queue, account_id=self.account).to_dict()
        empty = {"backlog_bytes": 0, "backlog_count": 0, "oldest_message_timestamp_ms": 0}
        self.assertEqual(metrics(), empty)
        for body in ("one", "four"):
            pushed = self.push(body, content_type="text")
        self.assertEqual(metrics(), pushed.metadata.metrics.to_dict())
        self.assertEqual(metrics()["backlog_count"], 2)
        pulled = self.pull()
        self.assertEqual(metrics(), pulled.metadata.metrics.to_dict(), "leased messages count")
        self.assertEqual(metrics()["oldest_message_timestamp_ms"], pulled.messages[0].timestamp_ms)
        self.settle(acks=pulled.messages)
        self.assertEqual(metrics(), empty)

    def test_pause(self):
        self.client.queues.edit(self.queue, account_id=self.account, settings={"delivery_paused": True})
        self.push("kept", content_type="text")
        with Proxy(self.kew.url) as proxy:
            messages = self.client_at(proxy.url).queues.messages
            pull = lambda: messages.pull(self.queue, account_id=self.account)
            error = self.refused(cloudflare.ConflictError, 10252, pull)
            self.assertEqual(error.errors[0].message, "queue_delivery_paused")
            self.assertEqual([status for *_, status in proxy.requests], [409], "asked once")
        self.client.queues.edit(self.queue, account_id=self.account, settings={"delivery_paused": False})
        message = self.pull_one()
        self.assertEqual((message.body, message.attempts), ("kept", 1))

    def test_purge(self):
        purge = self.client.queues.purge
        never = purge.status(self.queue, account_id=self.account)
        self.assertEqual((never.started_at, never.completed), (None, None))
        self.push("leased", content_type="text")
        leased = self.pull_one()
        self.push("delayed", content_type="text", delay_seconds=DAY_SECONDS)
        self.push("ready", content_type="text")
        purged = purge.start(self.queue, account_id=self.account, delete_messages_permanently=True)
        self.assertEqual((purged.queue_id, purged.consumers_total_count), (self.queue, 1))
        status = purge.status(self.queue, account_id=self.account)
        self.assertRegex(status.started_at, STAMP)
        self.assertRegex(status.completed, STAMP)
        pulled = self.pull()
        self.assertEqual((pulled.messages, pulled.message_backlog_count), ([], 0))
        self.assertEqual(self.settle(acks=[leased]).ack_count, 1, "a late ack does no harm")

    def test_purge_denied(self):
        self.push("kept", content_type="text")
        purge = self.client.queues.purge
        deny = lambda: purge.start(self.queue, account_id=self.account, delete_messages_permanently=False)
        self.refused(cloudflare.BadRequestError, 10026, deny)
        self.assertEqual(self.pull_one().body, "kept")
