// `wrangler queues consumer`: both types, with every flag, and their lists.

import assert from "node:assert/strict";

import { find, hasRow, house } from "../house.mjs";

const ADDED = (name) => `Adding consumer to queue ${name}.\nAdded consumer to queue ${name}.\n`;
const REMOVED = (name) => `Removing consumer from queue ${name}.\nRemoved consumer from queue ${name}.\n`;

async function queueOf(stage, name) {
  return (await stage.ask("POST", "/queues", { queue_name: name })).queue_id;
}

async function consumerOf(stage, queue) {
  const [consumer, ...more] = await stage.ask("GET", `/queues/${queue}/consumers`);
  assert.deepEqual(more, []);
  return consumer;
}

/** Requires that `words` remove the queue's consumer, by the id that the list of queues shows. */
async function isRemoved(stage, words, name, queue) {
  const { consumer_id } = await consumerOf(stage, queue);
  const remove = ["DELETE", `/queues/${queue}/consumers/${consumer_id}`];
  assert.equal(await stage.succeeds(words, [find(name), remove]), REMOVED(name));
  assert.deepEqual(await stage.ask("GET", `/queues/${queue}/consumers`), []);
}

house("consumers", (scene) => {
  scene("http_with_every_flag", async (stage, name) => {
    const queue = await queueOf(stage, name);
    const limits = "--batch-size 20 --message-retries 7 --visibility-timeout-secs 60 --retry-delay-secs 9";
    const flags = `${limits} --dead-letter-queue http-dead`;
    const settings = { batch_size: 20, max_retries: 7, visibility_timeout_ms: 60_000, retry_delay: 9 };
    const body = { type: "http_pull", settings, dead_letter_queue: "http-dead" };
    const add = ["POST", `/queues/${queue}/consumers`, body];
    assert.equal(await stage.succeeds(`consumer http add ${name} ${flags}`, [find(name), add]), ADDED(name));
    const consumer = await consumerOf(stage, queue);
    assert.deepEqual(consumer.settings, settings);
    assert.equal((await stage.ask("GET", "/queues?name=http-dead")).length, 1, "the dead-letter queue is made");

    const row = [consumer.consumer_id, "http-dead", "20", "7", "60000", "9"];
    hasRow(await stage.succeeds(`consumer http list ${name}`, [find(name)]), row);
    const all = await stage.succeeds(`consumer list ${name}`, [find(name)]);
    assert.match(all, /^HTTP pull consumers:\n/);
    hasRow(all, row);
    await isRemoved(stage, `consumer http remove ${name}`, name, queue);
  });

  scene("http_by_defaults", async (stage, name) => {
    const queue = await queueOf(stage, name);
    const add = ["POST", `/queues/${queue}/consumers`, { type: "http_pull", settings: {} }];
    assert.equal(await stage.succeeds(`consumer http add ${name}`, [find(name), add]), ADDED(name));
    const settings = { batch_size: 5, max_retries: 3, visibility_timeout_ms: 30_000, retry_delay: 0 };
    assert.deepEqual((await consumerOf(stage, queue)).settings, settings);
  });

  scene("worker_with_every_flag", async (stage, name) => {
    const queue = await queueOf(stage, name);
    const limits = "--batch-size 10 --batch-timeout 5 --message-retries 3 --max-concurrency 2 --retry-delay-secs 9";
    const flags = `${limits} --dead-letter-queue worker-dead`;
    const settings = { batch_size: 10, max_retries: 3, max_wait_time_ms: 5000, max_concurrency: 2, retry_delay: 9 };
    const script = { script_name: "mailer", environment_name: "", type: "worker" };
    const add = ["POST", `/queues/${queue}/consumers`, { ...script, settings, dead_letter_queue: "worker-dead" }];
    const words = `consumer worker add ${name} mailer ${flags}`;
    assert.equal(await stage.succeeds(words, [find(name), add]), ADDED(name));
    const consumer = await consumerOf(stage, queue);
    assert.deepEqual(consumer.settings, settings);

    const row = [consumer.consumer_id, "mailer", "worker-dead", "10", "3", "5000", "2", "9"];
    hasRow(await stage.succeeds(`consumer worker list ${name}`, [find(name)]), row);
    assert.match(await stage.succeeds(`info ${name}`, [find(name)]), /^Consumers: worker:mailer$/m);
    await isRemoved(stage, `consumer worker remove ${name} mailer`, name, queue);
  });

  scene("worker_by_the_short_names", async (stage, name) => {
    const queue = await queueOf(stage, name);
    const body = { script_name: "mailer", environment_name: "", type: "worker", settings: {} };
    const add = ["POST", `/queues/${queue}/consumers`, body];
    assert.equal(await stage.succeeds(`consumer add ${name} mailer`, [find(name), add]), ADDED(name));
    const { consumer_id } = await consumerOf(stage, queue);

    const all = await stage.succeeds(`consumer list ${name}`, [find(name)]);
    assert.match(all, /^Worker consumers:\n/);
    hasRow(all, [consumer_id, "mailer", "", "10", "3", "5000", "-", "0"]);
    await isRemoved(stage, `consumer remove ${name} mailer`, name, queue);
  });
});
