// Push, bulk push, pull, ack and retry.

import assert from "node:assert/strict";

import { house } from "../house.mjs";

const HOUR_SECONDS = 3600;
const text = { content_type: "text" };
const decoded = (body) => JSON.parse(Buffer.from(body, "base64").toString());
const scene = house();

scene("push_text", async (stage) => {
  const { metrics } = (await stage.push("hello, grüß", text)).metadata;
  assert.equal(metrics.backlog_count, 1);
  assert.ok(metrics.backlog_bytes > 0 && metrics.oldest_message_timestamp_ms > 0);
  const pulled = await stage.pull();
  const [message] = pulled.messages;
  assert.deepEqual([message.body, message.attempts], ["hello, grüß", 1]);
  assert.equal(message.metadata["CF-Content-Type"], "text");
  assert.match(message.id, /^[0-9a-f]{32}$/);
  assert.equal(message.timestamp_ms, metrics.oldest_message_timestamp_ms);
  assert.equal(pulled.message_backlog_count, 1);
  assert.equal(pulled.metadata.metrics.backlog_count, 1);
});

scene("push_json", async (stage) => {
  const body = { a: [1, null, "ü"], b: { c: true } };
  await stage.push(body, { content_type: "json" });
  const message = await stage.pullOne();
  assert.deepEqual(decoded(message.body), body);
  assert.equal(message.metadata["CF-Content-Type"], "json");
});

scene("push_without_content_type_is_json", async (stage) => {
  await stage.push({ n: 1 });
  const message = await stage.pullOne();
  assert.equal(message.metadata["CF-Content-Type"], "json");
  assert.deepEqual(decoded(message.body), { n: 1 });
});

scene("push_bytes", async (stage) => {
  const body = Buffer.from(Array.from({ length: 256 }, (_, index) => index)).toString("base64");
  await stage.push(body, { content_type: "bytes" });
  const message = await stage.pullOne();
  assert.deepEqual([message.body, message.metadata["CF-Content-Type"]], [body, "bytes"]);
});

scene("push_delayed", async (stage) => {
  const pushed = await stage.push("later", { ...text, delay_seconds: HOUR_SECONDS });
  assert.equal(pushed.metadata.metrics.backlog_count, 1);
  const pulled = await stage.pull();
  assert.deepEqual([pulled.messages, pulled.message_backlog_count], [[], 1]);
});

scene("bulk_push", async (stage) => {
  const bodies = Array.from({ length: 100 }, (_, index) => `message ${index}`);
  const pushed = await stage.bulkPush(bodies.map((body) => ({ body, ...text })));
  assert.equal(pushed.metadata.metrics.backlog_count, 100);
  const { messages } = await stage.pull({ batch_size: 100 });
  assert.deepEqual(messages.map((message) => message.body), bodies);
  assert.equal(new Set(messages.map((message) => message.id)).size, 100);
  assert.equal(new Set(messages.map((message) => message.lease_id)).size, 100);
});

scene("bulk_push_with_delays", async (stage) => {
  const messages = [
    { body: "of the batch", ...text },
    { body: "its own", ...text, delay_seconds: 0 },
  ];
  await stage.bulkPush(messages, { delay_seconds: HOUR_SECONDS });
  assert.equal((await stage.pullOne()).body, "its own");
});

scene("pull_empty", async (stage) => {
  const pulled = await stage.pull();
  assert.deepEqual([pulled.messages, pulled.message_backlog_count], [[], 0]);
  assert.equal(pulled.metadata.metrics.oldest_message_timestamp_ms, 0);
});

scene("pull_by_defaults", async (stage) => {
  const numbers = Array.from({ length: 12 }, (_, index) => String(index));
  for (const number of numbers) await stage.push(number, text);
  const pulls = [await stage.pull(), await stage.pull(), await stage.pull()];
  assert.deepEqual(pulls.map((pulled) => pulled.messages.length), [5, 5, 2]);
  const bodies = pulls.flatMap((pulled) => pulled.messages.map((message) => message.body));
  assert.deepEqual(bodies, numbers);
});

scene("pull_hides_leased", async (stage) => {
  await stage.push("once", text);
  const first = await stage.pull({ visibility_timeout_ms: HOUR_SECONDS * 1000 });
  assert.equal(first.messages.length, 1);
  const again = await stage.pull();
  assert.deepEqual([again.messages, again.message_backlog_count], [[], 1]);
});

scene("ack", async (stage) => {
  await stage.push("done", text);
  const settled = await stage.settle([await stage.pullOne()]);
  assert.deepEqual(settled, { ackCount: 1, retryCount: 0, warnings: {} });
  assert.equal((await stage.pull()).message_backlog_count, 0);
});

scene("ack_twice", async (stage) => {
  await stage.push("done", text);
  const message = await stage.pullOne();
  await stage.settle([message]);
  assert.deepEqual(await stage.settle([message]), { ackCount: 1, retryCount: 0, warnings: {} });
});

scene("ack_unknown", async (stage) => {
  const settled = await stage.settle([{ lease_id: "not a lease" }]);
  assert.equal(settled.ackCount, 0);
  assert.deepEqual(Object.keys(settled.warnings), ["not a lease"]);
  assert.equal(typeof settled.warnings["not a lease"], "string");
});

scene("retry", async (stage) => {
  await stage.push("again", text);
  const first = await stage.pullOne();
  const settled = await stage.settle([], [{ lease_id: first.lease_id }]);
  assert.deepEqual(settled, { ackCount: 0, retryCount: 1, warnings: {} });
  const second = await stage.pullOne();
  assert.deepEqual([second.id, second.attempts], [first.id, 2]);
  assert.notEqual(second.lease_id, first.lease_id);
});

scene("retry_delayed", async (stage) => {
  await stage.push("much later", text);
  const { lease_id } = await stage.pullOne();
  assert.equal((await stage.settle([], [{ lease_id, delay_seconds: HOUR_SECONDS }])).retryCount, 1);
  const pulled = await stage.pull();
  assert.deepEqual([pulled.messages, pulled.message_backlog_count], [[], 1]);
});

scene("ack_and_retry", async (stage) => {
  await stage.push("one", text);
  await stage.push("two", text);
  const [one, two] = (await stage.pull({ batch_size: 2 })).messages;
  const settled = await stage.settle([one], [{ lease_id: two.lease_id }]);
  assert.deepEqual([settled.ackCount, settled.retryCount], [1, 1]);
  assert.equal((await stage.pullOne()).body, "two");
});
