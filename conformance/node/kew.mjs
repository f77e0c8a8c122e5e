// Starts the real binary in a folder of its own, on a free port of loopback.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

export const QUEUE = "023e105f4ecef8ad9ca31a8372d0c353";
// How long to wait for something that must come; only a hanging program ever takes it.
export const PATIENCE_MILLISECONDS = 60_000;

/** The caller's environment without what would steer Kew or a client. */
export function environment() {
  const isOther = ([name]) => !name.startsWith("KEW_") && !name.startsWith("CLOUDFLARE_");
  return Object.fromEntries(Object.entries(process.env).filter(isOther));
}

/** A running server. */
export class Kew {
  /** `kew dev` with the queue `jobs`. */
  static dev() {
    return Kew.start(["dev", "--queue", `jobs=${QUEUE}`], "Stop with Ctrl-C");
  }

  /** `kew serve` with its first account and admin token. */
  static serve() {
    return Kew.start(["serve"], "account id");
  }

  /** Returns when a line that has `last` in it was printed. */
  static async start(command, last) {
    const kew = new Kew();
    kew.binary = process.env.KEW_BINARY;
    kew.folder = await mkdtemp(join(tmpdir(), "kew-"));
    kew.data = join(kew.folder, "store");
    const words = [...command, "--data", kew.data, "--listen", "127.0.0.1:0"];
    const stdio = ["ignore", "pipe", "inherit"];
    kew.process = spawn(kew.binary, words, { stdio, env: environment(), cwd: kew.folder });
    kew.ended = once(kew.process, "exit");
    const patience = setTimeout(() => kew.process.kill("SIGKILL"), PATIENCE_MILLISECONDS);
    let notice = "";
    for await (const line of createInterface({ input: kew.process.stdout })) {
      notice += `${line}\n`;
      if (line.includes(last)) break;
    }
    clearTimeout(patience);
    assert.ok(notice.includes(last), `the server ended early: ${notice}`);
    kew.url = notice.match(/http:\/\/[0-9.]+:[0-9]+/)[0];
    return kew;
  }

  /** What `kew dev` wrote to `dev.env`. */
  async settings() {
    const text = await readFile(join(this.data, "dev.env"), "utf8");
    return Object.fromEntries(text.trim().split("\n").map((line) => line.split(/=(.*)/s).slice(0, 2)));
  }

  /** What an admin command answers, with the first admin token. */
  async admin(...command) {
    const words = [...command, "--json", "--url", this.url, "--token-file", join(this.data, "admin.token")];
    const options = { env: environment(), cwd: this.folder, timeout: PATIENCE_MILLISECONDS };
    const { stdout } = await promisify(execFile)(this.binary, words, options);
    return JSON.parse(stdout);
  }

  /** Stops the server and requires a clean end. */
  async stop() {
    const patience = setTimeout(() => this.process.kill("SIGKILL"), PATIENCE_MILLISECONDS);
    this.process.kill("SIGTERM");
    const [status] = await this.ended;
    clearTimeout(patience);
    await rm(this.folder, { recursive: true });
    assert.equal(status, 0, "the server ends well");
  }
}
