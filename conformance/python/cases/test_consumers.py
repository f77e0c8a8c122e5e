"""Consumers of both types, replaced in place, and where their dead letters go."""

import cloudflare
from cloudflare.types.queues.consumer import MqHTTPConsumerResponse, MqWorkerConsumerResponse

from cases.house import Case

NOBODY = "00000000000000000000000000000000"
WORKER = {"batch_size": 20, "max_concurrency": 3, "max_retries": 4, "max_wait_time_ms": 6000, "retry_delay": 7}


class Consumers(Case):
    def replace(self, consumer_id=None, **more):
        update = self.client.queues.consumers.update
        return update(consumer_id or self.consumer.consumer_id, account_id=self.account, queue_id=self.queue, **more)

    def detach(self):
        self.client.queues.consumers.delete(self.consumer.consumer_id, account_id=self.account, queue_id=self.queue)

    def test_consumer_update(self):
        made = self.replace(type="http_pull", settings={"batch_size": 50, "max_retries": 7})
        self.assertIs(type(made), MqHTTPConsumerResponse)
        self.assertEqual((made.consumer_id, made.created_on), (self.consumer.consumer_id, self.consumer.created_on))
        settings = {"batch_size": 50, "max_retries": 7, "retry_delay": 0, "visibility_timeout_ms": 30_000}
        self.assertEqual(made.settings.to_dict(), settings, "what is absent gets its default")
        get = self.client.queues.consumers.get
        self.assertEqual(get(made.consumer_id, account_id=self.account, queue_id=self.queue), made)

    def test_consumer_changes_type(self):
        self.push("kept", content_type="text")
        worker = self.replace(type="worker", script_name="mailer", settings=WORKER)
        self.assertIs(type(worker), MqWorkerConsumerResponse)
        self.assertEqual((worker.consumer_id, worker.script_name), (self.consumer.consumer_id, "mailer"))
        self.assertEqual(worker.settings.to_dict(), WORKER)
        self.assertEqual(self.refused(cloudflare.APIStatusError, 19001, self.pull).status_code, 405)
        self.assertIs(type(self.replace(type="http_pull")), MqHTTPConsumerResponse)
        self.assertEqual(self.pull_one().body, "kept")

    def test_consumer_update_creates(self):
        self.detach()
        made = self.replace(NOBODY, type="http_pull")
        self.assertEqual(made.consumer_id, NOBODY)
        self.assertEqual(list(self.client.queues.consumers.list(self.queue, account_id=self.account)), [made])

    def test_worker_consumer(self):
        self.detach()
        create = self.client.queues.consumers.create
        given = WORKER | {"max_concurrency": None}
        made = create(self.queue, account_id=self.account, type="worker", script_name="mailer", settings=given)
        self.assertIs(type(made), MqWorkerConsumerResponse)
        self.assertEqual((made.script_name, made.dead_letter_queue), ("mailer", ""))
        self.assertEqual(made.settings.to_dict(), given)
        (embedded,) = self.client.queues.get(self.queue, account_id=self.account).consumers
        self.assertEqual((embedded.consumer_id, embedded.settings), (made.consumer_id, made.settings))
        self.assertEqual(embedded.to_dict()["script"], "mailer", "where wrangler looks for it")

    def test_consumer_settings_out_of_bounds(self):
        replace = lambda: self.replace(type="http_pull", settings={"visibility_timeout_ms": 43_200_001})
        error = self.refused(cloudflare.BadRequestError, 100127, replace)
        self.assertEqual(error.errors[0].source.pointer, "/settings/visibility_timeout_ms")
        for part in ("visibility_timeout_ms", "43200001", "43200000"):
            self.assertIn(part, error.errors[0].message)

    def test_dead_letters(self):
        self.replace(type="http_pull", dead_letter_queue="test-dead-letters-end", settings={"max_retries": 1})
        listed = list(self.client.queues.list(account_id=self.account))
        (dead,) = [queue.queue_id for queue in listed if queue.queue_name == "test-dead-letters-end"]
        self.push("poison", content_type="text")
        for attempt in (1, 2):
            message = self.pull_one()
            self.assertEqual(message.attempts, attempt)
            self.settle(retries=[{"lease_id": message.lease_id}])
        self.assertEqual(self.pull().message_backlog_count, 0)
        self.client.queues.consumers.create(dead, account_id=self.account, type="http_pull")
        (moved,) = self.messages.pull(dead, account_id=self.account).messages
        self.assertEqual((moved.id, moved.body, moved.attempts), (message.id, "poison", 1))
        self.assertEqual(moved.timestamp_ms, message.timestamp_ms)

    def test_dead_letters_dropped(self):
        self.replace(type="http_pull", settings={"max_retries": 0})
        self.push("poison", content_type="text")
        self.settle(retries=[{"lease_id": self.pull_one().lease_id}])
        self.assertEqual(self.pull().message_backlog_count, 0, "without a queue for them they are dropped")

    def test_dead_letters_to_itself(self):
        name = self.client.queues.get(self.queue, account_id=self.account).queue_name
        replace = lambda: self.replace(type="http_pull", dead_letter_queue=name)
        self.refused(cloudflare.BadRequestError, 100127, replace)
