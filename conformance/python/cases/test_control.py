"""Queues and consumers, and whose they are."""

from cases.house import Case


class Control(Case):
    def test_queue_fields(self):
        queue = self.client.queues.get(self.queue, account_id=self.account)
        self.assertEqual((queue.queue_id, queue.queue_name), (self.queue, "test-queue-fields"))
        self.assertEqual((queue.producers_total_count, queue.producers), (0, []))
        self.assertEqual(queue.consumers_total_count, 1)
        self.assertEqual(queue.consumers[0].type, "http_pull")
        settings = queue.settings
        self.assertEqual((settings.delivery_delay, settings.delivery_paused), (0, False))
        self.assertEqual(settings.message_retention_period, 345_600)
        self.assertRegex(queue.created_on, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")

    def test_queues_list(self):
        listed = list(self.client.queues.list(account_id=self.account))
        names = [queue.queue_name for queue in listed]
        self.assertIn("jobs", names)
        self.assertEqual(names.count("test-queues-list"), 1)
        mine = next(queue for queue in listed if queue.queue_id == self.queue)
        self.assertEqual(mine, self.client.queues.get(self.queue, account_id=self.account))

    def test_queue_delete(self):
        envelope = self.client.queues.delete(self.queue, account_id=self.account)
        self.assertEqual((envelope.success, envelope.errors, envelope.messages), (True, [], []))
        listed = self.client.queues.list(account_id=self.account)
        self.assertNotIn(self.queue, [queue.queue_id for queue in listed])

    def test_consumer_create(self):
        consumers = self.client.queues.consumers
        consumers.delete(self.consumer.consumer_id, account_id=self.account, queue_id=self.queue)
        made = consumers.create(
            self.queue,
            account_id=self.account,
            type="http_pull",
            dead_letter_queue="jobs",
            settings={"batch_size": 50, "max_retries": 7, "retry_delay": 9, "visibility_timeout_ms": 6000},
        )
        self.assertEqual((made.type, made.dead_letter_queue, made.queue_name), ("http_pull", "jobs", "test-consumer-create"))
        settings = made.settings
        self.assertEqual((settings.batch_size, settings.max_retries, settings.retry_delay), (50, 7, 9))
        self.assertEqual(settings.visibility_timeout_ms, 6000)
        self.assertEqual(consumers.get(made.consumer_id, account_id=self.account, queue_id=self.queue), made)
        self.assertEqual(list(consumers.list(self.queue, account_id=self.account)), [made])

    def test_consumer_delete(self):
        consumers = self.client.queues.consumers
        envelope = consumers.delete(self.consumer.consumer_id, account_id=self.account, queue_id=self.queue)
        self.assertEqual((envelope.success, envelope.errors, envelope.messages), (True, [], []))
        self.assertEqual(list(consumers.list(self.queue, account_id=self.account)), [])
