"""The checklist's boxes on queues and consumers (spec §12), one case a box."""

import re

from raw.wire import NOBODY, Case

STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
DEFAULTS = {"delivery_delay": 0, "delivery_paused": False, "message_retention_period": 345_600}
HTTP_PULL = {"batch_size": 5, "max_retries": 3, "retry_delay": 0, "visibility_timeout_ms": 30_000}
WORKER = {"batch_size": 7, "max_concurrency": 2, "max_retries": 9, "max_wait_time_ms": 1000, "retry_delay": 4}


class ControlPlane(Case):
    def create(self, name, **more):
        return self.wire.call("POST", "/queues", {"queue_name": name} | more)

    def listed(self, query):
        envelope = self.wire.call("GET", f"/queues{query}").envelope
        info = envelope["result_info"]
        counts = (info["count"], info["page"], info["per_page"], info["total_count"], info["total_pages"])
        return [queue["queue_name"] for queue in envelope["result"]], counts

    def test_create(self):
        made = self.create("create").result
        self.assertRegex(made["queue_id"], "^[0-9a-f]{32}$")
        for name in ("created_on", "modified_on"):
            self.assertRegex(made[name], STAMP)
        self.assertEqual(made["settings"], DEFAULTS)
        empty = {"producers": [], "producers_total_count": 0, "consumers": [], "consumers_total_count": 0}
        self.assertEqual({name: made[name] for name in empty}, empty)
        again = self.create("create")
        self.assertEqual(again.refusal, (409, 11009))
        self.assertEqual(again.headers["x-should-retry"], "false")

    def test_names(self):
        for good in ("a", "b" * 63, "0", "a-b"):
            self.assertEqual(self.create(good).result["queue_name"], good)
        for bad in ("", "c" * 64, "A", "-a", "a-", "a_b", "a.b"):
            self.assertEqual(self.create(bad).refusal, (400, 11003), bad)

    def test_list(self):
        names = [self.name(f"-{number}") for number in range(5)]
        for name in names:
            self.create(name).result
        everything, (count, page, _, total, pages) = self.listed("")
        self.assertEqual((count, page, pages), (total, 1, 1))
        self.assertEqual(everything[-5:], names, "in the order of creation")
        some, counts = self.listed(f"?page=2&per_page={total - 2}")
        self.assertEqual((some, counts), (names[-2:], (2, 2, total - 2, total, 2)))
        self.assertEqual(self.listed(f"?name={names[1]}&page=1"), ([names[1]], (1, 1, 100, 1, 1)))
        self.assertEqual(self.listed(f"?page=1&name={names[3]}&name={names[0]}")[0], [names[0], names[3]])
        self.assertEqual(self.listed("?page=1&name=nobody"), ([], (0, 1, 100, 0, 0)))
        past, counts = self.listed("?page=1000000&per_page=2")
        self.assertEqual((past, counts), ([], (0, 1_000_000, 2, total, (total + 1) // 2)))

    def test_change_and_replace(self):
        settings = {"delivery_delay": 5, "message_retention_period": 600}
        queue, other = self.queue(settings), self.queue(name=self.name("-other"))
        paused = queue.call("PATCH", "", {"settings": {"delivery_paused": True}}).result
        self.assertEqual(paused["settings"], settings | {"delivery_paused": True})
        reset = queue.call("PUT", "", {"queue_name": self.name("-by-put")}).result
        self.assertEqual((reset["queue_name"], reset["settings"]), (self.name("-by-put"), DEFAULTS))
        renamed = queue.call("PATCH", "", {"queue_name": self.name("-by-patch")}).result
        self.assertEqual((renamed["queue_id"], renamed["queue_name"]), (queue.id, self.name("-by-patch")))
        for method in ("PUT", "PATCH"):
            self.assertEqual(queue.call(method, "", {"queue_name": other.name}).refusal, (409, 11009))
        self.assertEqual(queue.call("GET").result, renamed)

    def test_settings_bounds(self):
        queue = self.queue()
        for setting, least, most in (("delivery_delay", 0, 86_400), ("message_retention_period", 60, 1_209_600)):
            for value in (least, most):
                changed = queue.call("PATCH", "", {"settings": {setting: value}}).result
                self.assertEqual(changed["settings"][setting], value)
                self.create(self.name(f"-{least}-{value}"), settings={setting: value}).result
            for value in (least - 1, most + 1, least + 0.5, str(least)):
                for answer in (
                    queue.call("PATCH", "", {"settings": {setting: value}}),
                    queue.call("PUT", "", {"settings": {setting: value}}),
                    self.create("never", settings={setting: value}),
                ):
                    self.assertEqual((answer.refusal, answer.pointer), ((400, 100128), f"/settings/{setting}"))
            self.assertEqual(queue.call("GET").result["settings"][setting], most, "nothing is clamped")

    def test_delete(self):
        queue = self.queue()
        self.assertIsNone(queue.call("DELETE").result)
        for method in ("GET", "DELETE", "PUT", "PATCH"):
            self.assertEqual(queue.call(method, "", {}).refusal, (404, 11000), "Terraform looks at the status")

    def test_consumer(self):
        queue = self.queue()
        self.assertEqual(queue.consumer["settings"], HTTP_PULL)
        self.assertEqual(queue.call("POST", "/consumers", {"type": "http_pull"}).refusal, (409, 11004))
        path = f"/consumers/{queue.consumer['consumer_id']}"
        worker = {"type": "worker", "script_name": "mailer", "environment_name": "", "settings": WORKER}
        replaced = queue.call("PUT", path, worker).result
        self.assertEqual((replaced["consumer_id"], replaced["settings"]), (queue.consumer["consumer_id"], WORKER))
        self.assertEqual((replaced["script"], replaced["script_name"]), ("mailer", "mailer"))
        self.assertEqual(queue.call("GET", path).result, replaced)
        self.assertIsNone(queue.call("DELETE", path).result)
        self.assertEqual(queue.call("DELETE", path).refusal, (404, 11006))
        created = queue.call("PUT", f"/consumers/{NOBODY}", worker).result
        self.assertEqual((created["consumer_id"], created["settings"]), (NOBODY, WORKER))
        self.assertEqual(queue.call("GET", "/consumers").result, [created])

    def test_dead_letter_queue(self):
        dead = self.name("-end")
        queue = self.queue(consumer={"dead_letter_queue": dead})
        self.assertEqual(queue.consumer["dead_letter_queue"], dead)
        self.assertEqual(self.listed(f"?name={dead}")[0], [dead], "made because it was absent")
        path = f"/consumers/{queue.consumer['consumer_id']}"
        itself = {"type": "http_pull", "dead_letter_queue": queue.name}
        self.assertEqual(queue.call("PUT", path, itself).refusal, (400, 100127))
        self.assertEqual(queue.call("GET", path).result, queue.consumer)

    def test_consumer_bounds(self):
        queue = self.queue()
        path = f"/consumers/{queue.consumer['consumer_id']}"
        worker, http_pull = {"type": "worker", "script_name": "mailer"}, {"type": "http_pull"}
        for kind, setting, least, most in (
            (worker, "batch_size", 1, 100),
            (http_pull, "batch_size", 1, 100),
            (worker, "max_retries", 0, 100),
            (http_pull, "max_retries", 0, 100),
            (worker, "max_wait_time_ms", 0, 60_000),
            (worker, "max_concurrency", 1, 250),
            (http_pull, "visibility_timeout_ms", 0, 43_200_000),
            (worker, "retry_delay", 0, 86_400),
            (http_pull, "retry_delay", 0, 86_400),
        ):
            with self.subTest(setting=setting, kind=kind["type"]):
                for value in (least, most):
                    replaced = queue.call("PUT", path, kind | {"settings": {setting: value}}).result
                    self.assertEqual(replaced["settings"][setting], value)
                for value in (least - 1, most + 1):
                    answer = queue.call("PUT", path, kind | {"settings": {setting: value}})
                    self.assertEqual((answer.refusal, answer.pointer), ((400, 100127), f"/settings/{setting}"))
        automatic = queue.call("PUT", path, worker | {"settings": {"max_concurrency": None}}).result
        self.assertIsNone(automatic["settings"]["max_concurrency"])
