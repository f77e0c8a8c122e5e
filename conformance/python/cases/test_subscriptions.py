"""Event subscriptions: kept and shown as the original does."""

import cloudflare

from cases.house import Case

NOBODY = "00000000000000000000000000000000"


class Subscriptions(Case):
    @property
    def subscriptions(self):
        return self.client.queues.subscriptions

    def subscribe(self, source, events):
        destination = {"type": "queues.queue", "queue_id": self.queue}
        name = self._testMethodName
        create = self.subscriptions.create
        return create(account_id=self.account, name=name, source=source, destination=destination, events=events)

    def test_subscription(self):
        made = self.subscribe({"type": "kv"}, ["namespace.created"])
        self.assertEqual((made.source.type, made.events, made.enabled), ("kv", ["namespace.created"], True))
        self.assertEqual((made.destination.type, made.destination.queue_id), ("queues.queue", self.queue))
        get = lambda: self.subscriptions.get(made.id, account_id=self.account)
        self.assertEqual(get().to_dict(), made.to_dict())
        update = self.subscriptions.update
        changed = update(made.id, account_id=self.account, name="other", enabled=False, events=["namespace.deleted"])
        self.assertEqual((changed.name, changed.enabled, changed.events), ("other", False, ["namespace.deleted"]))
        self.assertEqual(changed.created_at, made.created_at)
        self.assertEqual(get().to_dict(), changed.to_dict())
        deleted = self.subscriptions.delete(made.id, account_id=self.account)
        self.assertEqual(deleted.to_dict(), changed.to_dict())
        self.refused(cloudflare.NotFoundError, 19020, get)

    def test_subscriptions_list(self):
        names = [f"nightly-{number}" for number in range(5)]
        made = [
            self.subscribe({"type": "workflows.workflow", "workflow_name": name}, ["instance.queued"]).id
            for name in names
        ]
        order = {"order": "created_at", "direction": "desc"}
        pages = self.subscriptions.list(account_id=self.account, per_page=2, **order)
        listed = [subscription.id for subscription in pages if subscription.destination.queue_id == self.queue]
        self.assertEqual(listed, made[::-1], "page by page, until one is empty")
        past = self.subscriptions.list(account_id=self.account, page=99)
        self.assertEqual(past.result, [])

    def test_subscription_taken(self):
        source = {"type": "vectorize"}
        self.subscribe(source, ["index.created"])
        again = lambda: self.subscribe(source, ["index.deleted"])
        self.assertEqual(self.refused(cloudflare.APIStatusError, 19021, again).status_code, 405)

    def test_subscription_refused(self):
        unknown = lambda: self.subscribe({"type": "r2"}, ["bucket.painted"])
        self.refused(cloudflare.BadRequestError, 19022, unknown)
        self.queue = NOBODY
        nowhere = lambda: self.subscribe({"type": "r2"}, ["bucket.created"])
        self.refused(cloudflare.NotFoundError, 19019, nowhere)
