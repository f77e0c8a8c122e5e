"""What Kew has beyond the original, asked for through the SDK: longer leases, waiting pulls, pushes that count once,
redrives."""

import concurrent.futures

import cloudflare

from cases.house import Case
from proxy import Proxy

HOUR_MS = 3_600_000
# The longest that a pull may wait. Each case is over as soon as what it waits for has come.
WAIT_MS = 60_000


class Extensions(Case):
    def post(self, call, body):
        """A call that the SDK has no method for."""
        path = f"/accounts/{self.account}/queues/{self.queue}/messages/{call}"
        return self.client.post(path, body=body, cast_to=object)["result"]

    def wait_pull(self, wait_time_ms=WAIT_MS, client=None, **more):
        messages = (client or self.client).queues.messages
        extra = {"wait_time_ms": wait_time_ms}
        return messages.pull(self.queue, account_id=self.account, extra_body=extra, **more).messages

    def keyed(self, key, body, client=None):
        messages = (client or self.client).queues.messages
        headers = {"Idempotency-Key": key}
        return messages.push(
            self.queue, account_id=self.account, body=body, content_type="text", extra_headers=headers
        )

    def test_lease_ends(self):
        self.push("again", content_type="text")
        (first,) = self.pull(visibility_timeout_ms=1).messages
        (second,) = self.wait_pull()
        self.assertEqual((second.id, second.attempts), (first.id, 2))
        self.assertEqual(second.timestamp_ms, first.timestamp_ms)
        self.assertNotEqual(second.lease_id, first.lease_id)
        self.assertEqual(self.settle(acks=[first]).ack_count, 1, "a late ack is taken")
        self.assertEqual(self.settle(acks=[second]).ack_count, 1)
        self.assertEqual(self.pull().message_backlog_count, 0)

    def test_extend(self):
        self.push("long work", content_type="text")
        (message,) = self.pull(visibility_timeout_ms=HOUR_MS).messages
        lease = {"lease_id": message.lease_id}
        shortened = self.post("extend", {"extend": [lease], "visibility_timeout_ms": 1})
        self.assertEqual(shortened, {"extendCount": 1, "warnings": {}})
        (again,) = self.wait_pull(visibility_timeout_ms=HOUR_MS)
        self.assertEqual((again.id, again.attempts), (message.id, 2), "the lease ended when the extension said")
        stale = self.post("extend", {"extend": [lease]})
        self.assertEqual((stale["extendCount"], list(stale["warnings"])), (0, [message.lease_id]))
        extended = self.post("extend", {"extend": [{"lease_id": again.lease_id}], "visibility_timeout_ms": 2 * HOUR_MS})
        self.assertEqual(extended["extendCount"], 1)
        self.assertEqual(self.settle(acks=[again]).ack_count, 1, "the lease id stays")

    def test_extend_refused(self):
        for body in ({}, {"extend": [{"lease_id": None}]}, {"extend": [], "visibility_timeout_ms": 43_200_001}):
            self.refused(cloudflare.BadRequestError, 10026, lambda: self.post("extend", body))

    def test_long_poll(self):
        with Proxy(self.kew.url) as proxy, concurrent.futures.ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(self.wait_pull, client=self.client_at(proxy.url))
            proxy.wait_for_arrival()
            self.push("at last", content_type="text")
            (message,) = waiting.result()
            self.assertEqual((message.body, message.attempts), ("at last", 1))
            self.assertEqual(len(proxy.requests), 1, "asked once")

    def test_long_poll_ends_empty(self):
        self.assertEqual(self.wait_pull(wait_time_ms=1), [])
        for number in (-1, WAIT_MS + 1):
            self.refused(cloudflare.BadRequestError, 10026, lambda: self.wait_pull(wait_time_ms=number))

    def test_idempotent_push(self):
        first = self.keyed("order-7", "paid")
        again = self.keyed("order-7", "paid")
        self.assertEqual(again.to_dict(), first.to_dict(), "the answer is repeated")
        self.keyed("order-8", "paid")
        self.assertEqual([message.body for message in self.pull().messages], ["paid", "paid"])

    def test_idempotent_push_of_another_body(self):
        self.keyed("order-7", "paid")
        with Proxy(self.kew.url) as proxy:
            client = self.client_at(proxy.url)
            self.refused(cloudflare.ConflictError, 19017, lambda: self.keyed("order-7", "cancelled", client))
            self.assertEqual([status for *_, status in proxy.requests], [409], "asked once")
        self.assertEqual(self.pull_one().body, "paid")

    def test_idempotent_push_with_lost_answer(self):
        with Proxy(self.kew.url) as proxy:
            proxy.lose_answers(1)
            pushed = self.keyed("order-7", "paid", self.client_at(proxy.url))
            self.assertEqual([retry for _, _, retry, _ in proxy.requests], [0, 1])
        self.assertEqual(pushed.metadata.metrics.backlog_count, 1)
        self.assertEqual(self.pull_one().body, "paid")

    def test_redrive(self):
        consumers, name = self.client.queues.consumers, "test-redrive-dead"
        consumers.update(
            self.consumer.consumer_id, account_id=self.account, queue_id=self.queue, type="http_pull",
            dead_letter_queue=name, settings={"max_retries": 0},
        )
        self.push("mended", content_type="text")
        message = self.pull_one()
        self.settle(retries=[{"lease_id": message.lease_id}])
        (dead,) = [q.queue_id for q in self.client.queues.list(account_id=self.account) if q.queue_name == name]
        url = f"{self.kew.url}/kew/v1/accounts/{self.account}/queues/{dead}/redrive"
        moved = self.client.post(url, body={}, cast_to=object)["result"]
        self.assertEqual(moved, {"moved": 1, "without_origin": 0, "left": 0})
        again = self.pull_one()
        self.assertEqual((again.id, again.body, again.attempts), (message.id, "mended", 1))
