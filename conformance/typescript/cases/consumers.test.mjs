// Consumers of both types, replaced in place, and where their dead letters go.

import assert from "node:assert/strict";

import Cloudflare from "cloudflare";

import { all, house, refused } from "../house.mjs";

const NOBODY = "00000000000000000000000000000000";
const WORKER = { batch_size: 20, max_concurrency: 3, max_retries: 4, max_wait_time_ms: 6000, retry_delay: 7 };
const text = { content_type: "text" };
const scene = house();

function replace(stage, params, id = stage.consumer.consumer_id) {
  const { account: account_id, queue: queue_id } = stage;
  return stage.client.queues.consumers.update(id, { account_id, queue_id, ...params });
}

function detach(stage) {
  const { account: account_id, queue: queue_id } = stage;
  return stage.client.queues.consumers.delete(stage.consumer.consumer_id, { account_id, queue_id });
}

scene("consumer_update", async (stage) => {
  const made = await replace(stage, { type: "http_pull", settings: { batch_size: 50, max_retries: 7 } });
  const { consumer_id, created_on } = stage.consumer;
  assert.deepEqual([made.type, made.consumer_id, made.created_on], ["http_pull", consumer_id, created_on]);
  const settings = { batch_size: 50, max_retries: 7, retry_delay: 0, visibility_timeout_ms: 30_000 };
  assert.deepEqual(made.settings, settings, "what is absent gets its default");
  const of = { account_id: stage.account, queue_id: stage.queue };
  assert.deepEqual(await stage.client.queues.consumers.get(consumer_id, of), made);
});

scene("consumer_changes_type", async (stage) => {
  await stage.push("kept", text);
  const worker = await replace(stage, { type: "worker", script_name: "mailer", settings: WORKER });
  assert.deepEqual([worker.type, worker.consumer_id], ["worker", stage.consumer.consumer_id]);
  assert.deepEqual([worker.script_name, worker.settings], ["mailer", WORKER]);
  assert.equal((await refused(Cloudflare.APIError, 19001, stage.pull())).status, 405);
  assert.equal((await replace(stage, { type: "http_pull" })).type, "http_pull");
  assert.equal((await stage.pullOne()).body, "kept");
});

scene("consumer_update_creates", async (stage) => {
  await detach(stage);
  const made = await replace(stage, { type: "http_pull" }, NOBODY);
  assert.equal(made.consumer_id, NOBODY);
  const listed = await all(stage.client.queues.consumers.list(stage.queue, { account_id: stage.account }));
  assert.deepEqual(listed, [made]);
});

scene("worker_consumer", async (stage) => {
  await detach(stage);
  const { account: account_id } = stage;
  const settings = { ...WORKER, max_concurrency: null };
  const asked = { account_id, type: "worker", script_name: "mailer", settings };
  const made = await stage.client.queues.consumers.create(stage.queue, asked);
  assert.deepEqual([made.type, made.script_name, made.dead_letter_queue], ["worker", "mailer", ""]);
  assert.deepEqual(made.settings, settings);
  const [embedded] = (await stage.client.queues.get(stage.queue, { account_id })).consumers;
  assert.deepEqual([embedded.consumer_id, embedded.settings], [made.consumer_id, made.settings]);
  assert.equal(embedded.script, "mailer", "where wrangler looks for it");
});

scene("consumer_settings_out_of_bounds", async (stage) => {
  const call = replace(stage, { type: "http_pull", settings: { visibility_timeout_ms: 43_200_001 } });
  const error = await refused(Cloudflare.BadRequestError, 100127, call);
  assert.equal(error.errors[0].source.pointer, "/settings/visibility_timeout_ms");
  for (const part of ["visibility_timeout_ms", "43200001", "43200000"])
    assert.ok(error.errors[0].message.includes(part));
});

scene("dead_letters", async (stage) => {
  const { account: account_id } = stage;
  const { queues } = stage.client;
  await replace(stage, { type: "http_pull", dead_letter_queue: "dead-letters-end", settings: { max_retries: 1 } });
  const listed = await all(queues.list({ account_id }));
  const { queue_id: dead } = listed.find((queue) => queue.queue_name === "dead-letters-end");
  await stage.push("poison", text);
  let message;
  for (const attempt of [1, 2]) {
    message = await stage.pullOne();
    assert.equal(message.attempts, attempt);
    await stage.settle([], [{ lease_id: message.lease_id }]);
  }
  assert.equal((await stage.pull()).message_backlog_count, 0);
  await queues.consumers.create(dead, { account_id, type: "http_pull" });
  const [moved] = (await stage.messages.pull(dead, { account_id })).messages;
  assert.deepEqual([moved.id, moved.body, moved.attempts], [message.id, "poison", 1]);
  assert.equal(moved.timestamp_ms, message.timestamp_ms);
});

scene("dead_letters_dropped", async (stage) => {
  await replace(stage, { type: "http_pull", settings: { max_retries: 0 } });
  await stage.push("poison", text);
  const { lease_id } = await stage.pullOne();
  await stage.settle([], [{ lease_id }]);
  assert.equal((await stage.pull()).message_backlog_count, 0, "without a queue for them they are dropped");
});

scene("dead_letters_to_itself", async (stage) => {
  const call = replace(stage, { type: "http_pull", dead_letter_queue: stage.name });
  await refused(Cloudflare.BadRequestError, 100127, call);
});
