// `wrangler whoami` and wrangler's choice of an account, by a token and by e-mail and key, in development and with
// scoped tokens.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Kew } from "../../node/kew.mjs";
import { House, hasRow, house } from "../house.mjs";

const WITHOUT_TOKEN = { CLOUDFLARE_API_TOKEN: null };

/** Requires a clean end, and returns what was printed and which paths were asked for. */
function ended(done) {
  assert.deepEqual([done.status, done.stderr], [0, ""], done.stdout);
  return { printed: done.stdout, paths: done.asked.map(({ path }) => path.replace("/client/v4", "")) };
}

house("whoami", (scene) => {
  for (const [name, more] of [["with_an_account", {}], ["without_an_account", { CLOUDFLARE_ACCOUNT_ID: null }]])
    scene(`whoami_${name}`, async (stage) => {
      const { printed, paths } = ended(await stage.run(["whoami"], more));
      assert.ok(printed.includes("an User API Token, associated with the email developer@localhost."), printed);
      hasRow(printed, ["dev", stage.account]);
      assert.deepEqual(paths, ["/user/tokens/verify", "/user", "/accounts?page=1"]);
    });

  scene("whoami_by_key", async (stage) => {
    const pair = { CLOUDFLARE_API_KEY: stage.settings.CLOUDFLARE_API_TOKEN, CLOUDFLARE_EMAIL: "anyone@example.com" };
    const { printed, paths } = ended(await stage.run(["whoami"], { ...WITHOUT_TOKEN, ...pair }));
    assert.ok(printed.includes("an Global API Key, associated with the email anyone@example.com."), printed);
    hasRow(printed, ["dev", stage.account]);
    assert.deepEqual(paths, ["/accounts?page=1"]);
  });

  scene("an_account_is_found_when_none_is_given", async (stage) => {
    const { printed, paths } = ended(await stage.run(["queues", "list"], { CLOUDFLARE_ACCOUNT_ID: null }));
    assert.match(printed, /│ jobs\s+│/);
    assert.deepEqual(paths, ["/memberships?page=1", `/accounts/${stage.account}/queues?page=1`]);
  });
});

describe("scoped", { concurrency: 2 }, () => {
  const stage = new House();
  before(async () => {
    stage.kew = await Kew.serve();
    [{ id: stage.account }] = await stage.kew.admin("account", "list");
    stage.credentials = {};
  });
  after(() => stage.kew.stop());

  test("whoami_with_a_scoped_token", async () => {
    const { id, secret } = await stage.kew.admin("token", "create", "--scope", "read");
    const more = { CLOUDFLARE_API_TOKEN: secret, CLOUDFLARE_ACCOUNT_ID: null };
    const { printed } = ended(await stage.run(["whoami"], more));
    assert.ok(printed.includes(`associated with the email token-${id}@localhost`), printed);
    hasRow(printed, ["default", stage.account]);
  });

  test("queues_by_email_and_key", async () => {
    const { secret } = await stage.kew.admin("token", "create", "--scope", "read", "--email", "ops@example.com");
    const more = { CLOUDFLARE_API_KEY: secret, CLOUDFLARE_EMAIL: "ops@example.com", CLOUDFLARE_ACCOUNT_ID: null };
    const { paths } = ended(await stage.run(["queues", "list"], more));
    assert.equal(paths.at(-1), `/accounts/${stage.account}/queues?page=1`);
  });

  test("a_token_without_the_right", async () => {
    const { secret } = await stage.kew.admin("token", "create", "--scope", "read");
    const done = await stage.run(["queues", "create", "mail"], { CLOUDFLARE_API_TOKEN: secret });
    assert.equal(done.status, 1);
    assert.match(done.stderr, /\[code: 10000\]/);
    assert.match(done.stdout, /You are logged in/, "wrangler looks who one is, and that succeeds");
  });
});
