"""A proxy on loopback that counts requests and can lose answers: what a client repeats is seen here."""

import http.client
import http.server
import threading
import urllib.parse

from kew import PATIENCE_SECONDS


class Proxy:
    """A context manager; `requests` holds (method, path, retry count, status) in the order of the answers."""

    def __init__(self, url):
        self.requests = []
        self.arrivals = threading.Semaphore(0)
        self.lost = 0
        self.hidden = None
        handler = type("Handler", (_Handler,), {"proxy": self, "target": urllib.parse.urlsplit(url).netloc})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)

    def lose_answers(self, count):
        """Lets the next `count` requests through and closes the connection before their answers."""
        self.lost = count

    def hide_header(self, name):
        """Takes a header out of every answer from now on."""
        self.hidden = name

    def wait_for_arrival(self):
        """Returns once one more request was passed on, whether or not it is answered."""
        assert self.arrivals.acquire(timeout=PATIENCE_SECONDS), "a request must arrive"

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    def _forward(self):
        length = int(self.headers.get("content-length", 0))
        body = self.rfile.read(length)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        connection = http.client.HTTPConnection(self.target, timeout=PATIENCE_SECONDS)
        connection.request(self.command, self.path, body, headers)
        self.proxy.arrivals.release()
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        retry = int(self.headers.get("x-stainless-retry-count", 0))
        self.proxy.requests.append((self.command, self.path, retry, answer.status))
        self.close_connection = True
        if self.proxy.lost:
            self.proxy.lost -= 1
            return
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "date", "server", self.proxy.hidden):
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _forward

    def log_message(self, *_):
        """Says nothing: the list of requests is what counts."""
