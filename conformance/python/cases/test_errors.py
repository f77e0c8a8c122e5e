"""Which class of error the SDK raises, with which code, and what it repeats."""

import cloudflare

from cases.house import Case
from proxy import Proxy

NOBODY = "00000000000000000000000000000000"


class Errors(Case):
    def setUp(self):
        super().setUp()
        self.proxy = Proxy(self.kew.url)
        self.proxy.__enter__()
        self.addCleanup(self.proxy.__exit__)
        self.client = self.client_at(self.proxy.url)

    def test_bad_request(self):
        call = lambda: self.push("x", content_type="text", delay_seconds=86_401)
        error = self.refused(cloudflare.BadRequestError, 10203, call)
        self.assertEqual(error.errors[0].source.pointer, "/delay_seconds")
        for part in ("delay_seconds", "86401", "86400"):
            self.assertIn(part, error.errors[0].message)
        self.assertEqual(len(self.proxy.requests), 1)

    def test_bulk_push_is_all_or_nothing(self):
        messages = [{"body": "good", "content_type": "text"}, {"body": 1, "content_type": "text"}]
        push = self.messages.bulk_push
        error = self.refused(
            cloudflare.BadRequestError, 10207, lambda: push(self.queue, account_id=self.account, messages=messages)
        )
        self.assertEqual(error.errors[0].source.pointer, "/messages/1/body")
        self.assertEqual(self.pull().message_backlog_count, 0)

    def test_authentication(self):
        stranger = self.client.with_options(api_token="a-token-that-nobody-has")
        call = lambda: stranger.queues.get(self.queue, account_id=self.account)
        self.refused(cloudflare.AuthenticationError, 10000, call)
        self.assertEqual(len(self.proxy.requests), 1)

    def test_queue_not_found(self):
        get = lambda: self.client.queues.get(NOBODY, account_id=self.account)
        self.refused(cloudflare.NotFoundError, 11000, get)
        push = lambda: self.messages.push(NOBODY, account_id=self.account, body="x", content_type="text")
        self.refused(cloudflare.NotFoundError, 10104, push)

    def test_consumer_not_found(self):
        get = lambda: self.client.queues.consumers.get(NOBODY, account_id=self.account, queue_id=self.queue)
        self.refused(cloudflare.NotFoundError, 11006, get)

    def test_route_not_found(self):
        call = lambda: self.client.get(f"/accounts/{self.account}/nothing", cast_to=object)
        error = self.refused(cloudflare.NotFoundError, 7003, call)
        self.assertEqual(error.errors[1].code, 7000)

    def test_queue_name_taken(self):
        create = lambda: self.client.queues.create(account_id=self.account, queue_name="jobs")
        self.refused(cloudflare.ConflictError, 11009, create)
        self.assertEqual([status for *_, status in self.proxy.requests], [409], "asked once")

    def test_conflict_without_the_header(self):
        self.proxy.hide_header("x-should-retry")
        create = lambda: self.client.queues.create(account_id=self.account, queue_name="jobs")
        self.refused(cloudflare.ConflictError, 11009, create)
        self.assertEqual([retry for _, _, retry, _ in self.proxy.requests], [0, 1, 2])

    def test_consumer_exists(self):
        create = lambda: self.client.queues.consumers.create(self.queue, account_id=self.account, type="http_pull")
        self.refused(cloudflare.ConflictError, 11004, create)
        self.assertEqual([status for *_, status in self.proxy.requests], [409], "asked once")

    def test_pull_without_consumer(self):
        self.client.queues.consumers.delete(self.consumer.consumer_id, account_id=self.account, queue_id=self.queue)
        error = self.refused(cloudflare.APIStatusError, 19001, self.pull)
        self.assertEqual(error.status_code, 405)

    def test_message_too_large(self):
        self.push("x" * 127_900, content_type="text")
        call = lambda: self.push("x" * 127_901, content_type="text")
        error = self.refused(cloudflare.APIStatusError, 10204, call)
        self.assertEqual(error.status_code, 413)
        self.assertEqual([status for *_, status in self.proxy.requests], [200, 413])
        self.assertEqual(self.pull().message_backlog_count, 1)

    def test_lost_answer_is_repeated(self):
        self.proxy.lose_answers(1)
        pushed = self.push("twice", content_type="text")
        self.assertEqual([retry for _, _, retry, _ in self.proxy.requests], [0, 1])
        self.assertEqual(pushed.metadata.metrics.backlog_count, 2)
        bodies = [message.body for message in self.pull().messages]
        self.assertEqual(bodies, ["twice", "twice"], "the first push counted, though nobody saw its answer")

    def test_lost_ack_is_repeated(self):
        self.push("done", content_type="text")
        message = self.pull_one()
        self.proxy.requests.clear()
        self.proxy.lose_answers(1)
        settled = self.settle(acks=[message])
        self.assertEqual([retry for _, _, retry, _ in self.proxy.requests], [0, 1])
        self.assertEqual((settled.ack_count, settled.warnings), (1, {}), "the answer that was lost")
