// Queues changed, replaced, paused, measured and purged.

import assert from "node:assert/strict";

import Cloudflare from "cloudflare";

import { house, refused } from "../house.mjs";

const DAY_SECONDS = 86_400;
const DEFAULTS = { delivery_delay: 0, delivery_paused: false, message_retention_period: 4 * DAY_SECONDS };
const STAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;
const text = { content_type: "text" };
const scene = house();

const got = (stage) => stage.client.queues.get(stage.queue, { account_id: stage.account });
const edit = (stage, change) => stage.client.queues.edit(stage.queue, { account_id: stage.account, ...change });
const update = (stage, change) => stage.client.queues.update(stage.queue, { account_id: stage.account, ...change });

scene("queue_update", async (stage) => {
  const settings = { delivery_delay: 7, delivery_paused: true, message_retention_period: DAY_SECONDS };
  const updated = await update(stage, { queue_name: "queue-updated", settings });
  assert.deepEqual([updated.queue_id, updated.queue_name, updated.settings], [stage.queue, "queue-updated", settings]);
  await update(stage, { settings: { delivery_delay: 9 } });
  const queue = await got(stage);
  assert.deepEqual(queue.settings, { ...DEFAULTS, delivery_delay: 9 }, "what is absent gets its default");
  assert.equal(queue.queue_name, "queue-updated", "an absent name stays");
});

scene("queue_edit", async (stage) => {
  await edit(stage, { settings: { delivery_delay: 7 } });
  const edited = await edit(stage, { settings: { delivery_paused: true } });
  assert.deepEqual(edited.settings, { ...DEFAULTS, delivery_delay: 7, delivery_paused: true });
  await edit(stage, { queue_name: "queue-edited" });
  const queue = await got(stage);
  assert.deepEqual([queue.queue_name, queue.settings], ["queue-edited", edited.settings]);
});

scene("queue_rename_taken", async (stage) => {
  for (const change of [edit, update])
    await refused(Cloudflare.ConflictError, 11009, change(stage, { queue_name: "jobs" }));
});

scene("queue_jurisdiction", async (stage) => {
  const { account: account_id } = stage;
  const { queues } = stage.client;
  const made = await queues.create({ account_id, queue_name: "in-europe", jurisdiction: "eu" });
  assert.equal((await queues.get(made.queue_id, { account_id })).jurisdiction, "eu");
  assert.ok(!("jurisdiction" in (await got(stage))));
  const move = queues.edit(made.queue_id, { account_id, jurisdiction: "us" });
  await refused(Cloudflare.BadRequestError, 19002, move);
});

scene("queue_settings_out_of_bounds", async (stage) => {
  for (const [name, value] of [["delivery_delay", DAY_SECONDS + 1], ["message_retention_period", 59]]) {
    const error = await refused(Cloudflare.BadRequestError, 100128, edit(stage, { settings: { [name]: value } }));
    assert.equal(error.errors[0].source.pointer, `/settings/${name}`);
  }
  assert.deepEqual((await got(stage)).settings, DEFAULTS, "nothing is clamped");
});

scene("metrics", async (stage) => {
  const metrics = () => stage.client.queues.getMetrics(stage.queue, { account_id: stage.account });
  const empty = { backlog_bytes: 0, backlog_count: 0, oldest_message_timestamp_ms: 0 };
  assert.deepEqual(await metrics(), empty);
  await stage.push("one", text);
  const pushed = await stage.push("four", text);
  assert.deepEqual(await metrics(), pushed.metadata.metrics);
  assert.equal(pushed.metadata.metrics.backlog_count, 2);
  const pulled = await stage.pull();
  assert.deepEqual(await metrics(), pulled.metadata.metrics, "leased messages count");
  assert.equal((await metrics()).oldest_message_timestamp_ms, pulled.messages[0].timestamp_ms);
  await stage.settle(pulled.messages);
  assert.deepEqual(await metrics(), empty);
});

scene("pause", async (stage) => {
  await edit(stage, { settings: { delivery_paused: true } });
  await stage.push("kept", text);
  const before = stage.proxy.requests.length;
  const error = await refused(Cloudflare.ConflictError, 10252, stage.pull());
  assert.equal(error.errors[0].message, "queue_delivery_paused");
  assert.deepEqual(stage.proxy.requests.slice(before).map(({ status }) => status), [409], "asked once");
  await edit(stage, { settings: { delivery_paused: false } });
  const message = await stage.pullOne();
  assert.deepEqual([message.body, message.attempts], ["kept", 1]);
});

scene("purge", async (stage) => {
  const { account: account_id } = stage;
  const { purge } = stage.client.queues;
  assert.deepEqual(await purge.status(stage.queue, { account_id }), {});
  await stage.push("leased", text);
  const leased = await stage.pullOne();
  await stage.push("delayed", { ...text, delay_seconds: DAY_SECONDS });
  await stage.push("ready", text);
  const purged = await purge.start(stage.queue, { account_id, delete_messages_permanently: true });
  assert.deepEqual([purged.queue_id, purged.consumers_total_count], [stage.queue, 1]);
  const status = await purge.status(stage.queue, { account_id });
  assert.match(status.started_at, STAMP);
  assert.match(status.completed, STAMP);
  const pulled = await stage.pull();
  assert.deepEqual([pulled.messages, pulled.message_backlog_count], [[], 0]);
  assert.equal((await stage.settle([leased])).ackCount, 1, "a late ack does no harm");
});

scene("purge_denied", async (stage) => {
  await stage.push("kept", text);
  const params = { account_id: stage.account, delete_messages_permanently: false };
  await refused(Cloudflare.BadRequestError, 10026, stage.client.queues.purge.start(stage.queue, params));
  assert.equal((await stage.pullOne()).body, "kept");
});
