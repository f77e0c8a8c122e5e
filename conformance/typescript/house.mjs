// What the cases have in common: one server for a file of cases, and an empty queue for each.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import Cloudflare from "cloudflare";

import { Kew } from "../node/kew.mjs";
import { Proxy } from "../node/proxy.mjs";

/** The official client, pointed at a server. */
export function clientAt(url, token, more = {}) {
  return new Cloudflare({ baseURL: `${url}/client/v4`, apiToken: token, ...more });
}

/** What a case works with: its own queue, through a proxy that counts; `direct` is the client without the proxy. */
class Stage {
  push(body, more = {}) {
    return this.messages.push(this.queue, { account_id: this.account, body, ...more });
  }

  bulkPush(messages, more = {}) {
    return this.messages.bulkPush(this.queue, { account_id: this.account, messages, ...more });
  }

  pull(more = {}) {
    return this.messages.pull(this.queue, { account_id: this.account, ...more });
  }

  /** The only message that can be pulled. */
  async pullOne() {
    const { messages } = await this.pull({ batch_size: 100 });
    assert.equal(messages.length, 1);
    return messages[0];
  }

  settle(acks, retries = []) {
    const lease = ({ lease_id }) => ({ lease_id });
    return this.messages.ack(this.queue, { account_id: this.account, acks: acks.map(lease), retries });
  }

  get messages() {
    return this.client.queues.messages;
  }

  /** A call on messages that the SDK has no method for. */
  async post(call, body) {
    const path = `/accounts/${this.account}/queues/${this.queue}/messages/${call}`;
    return (await this.client.post(path, { body })).result;
  }
}

/** Prepares a file of cases; returns what makes a case of a name and a function of a stage. */
export function house() {
  let kew, settings;
  before(async () => {
    kew = await Kew.dev();
    settings = await kew.settings();
  });
  after(() => kew.stop());
  return (name, body) =>
    test(name, async () => {
      const stage = new Stage();
      stage.kew = kew;
      stage.account = settings.CLOUDFLARE_ACCOUNT_ID;
      stage.token = settings.CLOUDFLARE_API_TOKEN;
      stage.name = name.replaceAll("_", "-");
      stage.direct = clientAt(kew.url, stage.token);
      const queue = await stage.direct.queues.create({ account_id: stage.account, queue_name: stage.name });
      stage.queue = queue.queue_id;
      const type = { account_id: stage.account, type: "http_pull" };
      stage.consumer = await stage.direct.queues.consumers.create(stage.queue, type);
      stage.proxy = await Proxy.start(kew.url);
      stage.client = clientAt(stage.proxy.url, stage.token);
      try {
        await body(stage);
      } finally {
        await stage.proxy.stop();
      }
    });
}

/** What a list holds, page by page. */
export async function all(pages) {
  const items = [];
  for await (const item of pages) items.push(item);
  return items;
}

/** Requires that a call is refused with exactly this error class and this code, and returns the error. */
export async function refused(errorClass, code, call) {
  const error = await call.then(
    () => assert.fail("the call must be refused"),
    (error) => error,
  );
  assert.equal(error.constructor, errorClass, String(error));
  assert.equal(error.errors[0].code, code);
  return error;
}
