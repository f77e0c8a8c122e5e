// The README's snippet, run as it is printed: it is TypeScript that happens to need no types.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { Kew, PATIENCE_MILLISECONDS, environment } from "../../node/kew.mjs";

async function snippet() {
  const readme = await readFile(new URL("../../../README.md", import.meta.url), "utf8");
  const [, block, ...more] = readme.split("```typescript\n");
  assert.equal(more.length, 0, "the README has one block of TypeScript");
  return block.split("```")[0];
}

test("readme", async () => {
  const kew = await Kew.dev();
  try {
    const env = { ...environment(), ...(await kew.settings()) };
    const options = { env, cwd: fileURLToPath(new URL("..", import.meta.url)), timeout: PATIENCE_MILLISECONDS };
    const words = ["--input-type=module", "--eval", await snippet()];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, words, options);
    assert.deepEqual([stderr, stdout], ["", "hello (attempt 1)\n1 acknowledged\n"]);
  } finally {
    await kew.stop();
  }
});
