// Queues and consumers, and whose they are.

import assert from "node:assert/strict";

import { all, house } from "../house.mjs";

const scene = house();

function isWhole(envelope) {
  assert.deepEqual([envelope.success, envelope.errors, envelope.messages], [true, [], []]);
}

scene("queue_fields", async (stage) => {
  const queue = await stage.client.queues.get(stage.queue, { account_id: stage.account });
  assert.deepEqual([queue.queue_id, queue.queue_name], [stage.queue, stage.name]);
  assert.deepEqual([queue.producers_total_count, queue.producers], [0, []]);
  assert.equal(queue.consumers_total_count, 1);
  assert.equal(queue.consumers[0].type, "http_pull");
  const settings = { delivery_delay: 0, delivery_paused: false, message_retention_period: 345_600 };
  assert.deepEqual(queue.settings, settings);
  assert.match(queue.created_on, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
});

scene("queues_list", async (stage) => {
  const { account: account_id } = stage;
  const listed = await all(stage.client.queues.list({ account_id }));
  assert.ok(listed.some((queue) => queue.queue_name === "jobs"));
  const mine = listed.filter((queue) => queue.queue_name === stage.name);
  assert.deepEqual(mine, [await stage.client.queues.get(stage.queue, { account_id })]);
});

scene("queue_delete", async (stage) => {
  const { account: account_id } = stage;
  isWhole(await stage.client.queues.delete(stage.queue, { account_id }));
  const listed = await all(stage.client.queues.list({ account_id }));
  assert.ok(listed.every((queue) => queue.queue_id !== stage.queue));
});

scene("consumer_create", async (stage) => {
  const { account: account_id, queue: queue_id } = stage;
  const { consumers } = stage.client.queues;
  await consumers.delete(stage.consumer.consumer_id, { account_id, queue_id });
  const settings = { batch_size: 50, max_retries: 7, retry_delay: 9, visibility_timeout_ms: 6000 };
  const asked = { type: "http_pull", dead_letter_queue: "jobs", settings };
  const made = await consumers.create(queue_id, { account_id, ...asked });
  assert.deepEqual([made.type, made.dead_letter_queue, made.queue_name], ["http_pull", "jobs", stage.name]);
  assert.deepEqual(made.settings, settings);
  assert.deepEqual(await consumers.get(made.consumer_id, { account_id, queue_id }), made);
  assert.deepEqual(await all(consumers.list(queue_id, { account_id })), [made]);
});

scene("consumer_delete", async (stage) => {
  const { account: account_id, queue: queue_id } = stage;
  const { consumers } = stage.client.queues;
  isWhole(await consumers.delete(stage.consumer.consumer_id, { account_id, queue_id }));
  assert.deepEqual(await all(consumers.list(queue_id, { account_id })), []);
});
