"""docs/format.md says what is on disk: a reader written from the page alone reads a store of the real program."""

import unittest

from cases.house import client
from format import journal, records
from kew import QUEUE, Kew

HOUR_SECONDS = 3600


def fill(kew):
    """Verbs that leave most kinds of records, and messages in every state."""
    settings = kew.settings()
    account, token = settings["CLOUDFLARE_ACCOUNT_ID"], settings["CLOUDFLARE_API_TOKEN"]
    with client(kew.url, token) as made:
        queues, messages = made.queues, made.queues.messages
        text = {"content_type": "text"}
        fragile = queues.create(account_id=account, queue_name="fragile").queue_id
        once = {"max_retries": 0}
        queues.consumers.create(
            fragile, account_id=account, type="http_pull", dead_letter_queue="jobs", settings=once
        )
        messages.push(fragile, account_id=account, body="buried", **text)
        lease = messages.pull(fragile, account_id=account).messages[0].lease_id
        messages.ack(fragile, account_id=account, retries=[{"lease_id": lease}])
        delayed = [{"body": {"n": number}, "delay_seconds": number * HOUR_SECONDS} for number in range(3)]
        messages.bulk_push(QUEUE, account_id=account, messages=delayed)
        plain = [{"body": "x" * number, **text} for number in range(9)]
        once = {"Idempotency-Key": "nine"}
        for _ in range(2):
            messages.bulk_push(QUEUE, account_id=account, messages=plain, extra_headers=once)
        pulled = messages.pull(QUEUE, account_id=account, batch_size=8).messages
        leases = [{"lease_id": message.lease_id} for message in pulled]
        messages.ack(QUEUE, account_id=account, acks=leases[3:5], retries=[leases[0] | {"delay_seconds": 60}])
        gone = queues.create(account_id=account, queue_name="gone").queue_id
        for queue, source in ((gone, "kv"), (QUEUE, "r2")):
            queues.subscriptions.create(
                account_id=account,
                name=source,
                enabled=True,
                source={"type": source},
                destination={"type": "queues.queue", "queue_id": queue},
                events=["bucket.created"] if source == "r2" else ["namespace.created"],
            )
        queues.delete(gone, account_id=account)


class Format(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with Kew.dev() as kew:
            fill(kew)
            kew.stop()
            cls.frames = [frame for id in journal.segments(kew.data) for frame in journal.frames(kew.data, id)]
            cls.covered, cls.entries, payload = journal.checkpoint(kew.data)
            cls.state = records.checkpoint(payload)
        data = [(lsn, payload) for _, kind, lsn, _, payload in cls.frames if kind == journal.DATA]
        cls.lsns = [lsn for lsn, _ in data]
        cls.records = [record for _, payload in data for record in records.frame(payload)[1]]

    def of(self, name):
        return [body for kind, body in self.records if kind == name]

    def test_the_log_is_whole(self):
        kinds = [kind for _, kind, *_ in self.frames]
        self.assertEqual((kinds[0], kinds[-1]), (journal.START, journal.SEAL))
        self.assertEqual(self.lsns, list(range(1, len(self.lsns) + 1)))
        self.assertTrue(all(durable <= lsn for _, _, lsn, durable, _ in self.frames))
        self.assertEqual((self.covered, self.state["applied"]), (self.lsns[-1], self.lsns[-1]))
        self.assertEqual(self.entries[0][1:3], (1, self.lsns[-1]))

    def test_records_say_what_was_done(self):
        bodies = [message[3] for body in self.of("Pushed") for message in body["messages"]]
        expected = [b"buried", b'{"n":0}', b'{"n":1}', b'{"n":2}'] + [b"x" * number for number in range(9)]
        self.assertEqual(bodies, expected)
        delays = [body["delays"] for body in self.of("Pushed")]
        self.assertEqual(delays[1], [0, HOUR_SECONDS, 2 * HOUR_SECONDS])
        (moved,) = self.of("Moved")
        (buried,) = self.of("Buried")
        self.assertEqual((moved["from"], buried["messages"]), (buried["queue"], [(1, 2)]))
        self.assertEqual(moved["messages"][0][3], b"buried")
        self.assertEqual(moved["messages"][0][0], self.of("Pushed")[0]["messages"][0][0], "the id stays")
        leased = [run["sequences"] for body in self.of("Leased") for run in body["runs"]]
        self.assertEqual(sum(map(len, leased)), 1 + 8)
        acked = [range(*pair) for body in self.of("Acked") for pair in body["messages"]]
        self.assertEqual(sum(map(len, acked)), 2)
        self.assertEqual(len(self.of("Returned")), 1)
        self.assertEqual(len(self.of("QueueDeleted")), 1)
        named = [body["idempotency"] for body in self.of("Pushed") if body["idempotency"]]
        self.assertEqual([len(part) for part in named[0]], [32, 32])
        self.assertEqual(len(named), 1, "the repetition wrote nothing")
        self.assertEqual([body["source"] for body in self.of("SubscriptionPut")], [("kv", []), ("r2", [])])
        deleted = [body["subscription"] for body in self.of("SubscriptionDeleted")]
        self.assertEqual(deleted, [self.of("SubscriptionPut")[0]["id"]], "it went with its queue")

    def test_the_checkpoint_holds_the_state(self):
        jobs, fragile = self.state["queues"]
        self.assertEqual((jobs["id"], jobs["name"], fragile["name"]), (QUEUE, "jobs", "fragile"))
        self.assertEqual(fragile["consumer"]["dead_letter_queue"], (QUEUE, "jobs"))
        self.assertEqual((fragile["backlog_count"], fragile["departures"]), (0, [(1, 1, 0)]))
        # 1 moved, 3 of JSON and 9 of text came, 2 were acked; 8 were pulled, the two acked among them.
        self.assertEqual((jobs["next"], jobs["backlog_count"]), (14, 11))
        phases = [run["phase"] for run in jobs["runs"] for _ in run["sequences"]]
        self.assertEqual((phases.count(0), phases.count(1)), (5, 1))
        self.assertEqual([row["count"] for row in jobs["delays"]], [1, 1])
        self.assertEqual(sum(extent["live"] for extent in jobs["extents"]), 11)
        self.assertEqual(sum(extent["in_line"] for extent in jobs["extents"]), jobs["in_line"])
        (named,) = [body["idempotency"] for body in self.of("Pushed") if body["idempotency"]]
        self.assertEqual([key[1:] for key in jobs["keys"]], [named])
        self.assertEqual([subscription["name"] for subscription in self.state["subscriptions"]], ["r2"])
        self.assertTrue(0 < jobs["oldest"] <= self.state["latest"])
        self.assertEqual(jobs["in_line"], 13 - 2 - 8)
        self.assertEqual(self.state["indexes"], [], "replay makes them")
