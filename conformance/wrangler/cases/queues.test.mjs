// `wrangler queues` but for consumers and subscriptions: what it prints, and exactly what it asks.

import assert from "node:assert/strict";

import { QUEUE } from "../../node/kew.mjs";
import { find, hasRow, house } from "../house.mjs";

house("queues", (scene) => {
  scene("list", async (stage) => {
    const table = await stage.succeeds("list", [["GET", "/queues?page=1"]]);
    const { created_on, modified_on } = await stage.ask("GET", `/queues/${QUEUE}`);
    hasRow(table, [QUEUE, "jobs", created_on, modified_on, "0", "1"]);
  });

  scene("list_page", async (stage) => {
    const printed = await stage.succeeds("list --page 7", [["GET", "/queues?page=7"]]);
    assert.ok(!printed.includes("jobs"), "a page past the end is empty");
  });

  scene("create", async (stage, name) => {
    const printed = await stage.succeeds(`create ${name}`, [["POST", "/queues", { queue_name: name }]]);
    assert.match(printed, /✅ Created queue 'create'/);
    const [queue] = await stage.ask("GET", `/queues?name=${name}`);
    const settings = { delivery_delay: 0, delivery_paused: false, message_retention_period: 345_600 };
    assert.deepEqual(queue.settings, settings);
  });

  scene("create_with_settings", async (stage, name) => {
    const settings = { delivery_delay: 5, message_retention_period: 3600 };
    const flags = "--delivery-delay-secs 5 --message-retention-period-secs 3600";
    await stage.succeeds(`create ${name} ${flags}`, [["POST", "/queues", { queue_name: name, settings }]]);
    const [queue] = await stage.ask("GET", `/queues?name=${name}`);
    assert.deepEqual(queue.settings, { ...settings, delivery_paused: false });
  });

  scene("info", async (stage) => {
    const printed = await stage.succeeds("info jobs", [find("jobs")]);
    const { created_on, modified_on } = await stage.ask("GET", `/queues/${QUEUE}`);
    for (const line of [
      "Queue Name: jobs",
      `Queue ID: ${QUEUE}`,
      `Created On: ${created_on}`,
      `Last Modified: ${modified_on}`,
      "Number of Producers: 0",
      "Number of Consumers: 1",
      "Consumers: HTTP Pull Consumer.",
    ])
      assert.ok(printed.split("\n").includes(line), `${line}:\n${printed}`);
  });

  scene("update", async (stage, name) => {
    const { queue_id } = await stage.ask("POST", "/queues", {
      queue_name: name,
      settings: { delivery_delay: 5, message_retention_period: 3600 },
    });
    const settings = { delivery_delay: 7, message_retention_period: 3600 };
    const patch = ["PATCH", `/queues/${queue_id}`, { queue_name: name, settings }];
    const printed = await stage.succeeds(`update ${name} --delivery-delay-secs 7`, [find(name), patch]);
    assert.equal(printed, `Updating queue ${name}.\nUpdated queue ${name}.\n`);
    assert.deepEqual((await stage.ask("GET", `/queues/${queue_id}`)).settings, { ...settings, delivery_paused: false });
  });

  scene("pause_and_resume", async (stage, name) => {
    const { queue_id } = await stage.ask("POST", "/queues", { queue_name: name, settings: { delivery_delay: 5 } });
    const kept = { delivery_delay: 5, message_retention_period: 345_600 };
    const delivery = `message delivery for queue ${name}.\n`;
    for (const [command, delivery_paused, printed] of [
      ["pause-delivery", true, `Pausing ${delivery}Paused ${delivery}`],
      ["resume-delivery", false, `Resuming ${delivery}Resumed ${delivery}`],
    ]) {
      const patch = ["PATCH", `/queues/${queue_id}`, { queue_name: name, settings: { delivery_paused } }];
      assert.equal(await stage.succeeds(`${command} ${name}`, [find(name), patch]), printed);
      const { settings } = await stage.ask("GET", `/queues/${queue_id}`);
      assert.deepEqual(settings, { ...kept, delivery_paused }, "the other settings stay");
    }
  });

  scene("purge", async (stage, name) => {
    const { queue_id } = await stage.ask("POST", "/queues", { queue_name: name });
    await stage.ask("POST", `/queues/${queue_id}/messages`, { body: "x", content_type: "text" });
    const purge = ["POST", `/queues/${queue_id}/purge`, { delete_messages_permanently: true }];
    assert.equal(await stage.succeeds(`purge ${name} --force`, [find(name), purge]), `Purged Queue '${name}'\n`);
    assert.equal((await stage.ask("GET", `/queues/${queue_id}/metrics`)).backlog_count, 0);
  });

  scene("delete", async (stage, name) => {
    const { queue_id } = await stage.ask("POST", "/queues", { queue_name: name });
    const printed = await stage.succeeds(`delete ${name}`, [find(name), ["DELETE", `/queues/${queue_id}`]]);
    assert.equal(printed, `Deleting queue ${name}.\nDeleted queue ${name}.\n`);
    assert.deepEqual(await stage.ask("GET", `/queues?name=${name}`), []);
  });
});
