"""Push, bulk push, pull, ack and retry."""

import base64
import json

from cases.house import Case

HOUR_SECONDS = 3600


class Messages(Case):
    def test_push_text(self):
        pushed = self.push("hello, grüß", content_type="text")
        metrics = pushed.metadata.metrics
        self.assertEqual(metrics.backlog_count, 1)
        self.assertGreater(metrics.backlog_bytes, 0)
        self.assertGreater(metrics.oldest_message_timestamp_ms, 0)
        pulled = self.pull()
        (message,) = pulled.messages
        self.assertEqual((message.body, message.attempts), ("hello, grüß", 1))
        self.assertEqual(message.metadata["CF-Content-Type"], "text")
        self.assertRegex(message.id, "^[0-9a-f]{32}$")
        self.assertEqual(message.timestamp_ms, metrics.oldest_message_timestamp_ms)
        self.assertEqual(pulled.message_backlog_count, 1)
        self.assertEqual(pulled.metadata.metrics.backlog_count, 1)

    def test_push_json(self):
        body = {"a": [1, None, "ü"], "b": {"c": True}}
        self.push(body, content_type="json")
        message = self.pull_one()
        self.assertEqual(json.loads(base64.b64decode(message.body, validate=True)), body)
        self.assertEqual(message.metadata["CF-Content-Type"], "json")

    def test_push_without_content_type_is_json(self):
        self.push({"n": 1})
        message = self.pull_one()
        self.assertEqual(message.metadata["CF-Content-Type"], "json")
        self.assertEqual(json.loads(base64.b64decode(message.body)), {"n": 1})

    def test_push_bytes(self):
        text = base64.b64encode(bytes(range(256))).decode()
        self.push(text, content_type="bytes")
        message = self.pull_one()
        self.assertEqual((message.body, message.metadata["CF-Content-Type"]), (text, "bytes"))

    def test_push_delayed(self):
        pushed = self.push("later", content_type="text", delay_seconds=HOUR_SECONDS)
        self.assertEqual(pushed.metadata.metrics.backlog_count, 1)
        pulled = self.pull()
        self.assertEqual((pulled.messages, pulled.message_backlog_count), ([], 1))

    def test_bulk_push(self):
        texts = [f"message {number}" for number in range(100)]
        messages = [{"body": text, "content_type": "text"} for text in texts]
        pushed = self.messages.bulk_push(self.queue, account_id=self.account, messages=messages)
        self.assertEqual(pushed.metadata.metrics.backlog_count, 100)
        pulled = self.pull(batch_size=100).messages
        self.assertEqual([message.body for message in pulled], texts)
        self.assertEqual(len({message.id for message in pulled}), 100)
        self.assertEqual(len({message.lease_id for message in pulled}), 100)

    def test_bulk_push_with_delays(self):
        messages = [
            {"body": "of the batch", "content_type": "text"},
            {"body": "its own", "content_type": "text", "delay_seconds": 0},
        ]
        self.messages.bulk_push(
            self.queue, account_id=self.account, messages=messages, delay_seconds=HOUR_SECONDS
        )
        self.assertEqual(self.pull_one().body, "its own")

    def test_pull_empty(self):
        pulled = self.pull()
        self.assertEqual((pulled.messages, pulled.message_backlog_count), ([], 0))
        self.assertEqual(pulled.metadata.metrics.oldest_message_timestamp_ms, 0)

    def test_pull_by_defaults(self):
        for number in range(12):
            self.push(str(number), content_type="text")
        first, second, third = (self.pull().messages for _ in range(3))
        self.assertEqual([len(first), len(second), len(third)], [5, 5, 2])
        self.assertEqual([message.body for message in first + second + third], [str(n) for n in range(12)])

    def test_pull_hides_leased(self):
        self.push("once", content_type="text")
        self.assertEqual(len(self.pull(visibility_timeout_ms=HOUR_SECONDS * 1000).messages), 1)
        again = self.pull()
        self.assertEqual((again.messages, again.message_backlog_count), ([], 1))

    def test_ack(self):
        self.push("done", content_type="text")
        settled = self.settle(acks=[self.pull_one()])
        self.assertEqual((settled.ack_count, settled.retry_count, settled.warnings), (1, 0, {}))
        self.assertEqual(self.pull().message_backlog_count, 0)

    def test_ack_twice(self):
        self.push("done", content_type="text")
        message = self.pull_one()
        self.settle(acks=[message])
        again = self.settle(acks=[message])
        self.assertEqual((again.ack_count, again.warnings), (1, {}))

    def test_ack_unknown(self):
        acks = [{"lease_id": "not a lease"}]
        settled = self.messages.ack(self.queue, account_id=self.account, acks=acks)
        self.assertEqual(settled.ack_count, 0)
        self.assertIsInstance(settled.warnings, dict)
        self.assertEqual(list(settled.warnings), ["not a lease"])
        self.assertIsInstance(settled.warnings["not a lease"], str)

    def test_retry(self):
        self.push("again", content_type="text")
        first = self.pull_one()
        settled = self.settle(retries=[{"lease_id": first.lease_id}])
        self.assertEqual((settled.ack_count, settled.retry_count, settled.warnings), (0, 1, {}))
        second = self.pull_one()
        self.assertEqual((second.id, second.attempts), (first.id, 2))
        self.assertNotEqual(second.lease_id, first.lease_id)

    def test_retry_delayed(self):
        self.push("much later", content_type="text")
        retry = {"lease_id": self.pull_one().lease_id, "delay_seconds": HOUR_SECONDS}
        self.assertEqual(self.settle(retries=[retry]).retry_count, 1)
        pulled = self.pull()
        self.assertEqual((pulled.messages, pulled.message_backlog_count), ([], 1))

    def test_ack_and_retry(self):
        self.push("one", content_type="text")
        self.push("two", content_type="text")
        one, two = self.pull(batch_size=2).messages
        settled = self.settle(acks=[one], retries=[{"lease_id": two.lease_id}])
        self.assertEqual((settled.ack_count, settled.retry_count), (1, 1))
        self.assertEqual(self.pull_one().body, "two")
