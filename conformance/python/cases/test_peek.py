"""Looking without taking: peek, deleting by ref, and the older preview."""

import cloudflare

from cases.house import Case


class Peek(Case):
    def peek(self, **more):
        return self.messages.peek(self.queue, account_id=self.account, **more).messages

    def discard(self, *refs):
        return self.messages.purge(self.queue, account_id=self.account, refs=[{"ref": ref} for ref in refs])

    def post(self, call, body):
        """A call that the SDK has no method for."""
        path = f"/accounts/{self.account}/queues/{self.queue}/messages/{call}"
        answer = self.client.post(path, body=body, cast_to=object)
        return answer["result"]

    def test_peek(self):
        for body in ("one", "two", "three"):
            self.push(body, content_type="text")
        self.push("later", content_type="text", delay_seconds=3600)
        first, second = self.peek(batch_size=2)
        self.assertEqual([first.body, second.body], ["one", "two"])
        self.assertEqual((first.attempts, first.metadata["CF-Content-Type"]), (0, "text"))
        self.assertNotIn("lease_id", first.to_dict())
        self.assertEqual([message.id for message in self.peek(batch_size=2)], [first.id, second.id], "nothing moved")
        pulled = self.pull(batch_size=2).messages
        self.assertEqual([message.id for message in pulled], [first.id, second.id])
        self.assertEqual([message.attempts for message in pulled], [1, 1], "a look is no attempt")
        self.assertEqual(pulled[0].timestamp_ms, first.timestamp_ms)
        self.assertEqual([message.body for message in self.peek()], ["three"], "neither leased nor delayed ones")

    def test_peek_without_consumer(self):
        self.client.queues.consumers.delete(self.consumer.consumer_id, account_id=self.account, queue_id=self.queue)
        self.assertEqual(self.peek(), [])
        self.push({"n": 1})
        (message,) = self.peek()
        self.assertEqual(message.body, "eyJuIjoxfQ==")

    def test_peek_out_of_bounds(self):
        for number in (0, 101):
            self.refused(cloudflare.BadRequestError, 10026, lambda: self.peek(batch_size=number))

    def test_purge_by_ref(self):
        for body in ("one", "two", "three"):
            self.push(body, content_type="text")
        one, two, _ = self.peek()
        purged = self.discard(one.ref, two.ref)
        self.assertEqual((purged.errors, purged.warnings), ([], {}))
        self.assertEqual([message.body for message in self.peek()], ["three"])
        self.assertEqual(self.client.queues.get_metrics(self.queue, account_id=self.account).backlog_count, 1)
        self.assertEqual(self.pull_one().body, "three")

    def test_purge_by_stale_ref(self):
        self.push("once", content_type="text")
        (message,) = self.peek()
        self.discard(message.ref)
        again = self.discard(message.ref, "no ref")
        self.assertEqual(again.errors, [])
        self.assertEqual(set(again.warnings), {message.ref, "no ref"})
        self.assertTrue(all(isinstance(text, str) for text in again.warnings.values()))

    def test_preview(self):
        self.push("one", content_type="text")
        self.push("two", content_type="text")
        (shown,) = self.post("preview", {"batch_size": 1})["messages"]
        self.assertEqual((shown["body"], shown["attempts"]), ("one", 0))
        self.assertEqual(shown["lease_id"], shown["ref"])
        settled = self.post("preview/ack", {"acks": [{"lease_id": shown["lease_id"]}], "retries": []})
        self.assertEqual(settled, {"ackCount": 1, "retryCount": 0, "warnings": {}})
        self.assertEqual(self.pull_one().body, "two")
