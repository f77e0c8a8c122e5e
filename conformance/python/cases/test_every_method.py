"""Every method of the SDK's queues, once at least, by the asynchronous client; one that is new or forgotten fails."""

import asyncio
import inspect
import unittest

import cloudflare

from kew import Kew

TEXT = {"content_type": "text"}


class Recorder:
    """A part of the client that notes which of its methods were called."""

    def __init__(self, part, name, called):
        self.part, self.name, self.called = part, name, called

    def __getattr__(self, name):
        found, path = getattr(self.part, name), f"{self.name}.{name}"
        if not callable(found):
            return Recorder(found, path, self.called)
        self.called.add(path)
        return found


def methods(part, name):
    """The names of all methods of a part of the client and of the parts below it."""
    names = set()
    for word in dir(part):
        if word.startswith(("_", "with_")):
            continue
        found, path = getattr(part, word), f"{name}.{word}"
        names |= {path} if inspect.ismethod(found) else methods(found, path)
    return names


class EveryMethod(unittest.TestCase):
    def setUp(self):
        self.kew = Kew.dev()
        self.addCleanup(self.kew.__exit__)

    def test_every_method(self):
        asyncio.run(self.every_method())

    async def every_method(self):
        settings = self.kew.settings()
        account = {"account_id": settings["CLOUDFLARE_ACCOUNT_ID"]}
        url, token = settings["CLOUDFLARE_BASE_URL"], settings["CLOUDFLARE_API_TOKEN"]
        called = set()
        async with cloudflare.AsyncCloudflare(base_url=url, api_token=token) as client:
            queues = Recorder(client.queues, "queues", called)
            queue = await self.life_of_a_queue(queues, account)
            await self.life_of_a_consumer(queues, account, queue)
            await self.life_of_messages(queues, account, queue)
            await self.life_of_a_subscription(queues, account, queue)
            await queues.delete(queue, **account)
            self.assertEqual(called, methods(client.queues, "queues"))

    async def life_of_a_queue(self, queues, account):
        queue = (await queues.create(queue_name="every-method", **account)).queue_id
        await queues.update(queue, queue_name="every-method-twice", **account)
        edited = await queues.edit(queue, settings={"delivery_delay": 0}, **account)
        self.assertEqual(await queues.get(queue, **account), edited)
        listed = [item.queue_id async for item in queues.list(**account)]
        self.assertIn(queue, listed)
        return queue

    async def life_of_a_consumer(self, queues, account, queue):
        consumers = queues.consumers
        made = await consumers.create(queue, type="worker", script_name="mailer", **account)
        of_queue = account | {"queue_id": queue}
        changed = await consumers.update(made.consumer_id, type="http_pull", **of_queue)
        self.assertEqual(await consumers.get(made.consumer_id, **of_queue), changed)
        self.assertEqual([item async for item in consumers.list(queue, **account)], [changed])
        await consumers.delete(made.consumer_id, **of_queue)
        await consumers.create(queue, type="http_pull", **account)

    async def life_of_messages(self, queues, account, queue):
        messages = queues.messages
        await messages.push(queue, body="one", **TEXT, **account)
        await messages.bulk_push(queue, messages=[{"body": body, **TEXT} for body in ("two", "three")], **account)
        self.assertEqual((await queues.get_metrics(queue, **account)).backlog_count, 3)
        (pulled,) = (await messages.pull(queue, batch_size=1, **account)).messages
        acked = await messages.ack(queue, acks=[{"lease_id": pulled.lease_id}], **account)
        self.assertEqual((pulled.body, acked.ack_count), ("one", 1))
        peeked, _ = (await messages.peek(queue, **account)).messages
        purged = await messages.purge(queue, refs=[{"ref": peeked.ref}], **account)
        self.assertEqual((peeked.body, purged.warnings), ("two", {}))
        await queues.purge.start(queue, delete_messages_permanently=True, **account)
        self.assertTrue((await queues.purge.status(queue, **account)).completed)
        self.assertEqual((await queues.get_metrics(queue, **account)).backlog_count, 0)

    async def life_of_a_subscription(self, queues, account, queue):
        subscriptions = queues.subscriptions
        given = {"source": {"type": "kv"}, "events": ["namespace.created"], "enabled": True}
        destination = {"type": "queues.queue", "queue_id": queue}
        made = await subscriptions.create(name="watch", destination=destination, **given, **account)
        await subscriptions.update(made.id, name="watch-again", **account)
        self.assertEqual((await subscriptions.get(made.id, **account)).name, "watch-again")
        self.assertEqual([item.id async for item in subscriptions.list(**account)], [made.id])
        self.assertEqual((await subscriptions.delete(made.id, **account)).id, made.id)
