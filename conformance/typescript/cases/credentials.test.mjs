// Both credential schemes, in development and with scoped tokens.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";

import Cloudflare from "cloudflare";

import { Kew } from "../../node/kew.mjs";
import { clientAt, house, refused } from "../house.mjs";

const scene = house();

function legacyAt(url, email, key) {
  return clientAt(url, null, { apiEmail: email, apiKey: key });
}

scene("legacy_pair", async (stage) => {
  const legacy = legacyAt(stage.kew.url, "anyone@example.com", stage.token);
  const queue = await legacy.queues.get(stage.queue, { account_id: stage.account });
  assert.equal(queue.queue_id, stage.queue);
});

scene("any_account_id", async (stage) => {
  const message = { account_id: stage.queue, body: "x", content_type: "text" };
  const pushed = await stage.messages.push(stage.queue, message);
  assert.equal(pushed.metadata.metrics.backlog_count, 1);
});

let kew, account_id, queue_id;

before(async () => {
  kew = await Kew.serve();
  [{ id: account_id }] = await kew.admin("account", "list");
  const admin = (await readFile(join(kew.data, "admin.token"), "utf8")).trim();
  const first = clientAt(kew.url, admin);
  ({ queue_id } = await first.queues.create({ account_id, queue_name: "jobs" }));
  await first.queues.consumers.create(queue_id, { account_id, type: "http_pull" });
});
after(() => kew.stop());

async function token(...more) {
  return (await kew.admin("token", "create", ...more)).secret;
}

test("permission", async () => {
  const { messages } = clientAt(kew.url, await token("--scope", "push")).queues;
  await messages.push(queue_id, { account_id, body: "x", content_type: "text" });
  await refused(Cloudflare.PermissionDeniedError, 10000, messages.pull(queue_id, { account_id }));
});

test("scoped_consumer", async () => {
  const consumer = clientAt(kew.url, await token("--scope", "consume", "--queue", queue_id));
  const pulled = await consumer.queues.messages.pull(queue_id, { account_id });
  assert.ok(Array.isArray(pulled.messages));
});

test("scoped_legacy_pair", async () => {
  const key = await token("--scope", "read", "--email", "ops@example.com");
  const queue = await legacyAt(kew.url, "ops@example.com", key).queues.get(queue_id, { account_id });
  assert.equal(queue.queue_name, "jobs");
  const stranger = legacyAt(kew.url, "eve@example.com", key).queues.get(queue_id, { account_id });
  await refused(Cloudflare.AuthenticationError, 10000, stranger);
});
