"""What clients of others send and insist on (spec §9.9), as requests over the wire."""

import base64
import json

from raw.wire import Case

COUNTERS = ("backlog_bytes", "backlog_count", "oldest_message_timestamp_ms")


class ThirdParty(Case):
    def test_acks_with_whole_messages(self):
        queue = self.queue()
        queue.push("a", "b", "c")
        messages = queue.pull(batch_size=10, visibility_timeout_ms=30_000)
        body = {"acks": messages[:2], "retries": [messages[2] | {"delay_seconds": 0}]}
        settled = queue.call("POST", "/messages/ack", body).result
        self.assertEqual(settled, {"ackCount": 2, "retryCount": 1, "warnings": {}})
        self.assertEqual(queue.backlog(), 1)

    def test_strict_types(self):
        queue = self.queue()
        push = queue.call("POST", "/messages/batch", {"messages": [{"body": n} for n in range(3)]}).result
        pulled = queue.call("POST", "/messages/pull", {}).result
        counters = [pulled["message_backlog_count"]]
        measured = queue.call("GET", "/metrics").result
        for metrics in (push["metadata"]["metrics"], pulled["metadata"]["metrics"], measured):
            counters += [metrics[name] for name in COUNTERS]
        for message in pulled["messages"]:
            counters += [message["attempts"], message["timestamp_ms"]]
            for name in ("id", "body", "lease_id"):
                self.assertIs(type(message[name]), str)
            self.assertTrue(all(type(value) is str for value in message["metadata"].values()))
        acks = [{"lease_id": message["lease_id"]} for message in pulled["messages"]]
        settled = queue.call("POST", "/messages/ack", {"acks": acks, "retries": []}).result
        self.assertEqual(settled["ackCount"], len(acks), "whoever finds another number takes it for a failure")
        self.assertIs(type(settled["warnings"]), dict)
        counters += [settled["ackCount"], settled["retryCount"]]
        self.assertEqual({type(counter) for counter in counters}, {int}, "no number has a decimal point")

    def test_ack_repeated_counts_the_same(self):
        queue = self.queue()
        queue.push("a", "b")
        body = {"acks": [{"lease_id": message["lease_id"]} for message in queue.pull()]}
        first, again = (queue.call("POST", "/messages/ack", body).result for _ in range(2))
        self.assertEqual((first["ackCount"], again), (2, first))

    def test_strict_base64(self):
        queue = self.queue()
        for length in range(4):
            queue.call("POST", "/messages", {"body": {"text": "ÿ" * length}}).result
        for length, message in enumerate(queue.pull()):
            self.assertEqual(message["metadata"]["CF-Content-Type"], "json")
            self.assertEqual(len(message["body"]) % 4, 0, "padded")
            decoded = base64.b64decode(message["body"], validate=True)
            self.assertEqual(json.loads(decoded), {"text": "ÿ" * length})

    def test_resolves_by_name_and_settles_in_one_call(self):
        queue = self.queue()
        (found,) = self.wire.call("GET", f"/queues?name={queue.name}").result
        self.assertEqual(found["queue_id"], queue.id)
        queue.push("handled", "failed")
        handled, failed = queue.pull(batch_size=10)
        self.assertEqual(queue.settle([handled["lease_id"]], [failed["lease_id"]]), (1, 1, []))
        self.assertEqual(queue.pull_one()["id"], failed["id"])

    def test_redrive_tool(self):
        target = self.queue(name=self.name("-target"))
        dead = self.queue(name=self.name("-dead"))
        dead.call("DELETE", f"/consumers/{dead.consumer['consumer_id']}").result
        dead.push("mended")
        # It looks, on a queue that nobody consumes.
        (shown,) = dead.call("POST", "/messages/peek", {"batch_size": 10}).result["messages"]
        # It attaches a consumer, and compares what it asked for with what it is shown.
        settings = {"batch_size": 10, "max_retries": 3, "retry_delay": 0, "visibility_timeout_ms": 30_000}
        made = dead.call("POST", "/consumers", {"type": "http_pull", "settings": settings}).result
        (listed,) = dead.call("GET", "/consumers?per_page=100&page=1").result
        for consumer in (made, listed):
            self.assertEqual(consumer["settings"], settings)
            self.assertEqual(consumer.get("script"), consumer.get("script_name"))
        # It takes, checks that it got what it saw, sends, and deletes.
        taken = dead.pull_one()
        same = ("id", "body", "timestamp_ms", "metadata")
        self.assertEqual([taken[name] for name in same], [shown[name] for name in same])
        self.assertIn(taken["attempts"] - shown["attempts"], (0, 1))
        target.push(taken["body"])
        self.assertEqual(dead.settle([taken["lease_id"]]), (1, 0, []))
        # It leaves the queue as it was.
        dead.call("DELETE", f"/consumers/{made['consumer_id']}").result
        self.assertEqual((dead.call("GET", "/consumers").result, dead.backlog()), ([], 0))
        self.assertEqual(target.pull_one()["body"], "mended")

    def test_script_under_both_names(self):
        queue = self.queue()
        path = f"/consumers/{queue.consumer['consumer_id']}"
        queue.call("PUT", path, {"type": "worker", "script_name": "mailer"}).result
        shown = [
            queue.call("GET", path).result,
            queue.call("GET", "/consumers").result[0],
            queue.call("GET").result["consumers"][0],
            self.wire.call("GET", f"/queues?name={queue.name}").result[0]["consumers"][0],
        ]
        self.assertEqual(shown, shown[:1] * 4, "the same wherever it is shown")
        self.assertEqual((shown[0]["script"], shown[0]["script_name"]), ("mailer", "mailer"))
        self.assertNotIn("service", shown[0])
