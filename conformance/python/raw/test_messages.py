"""The checklist's boxes on publishing, leasing and settling messages (spec §12), one case a box."""

import base64
import json

from raw.wire import Case

HOUR_SECONDS = 3600
TEXT = {"content_type": "text"}
# What every message is charged beside its body.
OVERHEAD_BYTES = 100


class Messages(Case):
    def refuses(self, queue, path, body, *refusal):
        answer = queue.call("POST", path, body)
        self.assertEqual(answer.refusal, refusal, str(body)[:100])

    def test_push(self):
        queue = self.queue()
        push = lambda body, **more: queue.call("POST", "/messages", body, **more).result
        push({"body": "hëllo ✉", "content_type": "text"})
        push({"body": "", "content_type": "text"})
        push({"body": {"a": 1}, "content_type": "json"})
        for body in ({"a": 1}, [1], "bare", 7, True, None):
            push({"body": body})
        types = ("text/plain;charset=UTF-8", "application/x-www-form-urlencoded", "application/json; charset=utf-8")
        for kind in types:
            push({"body": kind, "content_type": "text"}, **{"content-type": kind})
        push({"body": "x" * (128_000 - OVERHEAD_BYTES), "content_type": "text"})
        *pulled, largest = queue.pull(batch_size=100)
        self.assertEqual(len(largest["body"]), 128_000 - OVERHEAD_BYTES)
        json_bodies = [json.loads(base64.b64decode(message["body"])) for message in pulled[2:9]]
        self.assertEqual(json_bodies, [{"a": 1}, {"a": 1}, [1], "bare", 7, True, None])
        texts = [message["body"] for message in pulled[:2] + pulled[9:]]
        self.assertEqual(texts, ["hëllo ✉", "", *types])

    def test_push_refused(self):
        queue = self.queue()
        for body, status, code in (
            ("", 400, 10208),
            ("{", 400, 10208),
            ('{"body":"x"', 400, 10208),
            ([1], 400, 10207),
            ("null", 400, 10207),
            ({}, 400, 10207),
            ({"content_type": "text"}, 400, 10207),
            ({"messages": [{"body": 1}]}, 400, 10207),
            ({"body": 1, "content_type": "text"}, 400, 10207),
            ({"body": 1, "content_type": "xml"}, 400, 10203),
            ({"body": 1, "delay_seconds": -1}, 400, 10203),
            ({"body": 1, "delay_seconds": 86_401}, 400, 10203),
            ({"body": 1, "delay_seconds": 0.5}, 400, 10203),
            ({"body": "x" * (128_001 - OVERHEAD_BYTES), "content_type": "text"}, 413, 10204),
        ):
            self.refuses(queue, "/messages", body, status, code)
        self.assertEqual(queue.backlog(), 0)

    def test_batch(self):
        queue = self.queue()
        send = lambda count, **more: {"messages": [{"body": number} for number in range(count)]} | more
        for count in (1, 100):
            metrics = queue.call("POST", "/messages/batch", send(count)).result["metadata"]["metrics"]
        self.assertEqual(metrics["backlog_count"], 101)
        queue.call("POST", "/purge").result
        half = {"body": "x" * (128_000 - OVERHEAD_BYTES), "content_type": "text"}
        queue.call("POST", "/messages/batch", {"messages": [half, half]}).result
        for body, status, code in (
            (send(0), 400, 10206),
            (send(101), 400, 10206),
            ({}, 400, 10207),
            (send(1, delay_seconds=86_401), 400, 10202),
            ({"messages": [half, half, {"body": 1}]}, 413, 10205),
            ({"messages": [half | {"body": half["body"] + "x"}]}, 413, 10204),
        ):
            self.refuses(queue, "/messages/batch", body, status, code)
        self.assertEqual(queue.backlog(), 2, "all or nothing")

    def test_delays(self):
        queue = self.queue(settings={"delivery_delay": HOUR_SECONDS})
        message = lambda body, **more: {"body": body} | TEXT | more
        queue.push("queue's delay")
        queue.push("own zero", delay_seconds=0)
        batch = [message("batch's delay"), message("own zero again", delay_seconds=0)]
        queue.call("POST", "/messages/batch", {"messages": batch, "delay_seconds": HOUR_SECONDS}).result
        batch = [message("batch's zero"), message("own delay", delay_seconds=HOUR_SECONDS)]
        queue.call("POST", "/messages/batch", {"messages": batch, "delay_seconds": 0}).result
        bodies = [pulled["body"] for pulled in queue.pull(batch_size=100)]
        self.assertEqual(bodies, ["own zero", "own zero again", "batch's zero"])
        self.assertEqual(queue.backlog(), 6)

    def test_pull(self):
        queue = self.queue()
        self.assertEqual(queue.call("POST", "/messages/pull").result["messages"], [])
        self.assertEqual(queue.call("POST", "/messages/pull", {}).result["messages"], [])
        queue.push("again")
        for body in ({"visibility_timeout": 0}, {"visibility_timeout_ms": 0, "visibility_timeout": 43_200_000}):
            queue.call("POST", "/messages/pull", body).result
        (message,) = queue.pull(batch_size=1, visibility_timeout_ms=43_200_000)
        self.assertEqual(message["attempts"], 3, "both names are milliseconds, and the newer wins")
        for name, value in (
            ("batch_size", 0),
            ("batch_size", 101),
            ("batch_size", 1.5),
            ("visibility_timeout_ms", -1),
            ("visibility_timeout_ms", 43_200_001),
            ("visibility_timeout", 43_200_001),
        ):
            self.refuses(queue, "/messages/pull", {name: value}, 400, 10026)
        self.refuses(queue, "/messages/pull", "{", 400, 10026)

    def test_leases(self):
        queue = self.queue()
        queue.push("a", "b", "c")
        first = queue.pull(batch_size=2, visibility_timeout_ms=0)
        second = queue.pull(batch_size=2)
        third = queue.pull(batch_size=2)
        ids = lambda messages: {message["id"] for message in messages}
        self.assertEqual((len(second), len(third)), (2, 1))
        self.assertEqual(ids(second) & ids(third), set(), "two pullers get different messages")
        self.assertEqual(queue.pull(), [])
        before = {message["id"]: message for message in first}
        again = [message for message in second + third if message["attempts"] == 2]
        self.assertEqual(ids(again), ids(first), "what was not settled in time comes again")
        for message in again:
            old = before[message["id"]]
            self.assertEqual((message["body"], message["timestamp_ms"]), (old["body"], old["timestamp_ms"]))
            self.assertNotEqual(message["lease_id"], old["lease_id"])

    def test_ack_matrix(self):
        queue, other = self.queue(), self.queue(name=self.name("-other"))
        lease = lambda **more: queue.pull_one(**more)["lease_id"]
        queue.push("current")
        current = lease()
        self.assertEqual(queue.settle([current]), (1, 0, []))
        self.assertEqual(queue.settle([current]), (1, 0, []), "a second time")
        queue.push("late, before another delivery")
        self.assertEqual(queue.settle([lease(visibility_timeout_ms=0)]), (1, 0, []))
        queue.push("late, after another delivery")
        old, new = lease(visibility_timeout_ms=0), lease()
        self.assertEqual((queue.settle([old]), queue.settle([new])), ((1, 0, []), (1, 0, [])))
        self.assertEqual(queue.settle([], [new]), (0, 0, [new]), "a retry of what is gone")
        queue.push("in both lists")
        both = lease()
        self.assertEqual(queue.settle([both], [both]), (1, 0, [both]), "the ack wins")
        self.assertEqual(queue.backlog(), 0)
        queue.push("not to be touched")
        mine = lease()
        self.assertEqual(other.settle([mine, "forged"], ["forged too"]), (0, 0, [mine, "forged", "forged too"]))
        for wrong in ({}, {"lease_id": None}, {"lease_id": 7}):
            self.refuses(queue, "/messages/ack", {"acks": [{"lease_id": mine}, wrong]}, 400, 10026)
        self.assertEqual(queue.backlog(), 1)

    def test_ack_of_a_dead_letter(self):
        queue = self.queue(consumer={"settings": {"max_retries": 0}})
        queue.push("poison")
        lease = queue.pull_one()["lease_id"]
        self.assertEqual(queue.settle([], [lease]), (0, 1, []))
        self.assertEqual(queue.settle([lease]), (1, 0, [lease]), "counted, with a warning")

    def test_retry(self):
        queue = self.queue(consumer={"settings": {"retry_delay": HOUR_SECONDS}})
        queue.push("held by the consumer's delay")
        self.assertEqual(queue.settle([], [queue.pull_one()["lease_id"]]), (0, 1, []))
        self.assertEqual(queue.pull(), [])
        queue.push("not held")
        entry = {"lease_id": queue.pull_one()["lease_id"], "delay_seconds": 0}
        self.assertEqual(queue.settle([], [entry]), (0, 1, []))
        again = queue.pull_one()
        self.assertEqual((again["body"], again["attempts"]), ("not held", 2))
        entry = {"lease_id": again["lease_id"], "delay_seconds": HOUR_SECONDS}
        self.assertEqual(queue.settle([], [entry]), (0, 1, []))
        self.assertEqual((queue.pull(), queue.backlog()), ([], 2))
        for delay in (-1, 86_401, 0.5):
            wrong = {"retries": [entry | {"delay_seconds": delay}]}
            self.refuses(queue, "/messages/ack", wrong, 400, 10026)

    def test_late_retry(self):
        queue = self.queue()
        queue.push("once")
        old = queue.pull_one(visibility_timeout_ms=0)["lease_id"]
        self.assertEqual(queue.settle([], [old]), (0, 1, []), "not delivered again yet")
        current = queue.pull_one()
        self.assertEqual(current["attempts"], 2, "a late retry adds no attempt")
        self.assertEqual(queue.settle([], [old]), (0, 0, [old]), "whoever has it now is not disturbed")
        self.assertEqual(queue.pull(), [])
        self.assertEqual(queue.settle([current["lease_id"]]), (1, 0, []))

    def test_max_retries(self):
        dead = self.name("-end")
        for retries in (0, 3):
            consumer = {"dead_letter_queue": dead, "settings": {"max_retries": retries}}
            queue = self.queue(consumer=consumer, name=self.name(f"-{retries}"))
            queue.push(f"tried {retries + 1} times")
            for attempt in range(1, retries + 2):
                message = queue.pull_one()
                self.assertEqual(message["attempts"], attempt)
                self.assertEqual(queue.settle([], [message["lease_id"]]), (0, 1, []))
            self.assertEqual((queue.pull(), queue.backlog()), ([], 0))
            (found,) = self.wire.call("GET", f"/queues?name={dead}").result
            path = f"/queues/{found['queue_id']}"
            self.wire.call("POST", f"{path}/consumers", {"type": "http_pull"})
            (moved,) = self.wire.call("POST", f"{path}/messages/pull", {}).result["messages"]
            kept = ("id", "body", "timestamp_ms")
            self.assertEqual([moved[name] for name in kept], [message[name] for name in kept])
            # And it says where it failed.
            origin = {"Kew-Origin-Queue": self.name(f"-{retries}")}
            self.assertEqual(moved["metadata"], message["metadata"] | origin)
            self.assertEqual(moved["attempts"], 1)
            self.wire.call("POST", f"{path}/purge").result

    def test_pause(self):
        queue = self.queue()
        queue.push("before")
        lease = queue.pull_one()["lease_id"]
        queue.call("PATCH", "", {"settings": {"delivery_paused": True}}).result
        queue.push("meanwhile")
        answer = queue.call("POST", "/messages/pull", {})
        self.assertEqual(answer.refusal, (409, 10252))
        self.assertEqual(answer.envelope["errors"][0]["message"], "queue_delivery_paused")
        self.assertEqual(answer.headers["x-should-retry"], "false")
        self.assertEqual(queue.settle([lease]), (1, 0, []), "leases from before can be settled")
        queue.call("PATCH", "", {"settings": {"delivery_paused": False}}).result
        self.assertEqual(queue.pull_one()["body"], "meanwhile")

    def test_purge(self):
        queue = self.queue()
        self.assertEqual(queue.call("GET", "/purge").result, {})
        queue.push("leased", "leased too")
        old, current = [message["lease_id"] for message in queue.pull()]
        queue.push("delayed", delay_seconds=HOUR_SECONDS)
        queue.push("ready")
        purged = queue.call("POST", "/purge", {"delete_messages_permanently": True}).result
        status = queue.call("GET", "/purge").result
        self.assertEqual((purged["queue_id"], purged["complete"], status["complete"]), (queue.id, True, True))
        self.assertEqual(purged["started_at"], status["started_at"])
        self.assertLessEqual(status["started_at"], status["completed"])
        self.assertEqual(queue.backlog(), 0)
        self.assertEqual(queue.settle([old])[0], 1, "later acks are harmless")
        self.assertEqual(queue.settle([], [current])[1], 0, "later retries bring nothing back")
        self.assertEqual(queue.pull(), [])
        self.refuses(queue, "/purge", {"delete_messages_permanently": False}, 400, 10026)

    def test_metrics(self):
        queue = self.queue()
        metrics = lambda: queue.call("GET", "/metrics").result
        empty = {"backlog_bytes": 0, "backlog_count": 0, "oldest_message_timestamp_ms": 0}
        self.assertEqual(metrics(), empty)
        pushed = queue.call("POST", "/messages", {"body": "seven b", **TEXT}).result["metadata"]["metrics"]
        self.assertEqual((pushed["backlog_bytes"], pushed["backlog_count"]), (7 + OVERHEAD_BYTES, 1))
        self.assertEqual(metrics(), pushed)
        queue.push("", delay_seconds=HOUR_SECONDS)
        after = metrics()
        self.assertEqual((after["backlog_bytes"], after["backlog_count"]), (7 + 2 * OVERHEAD_BYTES, 2))
        self.assertEqual(after["oldest_message_timestamp_ms"], pushed["oldest_message_timestamp_ms"])
        pulled = queue.call("POST", "/messages/pull", {}).result
        self.assertEqual((pulled["message_backlog_count"], pulled["metadata"]["metrics"]), (2, after))
        queue.settle([pulled["messages"][0]["lease_id"]])
        left = metrics()
        self.assertEqual((left["backlog_bytes"], left["backlog_count"]), (OVERHEAD_BYTES, 1))
        self.assertGreaterEqual(left["oldest_message_timestamp_ms"], after["oldest_message_timestamp_ms"])
        queue.call("POST", "/purge").result
        self.assertEqual(metrics(), empty)

    def test_base64(self):
        queue = self.queue()
        raw = base64.b64encode(bytes(range(256))).decode()
        queue.call("POST", "/messages", '{"body": {"a" : [1, 2.50, "\\u00e9"]}}').result
        queue.call("POST", "/messages", {"body": raw, "content_type": "bytes"}).result
        queue.push('{"not": "json"} ü')
        exact, octets, plain = queue.pull()
        self.assertEqual(base64.b64decode(exact["body"], validate=True), b'{"a" : [1, 2.50, "\\u00e9"]}')
        self.assertEqual((octets["body"], plain["body"]), (raw, '{"not": "json"} ü'))
        for message, kind in ((exact, "json"), (octets, "bytes"), (plain, "text")):
            self.assertEqual(message["metadata"], {"CF-Content-Type": kind, "CF-sourceMessageSource": "http"})
