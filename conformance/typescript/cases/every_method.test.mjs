// Every method of the SDK's queues, each at least once; one that is new or forgotten fails.

import assert from "node:assert/strict";

import { all, house } from "../house.mjs";

const text = { content_type: "text" };
const scene = house();

/** The parts below a part of the client, which are objects that can be asked for things themselves. */
const isPart = ([name, value]) => name !== "_client" && typeof value === "object";

/** The names of all methods of a part of the client and of the parts below it. */
function methods(part, name) {
  const names = new Set();
  const above = Object.getPrototypeOf;
  for (let kind = above(part); kind.constructor.name !== "APIResource"; kind = above(kind))
    for (const word of Object.getOwnPropertyNames(kind)) if (word !== "constructor") names.add(`${name}.${word}`);
  for (const [word, below] of Object.entries(part).filter(isPart))
    for (const path of methods(below, `${name}.${word}`)) names.add(path);
  return names;
}

/** A part of the client that notes which of its methods were called. */
function recorder(part, name, called) {
  return new Proxy(part, {
    get(_, word) {
      const path = `${name}.${word}`;
      if (typeof part[word] !== "function") return recorder(part[word], path, called);
      called.add(path);
      return part[word].bind(part);
    },
  });
}

async function lifeOfAQueue(queues, account_id) {
  const { queue_id } = await queues.create({ account_id, queue_name: "every-method-once" });
  await queues.update(queue_id, { account_id, queue_name: "every-method-twice" });
  const edited = await queues.edit(queue_id, { account_id, settings: { delivery_delay: 0 } });
  assert.deepEqual(await queues.get(queue_id, { account_id }), edited);
  const listed = await all(queues.list({ account_id }));
  assert.ok(listed.some((queue) => queue.queue_id === queue_id));
  return queue_id;
}

async function lifeOfAConsumer({ consumers }, account_id, queue_id) {
  const made = await consumers.create(queue_id, { account_id, type: "worker", script_name: "mailer" });
  const changed = await consumers.update(made.consumer_id, { account_id, queue_id, type: "http_pull" });
  assert.deepEqual(await consumers.get(made.consumer_id, { account_id, queue_id }), changed);
  assert.deepEqual(await all(consumers.list(queue_id, { account_id })), [changed]);
  await consumers.delete(made.consumer_id, { account_id, queue_id });
  await consumers.create(queue_id, { account_id, type: "http_pull" });
}

async function lifeOfMessages(queues, account_id, queue_id) {
  const { messages, purge } = queues;
  const count = async () => (await queues.getMetrics(queue_id, { account_id })).backlog_count;
  await messages.push(queue_id, { account_id, body: "one", ...text });
  const two = ["two", "three"].map((body) => ({ body, ...text }));
  await messages.bulkPush(queue_id, { account_id, messages: two });
  assert.equal(await count(), 3);
  const [{ body, lease_id }] = (await messages.pull(queue_id, { account_id, batch_size: 1 })).messages;
  const { ackCount } = await messages.ack(queue_id, { account_id, acks: [{ lease_id }] });
  assert.deepEqual([body, ackCount], ["one", 1]);
  const [peeked] = (await messages.peek(queue_id, { account_id })).messages;
  const { warnings } = await messages.purge(queue_id, { account_id, refs: [{ ref: peeked.ref }] });
  assert.deepEqual([peeked.body, warnings], ["two", {}]);
  await purge.start(queue_id, { account_id, delete_messages_permanently: true });
  assert.ok((await purge.status(queue_id, { account_id })).completed);
  assert.equal(await count(), 0);
}

async function lifeOfASubscription({ subscriptions }, account_id, queue_id) {
  const destination = { type: "queues.queue", queue_id };
  const given = { name: "watch", source: { type: "kv" }, events: ["namespace.created"], destination };
  const { id } = await subscriptions.create({ account_id, ...given });
  await subscriptions.update(id, { account_id, name: "watch-again" });
  assert.equal((await subscriptions.get(id, { account_id })).name, "watch-again");
  assert.deepEqual((await all(subscriptions.list({ account_id }))).map((item) => item.id), [id]);
  assert.equal((await subscriptions.delete(id, { account_id })).id, id);
}

scene("every_method", async ({ client, account }) => {
  const called = new Set();
  const queues = recorder(client.queues, "queues", called);
  const queue = await lifeOfAQueue(queues, account);
  await lifeOfAConsumer(queues, account, queue);
  await lifeOfMessages(queues, account, queue);
  await lifeOfASubscription(queues, account, queue);
  await queues.delete(queue, { account_id: account });
  assert.deepEqual(called, methods(client.queues, "queues"));
});
