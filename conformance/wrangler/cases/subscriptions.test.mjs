// `wrangler queues subscription`: create, list, get, update, delete.

import assert from "node:assert/strict";

import { find, hasRow, house } from "../house.mjs";

const ALL = "/event_subscriptions/subscriptions";
const EVENTS = ["namespace.created", "namespace.deleted"];

/** A queue with a subscription of these events; the source has room for one subscription, so each case has its own. */
async function subscribed(stage, name, source, events) {
  const { queue_id } = await stage.ask("POST", "/queues", { queue_name: name });
  const destination = { type: "queues.queue", queue_id };
  const subscription = await stage.ask("POST", ALL, { name, enabled: true, source, destination, events });
  return { queue_id, id: subscription.id, subscription };
}

house("subscriptions", (scene) => {
  scene("subscription_create", async (stage, name) => {
    const { queue_id } = await stage.ask("POST", "/queues", { queue_name: name });
    const body = {
      name: "watch",
      enabled: true,
      source: { type: "kv" },
      destination: { type: "queues.queue", queue_id },
      events: EVENTS,
    };
    const words = `subscription create ${name} --source kv --events ${EVENTS} --name watch`;
    const printed = await stage.succeeds(words, [find(name), ["POST", ALL, body]]);
    const [made, ...more] = await stage.ask("GET", `${ALL}?queue_id=${queue_id}`);
    assert.deepEqual(more, []);
    const said = `✨ Successfully created event subscription 'watch' with id '${made.id}'.`;
    assert.equal(printed, `Creating event subscription for queue '${name}'...\n${said}\n`);
    const { id, created_at, modified_at, ...kept } = made;
    assert.deepEqual(kept, body);
  });

  scene("subscription_list", async (stage, name) => {
    const source = { type: "workflows.workflow", workflow_name: "nightly" };
    const events = ["instance.queued", "instance.completed"];
    const { queue_id, id, subscription } = await subscribed(stage, name, source, events);
    const list = (page, count) => ["GET", `${ALL}?queue_id=${queue_id}&page=${page}&per_page=${count}`];
    const table = await stage.succeeds(`subscription list ${name}`, [find(name), list(1, 20)]);
    hasRow(table, [id, name, "workflows.workflow", events.join(", "), "nightly", "Yes"]);
    const words = `subscription list ${name} --page 1 --per-page 1 --json`;
    assert.deepEqual(JSON.parse(await stage.succeeds(words, [find(name), list(1, 1)])), [subscription]);
    const past = `subscription list ${name} --page 2 --per-page 1 --json`;
    const printed = await stage.succeeds(past, [find(name), list(2, 1)]);
    assert.ok(!printed.includes(id), "a page past the end is empty");
  });

  scene("subscription_get", async (stage, name) => {
    const { id, queue_id, subscription } = await subscribed(stage, name, { type: "r2" }, ["bucket.created"]);
    const asked = [["GET", `${ALL}/${id}`], find(name)];
    const printed = await stage.succeeds(`subscription get ${name} --id ${id}`, asked);
    for (const [label, value] of [["ID", id], ["Source", "r2"], ["Queue ID", queue_id], ["Events", "bucket.created"]])
      assert.match(printed, new RegExp(`^${label}:\\s+${value}$`, "m"));
    const json = await stage.succeeds(`subscription get ${name} --id ${id} --json`, asked);
    assert.deepEqual(JSON.parse(json), subscription);
  });

  scene("subscription_update", async (stage, name) => {
    const { id } = await subscribed(stage, name, { type: "vectorize" }, ["index.created"]);
    const patch = ["PATCH", `${ALL}/${id}`, { name: "other", events: ["index.deleted"], enabled: false }];
    const words = `subscription update ${name} --id ${id} --name other --events index.deleted --enabled false`;
    const printed = await stage.succeeds(words, [["GET", `${ALL}/${id}`], find(name), patch]);
    assert.match(printed, new RegExp(`Successfully updated event subscription 'other' with id '${id}'`));
    const { name: renamed, events, enabled } = await stage.ask("GET", `${ALL}/${id}`);
    assert.deepEqual([renamed, events, enabled], ["other", ["index.deleted"], false]);
  });

  scene("subscription_delete", async (stage, name) => {
    const { id, queue_id } = await subscribed(stage, name, { type: "superSlurper" }, ["job.started"]);
    const asked = [["GET", `${ALL}/${id}`], find(name), ["DELETE", `${ALL}/${id}`]];
    const printed = await stage.succeeds(`subscription delete ${name} --id ${id} --force`, asked);
    assert.equal(printed, `✨ Successfully deleted event subscription '${name}' with id '${id}'.\n`);
    assert.deepEqual(await stage.ask("GET", `${ALL}?queue_id=${queue_id}`), []);
  });
});
