// Which class of error the SDK throws, with which code, and what it repeats.

import assert from "node:assert/strict";

import Cloudflare from "cloudflare";

import { clientAt, house, refused } from "../house.mjs";

const NOBODY = "00000000000000000000000000000000";
const text = { content_type: "text" };
const scene = house();

scene("bad_request", async (stage) => {
  const call = stage.push("x", { ...text, delay_seconds: 86_401 });
  const error = await refused(Cloudflare.BadRequestError, 10203, call);
  assert.equal(error.errors[0].source.pointer, "/delay_seconds");
  for (const part of ["delay_seconds", "86401", "86400"]) assert.ok(error.errors[0].message.includes(part));
  assert.equal(stage.proxy.requests.length, 1);
});

scene("bulk_push_is_all_or_nothing", async (stage) => {
  const call = stage.bulkPush([{ body: "good", ...text }, { body: 1, ...text }]);
  const error = await refused(Cloudflare.BadRequestError, 10207, call);
  assert.equal(error.errors[0].source.pointer, "/messages/1/body");
  assert.equal((await stage.pull()).message_backlog_count, 0);
});

scene("authentication", async (stage) => {
  const stranger = clientAt(stage.proxy.url, "a-token-that-nobody-has");
  const call = stranger.queues.get(stage.queue, { account_id: stage.account });
  await refused(Cloudflare.AuthenticationError, 10000, call);
  assert.equal(stage.proxy.requests.length, 1);
});

scene("queue_not_found", async (stage) => {
  const { account: account_id } = stage;
  await refused(Cloudflare.NotFoundError, 11000, stage.client.queues.get(NOBODY, { account_id }));
  const push = stage.messages.push(NOBODY, { account_id, body: "x", ...text });
  await refused(Cloudflare.NotFoundError, 10104, push);
});

scene("consumer_not_found", async (stage) => {
  const params = { account_id: stage.account, queue_id: stage.queue };
  await refused(Cloudflare.NotFoundError, 11006, stage.client.queues.consumers.get(NOBODY, params));
});

scene("route_not_found", async (stage) => {
  const call = stage.client.get(`/accounts/${stage.account}/nothing`);
  const error = await refused(Cloudflare.NotFoundError, 7003, call);
  assert.equal(error.errors[1].code, 7000);
});

scene("queue_name_taken", async (stage) => {
  const create = stage.client.queues.create({ account_id: stage.account, queue_name: "jobs" });
  await refused(Cloudflare.ConflictError, 11009, create);
  assert.deepEqual(stage.proxy.requests.map(({ status }) => status), [409], "asked once");
});

scene("conflict_without_the_header", async (stage) => {
  stage.proxy.hideHeader("x-should-retry");
  const create = stage.client.queues.create({ account_id: stage.account, queue_name: "jobs" });
  await refused(Cloudflare.ConflictError, 11009, create);
  assert.deepEqual(stage.proxy.requests.map(({ retry }) => retry), [0, 1, 2]);
});

scene("consumer_exists", async (stage) => {
  const params = { account_id: stage.account, type: "http_pull" };
  const create = stage.client.queues.consumers.create(stage.queue, params);
  await refused(Cloudflare.ConflictError, 11004, create);
  assert.deepEqual(stage.proxy.requests.map(({ status }) => status), [409], "asked once");
});

scene("pull_without_consumer", async (stage) => {
  const params = { account_id: stage.account, queue_id: stage.queue };
  await stage.client.queues.consumers.delete(stage.consumer.consumer_id, params);
  const error = await refused(Cloudflare.APIError, 19001, stage.pull());
  assert.equal(error.status, 405);
});

scene("message_too_large", async (stage) => {
  await stage.push("x".repeat(127_900), text);
  const error = await refused(Cloudflare.APIError, 10204, stage.push("x".repeat(127_901), text));
  assert.equal(error.status, 413);
  assert.deepEqual(stage.proxy.requests.map(({ status }) => status), [200, 413]);
  assert.equal((await stage.pull()).message_backlog_count, 1);
});

scene("lost_answer_is_repeated", async (stage) => {
  stage.proxy.loseAnswers(1);
  const pushed = await stage.push("twice", text);
  assert.deepEqual(stage.proxy.requests.map(({ retry }) => retry), [0, 1]);
  assert.equal(pushed.metadata.metrics.backlog_count, 2);
  const bodies = (await stage.pull()).messages.map((message) => message.body);
  assert.deepEqual(bodies, ["twice", "twice"], "the first push counted, though nobody saw its answer");
});

scene("lost_ack_is_repeated", async (stage) => {
  await stage.push("done", text);
  const message = await stage.pullOne();
  stage.proxy.requests.length = 0;
  stage.proxy.loseAnswers(1);
  const settled = await stage.settle([message]);
  assert.deepEqual(stage.proxy.requests.map(({ retry }) => retry), [0, 1]);
  assert.deepEqual(settled, { ackCount: 1, retryCount: 0, warnings: {} }, "the answer that was lost");
});
