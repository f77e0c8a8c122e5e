// Looking without taking: peek, deleting by ref, and the older preview.

import assert from "node:assert/strict";

import Cloudflare from "cloudflare";

import { house, refused } from "../house.mjs";

const text = { content_type: "text" };
const bodies = (messages) => messages.map((message) => message.body);
const ids = (messages) => messages.map((message) => message.id);
const scene = house();

async function peek(stage, params = {}) {
  return (await stage.messages.peek(stage.queue, { account_id: stage.account, ...params })).messages;
}

function discard(stage, ...refs) {
  return stage.messages.purge(stage.queue, { account_id: stage.account, refs: refs.map((ref) => ({ ref })) });
}

scene("peek", async (stage) => {
  for (const body of ["one", "two", "three"]) await stage.push(body, text);
  await stage.push("later", { ...text, delay_seconds: 3600 });
  const shown = await peek(stage, { batch_size: 2 });
  assert.deepEqual(bodies(shown), ["one", "two"]);
  assert.deepEqual([shown[0].attempts, shown[0].metadata["CF-Content-Type"]], [0, "text"]);
  assert.ok(!("lease_id" in shown[0]));
  assert.deepEqual(ids(await peek(stage, { batch_size: 2 })), ids(shown), "nothing moved");
  const { messages: pulled } = await stage.pull({ batch_size: 2 });
  assert.deepEqual(ids(pulled), ids(shown));
  assert.deepEqual(pulled.map(({ attempts }) => attempts), [1, 1], "a look is no attempt");
  assert.equal(pulled[0].timestamp_ms, shown[0].timestamp_ms);
  assert.deepEqual(bodies(await peek(stage)), ["three"], "neither leased nor delayed ones");
});

scene("peek_without_consumer", async (stage) => {
  const of = { account_id: stage.account, queue_id: stage.queue };
  await stage.client.queues.consumers.delete(stage.consumer.consumer_id, of);
  assert.deepEqual(await peek(stage), []);
  await stage.push({ n: 1 });
  assert.deepEqual(bodies(await peek(stage)), ["eyJuIjoxfQ=="]);
});

scene("peek_out_of_bounds", async (stage) => {
  for (const batch_size of [0, 101]) await refused(Cloudflare.BadRequestError, 10026, peek(stage, { batch_size }));
});

scene("purge_by_ref", async (stage) => {
  for (const body of ["one", "two", "three"]) await stage.push(body, text);
  const [one, two] = await peek(stage);
  assert.deepEqual(await discard(stage, one.ref, two.ref), { errors: [], warnings: {} });
  assert.deepEqual(bodies(await peek(stage)), ["three"]);
  const metrics = await stage.client.queues.getMetrics(stage.queue, { account_id: stage.account });
  assert.equal(metrics.backlog_count, 1);
  assert.equal((await stage.pullOne()).body, "three");
});

scene("purge_by_stale_ref", async (stage) => {
  await stage.push("once", text);
  const [{ ref }] = await peek(stage);
  await discard(stage, ref);
  const again = await discard(stage, ref, "no ref");
  assert.deepEqual(again.errors, []);
  assert.deepEqual(new Set(Object.keys(again.warnings)), new Set([ref, "no ref"]));
  assert.ok(Object.values(again.warnings).every((warning) => typeof warning === "string"));
});

scene("preview", async (stage) => {
  await stage.push("one", text);
  await stage.push("two", text);
  const [shown, ...more] = (await stage.post("preview", { batch_size: 1 })).messages;
  assert.deepEqual([shown.body, shown.attempts, more], ["one", 0, []]);
  assert.equal(shown.lease_id, shown.ref);
  const settled = await stage.post("preview/ack", { acks: [{ lease_id: shown.lease_id }], retries: [] });
  assert.deepEqual(settled, { ackCount: 1, retryCount: 0, warnings: {} });
  assert.equal((await stage.pullOne()).body, "two");
});
