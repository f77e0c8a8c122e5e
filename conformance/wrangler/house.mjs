// What the cases have in common: a server for a file of cases, and wrangler, unmodified, each time in a folder of its own
// and through a proxy of its own that writes down what was asked.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { Kew, PATIENCE_MILLISECONDS, environment } from "../node/kew.mjs";
import { Proxy } from "../node/proxy.mjs";

const WRANGLER = fileURLToPath(new URL("./node_modules/wrangler/bin/wrangler.js", import.meta.url));
// Nearly all of a command's time is its own start; more at once would not be done sooner.
const CASES_AT_ONCE = 3;

/** A server with wrangler beside it. */
export class House {
  static async open() {
    const house = new House();
    house.kew = await Kew.dev();
    house.settings = await house.kew.settings();
    house.account = house.settings.CLOUDFLARE_ACCOUNT_ID;
    house.credentials = { CLOUDFLARE_API_TOKEN: house.settings.CLOUDFLARE_API_TOKEN };
    return house;
  }

  /** The path of something in the account. */
  at(path) {
    return `/client/v4/accounts/${this.account}${path}`;
  }

  /** What the server answers to a request that needs no wrangler. */
  async ask(method, path, body) {
    const headers = { authorization: `Bearer ${this.settings.CLOUDFLARE_API_TOKEN}` };
    const answer = await fetch(`${this.kew.url}${this.at(path)}`, { method, headers, body: JSON.stringify(body) });
    const { success, errors, result } = await answer.json();
    assert.ok(success, JSON.stringify(errors));
    return result;
  }

  /** Runs a command, and returns what it printed, how it ended, and what it asked. `more` goes to its environment. */
  async run(words, more = {}) {
    const proxy = await Proxy.start(this.kew.url);
    const folder = await mkdtemp(join(this.kew.folder, "wrangler-"));
    const env = {
      ...environment(),
      CLOUDFLARE_API_BASE_URL: `${proxy.url}/client/v4`,
      CLOUDFLARE_ACCOUNT_ID: this.account,
      ...this.credentials,
      // Nothing but the server is asked: no telemetry, no look for a newer release, no settings of this machine's user.
      WRANGLER_SEND_METRICS: "false",
      WRANGLER_HIDE_BANNER: "true",
      WRANGLER_LOG_PATH: folder,
      XDG_CONFIG_HOME: folder,
      HOME: folder,
      CI: "1",
      NO_COLOR: "1",
      ...more,
    };
    const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== null));
    const options = { env: given, cwd: folder, timeout: PATIENCE_MILLISECONDS };
    try {
      const done = promisify(execFile)(process.execPath, [WRANGLER, ...words], options);
      const { stdout, stderr, code } = await done.then((printed) => ({ ...printed, code: 0 }), (error) => error);
      return { stdout, stderr, status: code, asked: proxy.requests.map(asked) };
    } finally {
      await proxy.stop();
    }
  }

  /** Runs a command of `wrangler queues` that must succeed, say nothing of a failure, and ask exactly this. */
  async succeeds(command, asked) {
    const done = await this.run(["queues", ...command.split(" ")]);
    assert.deepEqual([done.status, done.stderr], [0, ""], done.stdout);
    assert.deepEqual(done.asked, asked.map(([method, path, body]) => entry(method, this.at(path), body)));
    return done.stdout;
  }

  /** Runs a command of `wrangler queues` that must fail. */
  async fails(command, more) {
    const done = await this.run(["queues", ...command.split(" ")], more);
    assert.equal(done.status, 1, done.stdout);
    return done;
  }
}

/** How wrangler looks a queue up. */
export function find(name) {
  return ["GET", `/queues?page=1&name=${name}`];
}

/** Requires that a table has a row with these cells, in this order; a cell is as wide as it likes. */
export function hasRow(table, cells) {
  const rows = table.split("\n").map((line) => line.split("│").map((cell) => cell.trim()));
  assert.ok(rows.some((row) => cells.every((cell, index) => row[index + 1] === cell)), `${cells}:\n${table}`);
}

/** Prepares a file of cases; returns what makes a case of a name and a function of a house and a queue's name. */
export function house(title, cases) {
  describe(title, { concurrency: CASES_AT_ONCE }, () => {
    let opened;
    before(async () => {
      opened = await House.open();
    });
    after(() => opened.kew.stop());
    cases((name, body) => test(name, () => body(opened, name.replaceAll("_", "-"))));
  });
}

/** What of a request is compared. */
function asked({ method, path, body, headers }) {
  const type = headers["content-type"] ?? null;
  return { method, path, type, body: body === "" ? null : JSON.parse(body) };
}

/** The same of a request as it should be; wrangler calls its JSON plain text. */
function entry(method, path, body = null) {
  return { method, path, type: body === null ? null : "text/plain;charset=UTF-8", body };
}
