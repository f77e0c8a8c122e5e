"""The checklist's boxes on peek, extend and preview (spec §12), one case a box; and the key of idempotent pushes."""

from raw.wire import Case

HOUR_MS = 3_600_000


class Beyond(Case):
    def shown(self, queue, call="peek", **more):
        return queue.call("POST", f"/messages/{call}", more).result["messages"]

    def test_peek_and_purge_by_ref(self):
        queue = self.queue()
        queue.push("a", "b", "c")
        first, again = self.shown(queue), self.shown(queue)
        names = {"id", "attempts", "body", "metadata", "ref", "timestamp_ms"}
        self.assertEqual([set(message) for message in first], [names] * 3)
        plain = lambda messages: [{name: message[name] for name in names - {"ref"}} for message in messages]
        self.assertEqual(plain(first), plain(again), "nothing is leased, no attempt is counted")
        purge = {"refs": [{"ref": first[0]["ref"]}, {"ref": again[1]["ref"]}]}
        self.assertEqual(queue.call("POST", "/messages/purge", purge).result, {"errors": [], "warnings": {}})
        stale = queue.call("POST", "/messages/purge", purge).result
        self.assertEqual((stale["errors"], set(stale["warnings"])), ([], {entry["ref"] for entry in purge["refs"]}))
        message = queue.pull_one()
        self.assertEqual((message["body"], message["attempts"]), ("c", 1))

    def test_extend(self):
        queue = self.queue()
        queue.push("long work")
        first = queue.pull_one(visibility_timeout_ms=0)["lease_id"]
        extend = lambda lease, **more: queue.call("POST", "/messages/extend", {"extend": [{"lease_id": lease}]} | more)
        late = extend(first).result
        self.assertEqual((late["extendCount"], list(late["warnings"])), (0, [first]), "after its end")
        current = queue.pull_one()
        old = extend(first).result
        self.assertEqual((old["extendCount"], list(old["warnings"])), (0, [first]), "after another delivery")
        longer = extend(current["lease_id"], visibility_timeout_ms=HOUR_MS).result
        self.assertEqual(longer, {"extendCount": 1, "warnings": {}})
        self.assertEqual(queue.pull(), [])
        ended = extend(current["lease_id"], visibility_timeout_ms=0).result
        self.assertEqual(ended["extendCount"], 1)
        again = queue.pull_one()
        self.assertEqual(again["attempts"], current["attempts"] + 1, "extending is no attempt")
        self.assertEqual(queue.settle([current["lease_id"]]), (1, 0, []), "the old lease id still acks")
        gone = extend(again["lease_id"]).result
        self.assertEqual((gone["extendCount"], list(gone["warnings"])), (0, [again["lease_id"]]))

    def test_preview(self):
        queue = self.queue()
        queue.push("a", "b")
        first, second = self.shown(queue, "preview")
        self.assertEqual((first["body"], first["lease_id"]), ("a", first["ref"]))
        body = {"acks": [{"lease_id": first["lease_id"]}], "retries": [{"lease_id": second["lease_id"]}]}
        settled = queue.call("POST", "/messages/preview/ack", body).result
        self.assertEqual((settled["ackCount"], settled["warnings"]), (1, {}))
        message = queue.pull_one()
        self.assertEqual((message["body"], message["attempts"]), ("b", 1))

    def test_idempotency_key(self):
        queue = self.queue()
        push = lambda path, body, key: queue.call("POST", f"/messages{path}", body, **{"idempotency-key": key})
        for path, body in (("", {"body": 1}), ("/batch", {"messages": [{"body": 1}, {"body": 2}]})):
            key = f"once{path}"
            first, again = push(path, body, key), push(path, body, key)
            self.assertEqual(again.result, first.result)
            replayed = [answer.headers["idempotency-replayed"] for answer in (first, again)]
            self.assertEqual(replayed, [None, "true"], "whoever wants to know can see it")
            other = push("", {"body": "another"}, key)
            self.assertEqual((other.refusal, other.headers["x-should-retry"]), ((409, 19017), "false"))
        for wrong in ("", "two words", "x" * 256):
            self.assertEqual(push("", {"body": 1}, wrong).refusal, (400, 19023))
        self.assertEqual(queue.backlog(), 3)
