// Event subscriptions: kept and shown as the original does.

import assert from "node:assert/strict";

import Cloudflare from "cloudflare";

import { all, house, refused } from "../house.mjs";

const NOBODY = "00000000000000000000000000000000";
const scene = house();

function subscribe(stage, source, events, queue_id = stage.queue) {
  const destination = { type: "queues.queue", queue_id };
  const asked = { account_id: stage.account, name: stage.name, source, destination, events };
  return stage.client.queues.subscriptions.create(asked);
}

scene("subscription", async (stage) => {
  const { account: account_id } = stage;
  const { subscriptions } = stage.client.queues;
  const made = await subscribe(stage, { type: "kv" }, ["namespace.created"]);
  assert.deepEqual([made.source, made.events, made.enabled], [{ type: "kv" }, ["namespace.created"], true]);
  assert.deepEqual(made.destination, { type: "queues.queue", queue_id: stage.queue });
  assert.deepEqual(await subscriptions.get(made.id, { account_id }), made);
  const change = { name: "other", enabled: false, events: ["namespace.deleted"] };
  const changed = await subscriptions.update(made.id, { account_id, ...change });
  assert.deepEqual(changed, { ...made, ...change, modified_at: changed.modified_at });
  assert.deepEqual(await subscriptions.get(made.id, { account_id }), changed);
  assert.deepEqual(await subscriptions.delete(made.id, { account_id }), changed);
  await refused(Cloudflare.NotFoundError, 19020, subscriptions.get(made.id, { account_id }));
});

scene("subscriptions_list", async (stage) => {
  const { account: account_id } = stage;
  const made = [];
  for (let number = 0; number < 5; number += 1) {
    const source = { type: "workflows.workflow", workflow_name: `nightly-${number}` };
    made.push((await subscribe(stage, source, ["instance.queued"])).id);
  }
  const { subscriptions } = stage.client.queues;
  const order = { order: "created_at", direction: "desc" };
  const listed = await all(subscriptions.list({ account_id, per_page: 2, ...order }));
  const mine = listed.filter((subscription) => subscription.destination.queue_id === stage.queue);
  assert.deepEqual(mine.map(({ id }) => id), made.reverse(), "page by page, until one is empty");
  assert.deepEqual((await subscriptions.list({ account_id, page: 99 })).result, []);
});

scene("subscription_taken", async (stage) => {
  await subscribe(stage, { type: "vectorize" }, ["index.created"]);
  const again = subscribe(stage, { type: "vectorize" }, ["index.deleted"]);
  assert.equal((await refused(Cloudflare.APIError, 19021, again)).status, 405);
});

scene("subscription_refused", async (stage) => {
  await refused(Cloudflare.BadRequestError, 19022, subscribe(stage, { type: "r2" }, ["bucket.painted"]));
  await refused(Cloudflare.NotFoundError, 19019, subscribe(stage, { type: "r2" }, ["bucket.created"], NOBODY));
});
