"""Lets schemathesis search the running server from its own OpenAPI document.

Every operation is called with what the document allows and with what it forbids, and then in sequences. No answer may be
a failure of the server, lack the envelope that the document draws, or have another content type.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "python"))

from kew import QUEUE, Kew, environment  # noqa: E402

CHECKS = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")
# The same cases in every run; more of them by hand: KEW_SCHEMATHESIS_EXAMPLES=2000.
SEED = "20261121"
EXAMPLES = os.environ.get("KEW_SCHEMATHESIS_EXAMPLES", "40")
# Only a hanging server ever takes it.
REQUEST_SECONDS = "20"
# Operations that take away what the others need get a queue of their own.
DESTRUCTIVE = ("queues-delete", "queues-update", "queues-update-partial", "queues-delete-consumer", "queues-purge")


def call(kew, method, path, body=None):
    request = urllib.request.Request(
        kew.url + "/client/v4" + path, method=method, data=None if body is None else json.dumps(body).encode()
    )
    request.add_header("Authorization", f"Bearer {kew.settings()['CLOUDFLARE_API_TOKEN']}")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["result"]


def fill(kew, account):
    """A queue with messages in it, so that pulls and peeks have something to show; the id of a queue to lose."""
    queues = f"/accounts/{account}/queues"
    for number in range(100):
        batch = [{"body": {"number": number}}, {"body": "text", "content_type": "text"}]
        call(kew, "POST", f"{queues}/{QUEUE}/messages/batch", {"messages": batch})
    lost = call(kew, "POST", queues, {"queue_name": "to-lose"})["queue_id"]
    call(kew, "POST", f"{queues}/{lost}/consumers", {"type": "http_pull"})
    return lost


def settings(account, lost):
    """Most path parameters name what is there: a search among random ids would only ever find nothing."""
    lines = [f"seed = {SEED}", f"request-timeout = {REQUEST_SECONDS}", "", "[parameters]"]
    lines += [f'"path.account" = "{account}"', f'"path.queue" = "{QUEUE}"', ""]
    for operation in DESTRUCTIVE:
        lines += ["[[operations]]", f'include-operation-id = "{operation}"', f'parameters = {{ "path.queue" = "{lost}" }}', ""]
    return "\n".join(lines)


def main():
    with Kew.dev() as kew:
        known = kew.settings()
        account = known["CLOUDFLARE_ACCOUNT_ID"]
        config = pathlib.Path(kew.folder.name) / "schemathesis.toml"
        config.write_text(settings(account, fill(kew, account)))
        words = [
            str(pathlib.Path(sys.executable).parent / "schemathesis"),
            "--config-file",
            str(config),
            "run",
            str(HERE.parent.parent / "docs" / "openapi.json"),
            f"--url={kew.url}",
            f"--header=Authorization: Bearer {known['CLOUDFLARE_API_TOKEN']}",
            f"--checks={','.join(CHECKS)}",
            f"--max-examples={EXAMPLES}",
            "--phases=examples,coverage,fuzzing",
            "--workers=1",
            "--continue-on-failure",
            "--suppress-health-check=all",
            "--warnings=off",
            "--no-color",
        ]
        done = subprocess.run(words, stdout=subprocess.PIPE, text=True, env=environment(), cwd=kew.folder.name)
        print(done.stdout, flush=True)
        health = urllib.request.urlopen(f"{kew.url}/healthz").status
    tested = re.search(r"Tested: (\d+)|(\d+) (?:operations )?tested", done.stdout)
    passed = int(next(filter(None, tested.groups()), 0)) if tested else 0
    is_clean = done.returncode == 0 and health == 200 and passed > 0
    print(f"openapi: {passed if is_clean else 0} passed, {0 if is_clean else 1} failed", flush=True)
    sys.exit(0 if is_clean else 1)


if __name__ == "__main__":
    main()
