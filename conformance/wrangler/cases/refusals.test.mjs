// What wrangler says when it is refused: it ends with 1, and shows the server's text and code.

import assert from "node:assert/strict";

import { house } from "../house.mjs";

house("refusals", (scene) => {
  for (const command of ["info", "delete", "purge --force", "consumer http add"])
    scene(`unknown_queue_${command.replaceAll(/\W+/g, "_")}`, async (stage) => {
      const { stderr, asked } = await stage.fails(`${command} nobody`);
      assert.match(stderr, /Queue "nobody" does not exist/);
      const paths = asked.map(({ path }) => path);
      assert.deepEqual(paths, [stage.at("/queues?page=1&name=nobody")], "nothing else is tried");
    });

  scene("name_taken", async (stage) => {
    const { stderr, asked } = await stage.fails("create jobs");
    assert.match(stderr, /a queue named jobs exists \[code: 11009\]/);
    assert.equal(asked.length, 1);
  });

  scene("bad_name", async (stage) => {
    const { stderr } = await stage.fails("create Bad_Name");
    assert.match(stderr, /Bad_Name.*\[code: 11003\]/);
  });

  scene("bad_consumer_settings", async (stage, name) => {
    await stage.ask("POST", "/queues", { queue_name: name });
    const { stderr } = await stage.fails(`consumer http add ${name} --batch-size 101`);
    assert.match(stderr, /batch_size must be a whole number from 1 to 100, not 101 \[code: 100127\]/);
    assert.deepEqual(await stage.ask("GET", `/queues?name=${name}`).then(([queue]) => queue.consumers), []);
  });

  scene("second_consumer", async (stage) => {
    const { stderr } = await stage.fails("consumer http add jobs");
    assert.match(stderr, /\[code: 11004\]/);
  });

  scene("unknown_subscription", async (stage) => {
    const { stderr } = await stage.fails(`subscription get jobs --id ${"0".repeat(32)}`);
    assert.match(stderr, /\[code: 19020\]/);
  });

  scene("wrong_token", async (stage) => {
    const { stderr } = await stage.fails("list", { CLOUDFLARE_API_TOKEN: "a-token-that-nobody-has" });
    assert.match(stderr, /Authentication error.*\[code: 10000\]/);
  });
});
