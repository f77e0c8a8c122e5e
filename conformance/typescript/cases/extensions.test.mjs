// What Kew has beyond the original, asked for through the SDK: longer leases, waiting pulls, pushes that count once,
// redrives.

import assert from "node:assert/strict";

import Cloudflare from "cloudflare";

import { all, house, refused } from "../house.mjs";

const HOUR_MS = 3_600_000;
// The longest that a pull may wait. Each case is over as soon as what it waits for has come.
const WAIT_MS = 60_000;
const text = { content_type: "text" };
const scene = house();

async function waitPull(stage, more = {}) {
  return (await stage.pull({ wait_time_ms: WAIT_MS, ...more })).messages;
}

function keyed(stage, key, body) {
  const message = { account_id: stage.account, body, ...text };
  return stage.messages.push(stage.queue, message, { headers: { "Idempotency-Key": key } });
}

scene("lease_ends", async (stage) => {
  await stage.push("again", text);
  const [first] = (await stage.pull({ visibility_timeout_ms: 1 })).messages;
  const [second] = await waitPull(stage);
  assert.deepEqual([second.id, second.attempts], [first.id, 2]);
  assert.equal(second.timestamp_ms, first.timestamp_ms);
  assert.notEqual(second.lease_id, first.lease_id);
  assert.equal((await stage.settle([first])).ackCount, 1, "a late ack is taken");
  assert.equal((await stage.settle([second])).ackCount, 1);
  assert.equal((await stage.pull()).message_backlog_count, 0);
});

scene("extend", async (stage) => {
  await stage.push("long work", text);
  const [{ id, lease_id }] = (await stage.pull({ visibility_timeout_ms: HOUR_MS })).messages;
  const shortened = await stage.post("extend", { extend: [{ lease_id }], visibility_timeout_ms: 1 });
  assert.deepEqual(shortened, { extendCount: 1, warnings: {} });
  const [again] = await waitPull(stage, { visibility_timeout_ms: HOUR_MS });
  assert.deepEqual([again.id, again.attempts], [id, 2], "the lease ended when the extension said");
  const stale = await stage.post("extend", { extend: [{ lease_id }] });
  assert.deepEqual([stale.extendCount, Object.keys(stale.warnings)], [0, [lease_id]]);
  const longer = { extend: [{ lease_id: again.lease_id }], visibility_timeout_ms: 2 * HOUR_MS };
  assert.equal((await stage.post("extend", longer)).extendCount, 1);
  assert.equal((await stage.settle([again])).ackCount, 1, "the lease id stays");
});

scene("extend_refused", async (stage) => {
  for (const body of [{}, { extend: [{ lease_id: null }] }, { extend: [], visibility_timeout_ms: 43_200_001 }])
    await refused(Cloudflare.BadRequestError, 10026, stage.post("extend", body));
});

scene("long_poll", async (stage) => {
  const arrival = stage.proxy.arrival();
  const waiting = waitPull(stage);
  await arrival;
  // Past the proxy, since that one counts the pull.
  await stage.direct.queues.messages.push(stage.queue, { account_id: stage.account, body: "at last", ...text });
  const [message, ...more] = await waiting;
  assert.deepEqual([message.body, message.attempts, more], ["at last", 1, []]);
  assert.equal(stage.proxy.requests.length, 1, "asked once");
});

scene("long_poll_ends_empty", async (stage) => {
  assert.deepEqual(await waitPull(stage, { wait_time_ms: 1 }), []);
  for (const wait_time_ms of [-1, WAIT_MS + 1])
    await refused(Cloudflare.BadRequestError, 10026, waitPull(stage, { wait_time_ms }));
});

scene("idempotent_push", async (stage) => {
  const first = await keyed(stage, "order-7", "paid");
  assert.deepEqual(await keyed(stage, "order-7", "paid"), first, "the answer is repeated");
  await keyed(stage, "order-8", "paid");
  assert.deepEqual((await stage.pull()).messages.map(({ body }) => body), ["paid", "paid"]);
});

scene("idempotent_push_of_another_body", async (stage) => {
  await keyed(stage, "order-7", "paid");
  await refused(Cloudflare.ConflictError, 19017, keyed(stage, "order-7", "cancelled"));
  assert.deepEqual(stage.proxy.requests.map(({ status }) => status), [200, 409], "asked once");
  assert.equal((await stage.pullOne()).body, "paid");
});

scene("idempotent_push_with_lost_answer", async (stage) => {
  stage.proxy.loseAnswers(1);
  const pushed = await keyed(stage, "order-7", "paid");
  assert.deepEqual(stage.proxy.requests.map(({ retry }) => retry), [0, 1]);
  assert.equal(pushed.metadata.metrics.backlog_count, 1);
  assert.equal((await stage.pullOne()).body, "paid");
});

scene("redrive", async (stage) => {
  const { account: account_id, queue: queue_id } = stage;
  const { queues } = stage.client;
  const change = { type: "http_pull", dead_letter_queue: "redrive-dead", settings: { max_retries: 0 } };
  await queues.consumers.update(stage.consumer.consumer_id, { account_id, queue_id, ...change });
  await stage.push("mended", text);
  const { id, lease_id } = await stage.pullOne();
  await stage.settle([], [{ lease_id }]);
  const listed = await all(queues.list({ account_id }));
  const { queue_id: dead } = listed.find((queue) => queue.queue_name === "redrive-dead");
  const url = `${stage.kew.url}/kew/v1/accounts/${account_id}/queues/${dead}/redrive`;
  const { result } = await stage.client.post(url, { body: {} });
  assert.deepEqual(result, { moved: 1, without_origin: 0, left: 0 });
  const again = await stage.pullOne();
  assert.deepEqual([again.id, again.body, again.attempts], [id, "mended", 1]);
});
