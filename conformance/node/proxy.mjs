// A proxy on loopback that counts requests and can lose answers: what a client repeats is seen here.

import { createServer, request } from "node:http";
import { once } from "node:events";

export class Proxy {
  /** What was answered, in order: method, path, headers, body, the client's own count of retries, the server's status. */
  requests = [];
  #lost = 0;
  #arrived = () => {};
  #hidden = [];

  static async start(url) {
    const proxy = new Proxy();
    proxy.server = createServer((asked, answer) => proxy.#forward(url, asked, answer));
    proxy.server.listen(0, "127.0.0.1");
    await once(proxy.server, "listening");
    proxy.url = `http://127.0.0.1:${proxy.server.address().port}`;
    return proxy;
  }

  /** Lets the next `count` requests through and closes the connection before their answers. */
  loseAnswers(count) {
    this.#lost = count;
  }

  /** Ends once the next request was passed on, whether or not it is answered. */
  arrival() {
    return new Promise((arrived) => (this.#arrived = arrived));
  }

  /** Takes a header out of every answer from now on. */
  hideHeader(name) {
    this.#hidden.push(name);
  }

  async stop() {
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, "close");
  }

  #forward(url, asked, answer) {
    const { method, url: path } = asked;
    const { host, connection, ...headers } = asked.headers;
    let body = "";
    asked.setEncoding("utf8").on("data", (text) => (body += text));
    const forwarded = request(`${url}${path}`, { method, headers, agent: false }, (got) => {
      const retry = Number(headers["x-stainless-retry-count"] ?? 0);
      this.requests.push({ method, path, headers, body, retry, status: got.statusCode });
      if (this.#lost > 0) {
        this.#lost -= 1;
        got.resume();
        answer.destroy();
        return;
      }
      for (const name of this.#hidden) delete got.headers[name];
      answer.writeHead(got.statusCode, got.headers);
      got.pipe(answer);
    });
    forwarded.on("finish", () => this.#arrived());
    forwarded.on("error", () => answer.destroy());
    asked.pipe(forwarded);
  }
}
