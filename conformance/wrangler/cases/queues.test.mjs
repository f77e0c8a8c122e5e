// `wrangler queues`, unmodified: create, list, info, delete.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { Kew, PATIENCE_MILLISECONDS, environment } from "../../node/kew.mjs";

const WRANGLER = fileURLToPath(new URL("../node_modules/wrangler/bin/wrangler.js", import.meta.url));
let kew, settings;

before(async () => {
  kew = await Kew.dev();
  settings = await kew.settings();
});
after(() => kew.stop());

/** Runs a command in the server's folder and returns what it prints and how it ends. */
async function wrangler(...command) {
  const env = {
    ...environment(),
    ...settings,
    // Nothing but the server is asked: no telemetry, no look for a newer release, no settings of this machine's user.
    WRANGLER_SEND_METRICS: "false",
    WRANGLER_HIDE_BANNER: "true",
    WRANGLER_LOG_PATH: kew.folder,
    XDG_CONFIG_HOME: kew.folder,
    HOME: kew.folder,
    CI: "1",
    NO_COLOR: "1",
  };
  const options = { env, cwd: kew.folder, timeout: PATIENCE_MILLISECONDS };
  const done = promisify(execFile)(process.execPath, [WRANGLER, "queues", ...command], options);
  return done.then(
    ({ stdout, stderr }) => ({ text: stdout + stderr, status: 0 }),
    (error) => ({ text: `${error.stdout}${error.stderr}`, status: error.code }),
  );
}

test("wrangler_queues", async () => {
  const created = await wrangler("create", "mail");
  assert.equal(created.status, 0, created.text);

  const listed = await wrangler("list");
  assert.equal(listed.status, 0, listed.text);
  for (const name of ["jobs", "mail"]) assert.match(listed.text, new RegExp(`│ ${name}\\s+│`));

  const shown = await wrangler("info", "jobs");
  assert.equal(shown.status, 0, shown.text);
  assert.ok(shown.text.includes(settings.KEW_QUEUE_ID_JOBS), shown.text);
  assert.match(shown.text, /Number of Consumers: 1/);

  const deleted = await wrangler("delete", "mail");
  assert.equal(deleted.status, 0, deleted.text);
  const gone = await wrangler("info", "mail");
  assert.notEqual(gone.status, 0);
  assert.match(gone.text, /Queue "mail" does not exist/);
});

test("wrangler_name_taken", async () => {
  const refused = await wrangler("create", "jobs");
  assert.notEqual(refused.status, 0);
  assert.match(refused.text, /\[code: 11009\]/);
});
