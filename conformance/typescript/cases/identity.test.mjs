// Who one is, as the SDK asks for it.

import assert from "node:assert/strict";

import Cloudflare from "cloudflare";

import { all, clientAt, house, refused } from "../house.mjs";

const scene = house();

scene("accounts", async ({ client, account: account_id }) => {
  const [account, ...more] = await all(client.accounts.list());
  assert.deepEqual([account.id, account.type, more], [account_id, "standard", []]);
  assert.deepEqual(await client.accounts.get({ account_id }), account);
  assert.deepEqual(await all(client.accounts.list({ name: account.name })), [account]);
  assert.deepEqual(await all(client.accounts.list({ name: "no account of this name" })), []);
});

scene("tokens_verify", async ({ client, account: account_id }) => {
  const verified = await client.user.tokens.verify();
  assert.equal(verified.status, "active");
  assert.match(verified.id, /^[0-9a-f]{32}$/);
  assert.deepEqual(await client.accounts.tokens.verify({ account_id }), verified);
});

scene("tokens_verify_unknown", async ({ proxy }) => {
  const stranger = clientAt(proxy.url, "a-token-that-nobody-has");
  await refused(Cloudflare.AuthenticationError, 10000, stranger.user.tokens.verify());
});

scene("user", async ({ client }) => {
  assert.equal((await client.user.get()).email, "developer@localhost");
});

scene("memberships", async ({ client, account }) => {
  const [membership, ...more] = await all(client.memberships.list());
  assert.deepEqual([membership.account.id, membership.status, more], [account, "accepted", []]);
  assert.ok(membership.roles.length > 0);
});
