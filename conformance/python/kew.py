"""Starts the real binary in a folder of its own, on a free port of loopback."""

import json
import os
import pathlib
import signal
import subprocess
import tempfile
import threading

QUEUE = "023e105f4ecef8ad9ca31a8372d0c353"
# How long to wait for something that must come; only a hanging program ever takes it.
PATIENCE_SECONDS = 60


def environment():
    """The caller's environment without what would steer Kew or the SDK."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("KEW_", "CLOUDFLARE_"))}


class Kew:
    """A running server; a context manager that stops it and requires a clean end."""

    def __init__(self, command, last):
        """`last` stands in the last line of what the command prints when it is ready."""
        self.binary = os.environ["KEW_BINARY"]
        self.folder = tempfile.TemporaryDirectory()
        self.data = pathlib.Path(self.folder.name) / "store"
        words = [self.binary, *command, "--data", str(self.data), "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(
            words, stdout=subprocess.PIPE, text=True, env=environment(), cwd=self.folder.name
        )
        self.notice = self._read_until(last)
        self.url = self.notice[self.notice.index("http://") :].split("/client/v4")[0]

    @classmethod
    def dev(cls):
        """`kew dev` with the queue `jobs`."""
        return cls(["dev", "--queue", f"jobs={QUEUE}"], "Stop with Ctrl-C")

    @classmethod
    def serve(cls):
        """`kew serve` with its first account and admin token."""
        return cls(["serve"], "account id")

    def settings(self):
        """What `kew dev` wrote to `dev.env`."""
        lines = (self.data / "dev.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def admin(self, *command):
        """What an admin command answers, with the first admin token."""
        words = [self.binary, *command, "--json", "--url", self.url, "--token-file", str(self.data / "admin.token")]
        done = subprocess.run(
            words, capture_output=True, text=True, env=environment(), cwd=self.folder.name, timeout=PATIENCE_SECONDS
        )
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: {done.stderr}")
        return json.loads(done.stdout)

    def _read_until(self, last):
        lines = []
        patience = threading.Timer(PATIENCE_SECONDS, self.process.kill)
        patience.start()
        for line in self.process.stdout:
            lines.append(line)
            if last in line:
                patience.cancel()
                return "".join(lines)
        patience.cancel()
        raise AssertionError(f"the server ended with {self.process.wait()}: {''.join(lines)}")

    def stop(self):
        """Stops the server and requires a clean end; its folder stays."""
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.process.stdout.close()
        if status != 0:
            raise AssertionError(f"the server ended with {status}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            if self.process.returncode is None:
                self.stop()
        finally:
            self.folder.cleanup()
