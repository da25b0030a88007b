"""A server that takes Samlepost's webhooks (docs/agency-webhooks.md), in Python without packages.

WEBHOOK_SECRETS (one, or two with a space between them while you change them) and PORT are in the
environment. Each message that is taken is a line of JSON on standard output. Put TLS before it.
"""

import hmac
import json
import os
import sqlite3
import sys
import time
from base64 import b64decode, b64encode
from contextlib import closing
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRETS = [b64decode(s.removeprefix("whsec_")) for s in os.environ["WEBHOOK_SECRETS"].split()]
TOLERANCE_SECONDS = 300
BYTES_MAX = 20_000


def is_genuine(headers, body):
    """Say whether the message is Samlepost's and fresh; `body` is as it came, byte for byte."""
    message_id, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (message_id and at.isdecimal()) or abs(time.time() - int(at)) > TOLERANCE_SECONDS:
        return False
    signed = f"{message_id}.{at}.".encode() + body
    wanted = [b"v1," + b64encode(hmac.digest(secret, signed, sha256)) for secret in SECRETS]
    given = headers.get("webhook-signature", "").encode().split()
    return any(hmac.compare_digest(one, other) for one in wanted for other in given)


def take(db, message_id, body):
    """Keep the message, unless it has been here before: the id is unique for ever."""
    with db:
        row = (message_id, body.decode())
        return db.execute("INSERT OR IGNORE INTO taken VALUES (?, ?)", row).rowcount == 1


class Receiver(BaseHTTPRequestHandler):
    """Answers at once; what the message asks of you is for later."""

    timeout = 10

    def do_POST(self):
        """204 for what is taken, also when it comes again; 401 for what is not Samlepost's."""
        length = int(self.headers.get("content-length", 0))
        if length > BYTES_MAX:
            return self._answer(413)
        body = self.rfile.read(length)
        if not is_genuine(self.headers, body):
            return self._answer(401)
        with closing(sqlite3.connect(os.environ.get("TAKEN", "taken.sqlite3"))) as db:
            db.execute("CREATE TABLE IF NOT EXISTS taken (id PRIMARY KEY, body)")
            if take(db, self.headers["webhook-id"], body):
                sys.stdout.write(json.dumps(json.loads(body)) + "\n")
                sys.stdout.flush()
        return self._answer(204)

    def _answer(self, status):
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Receiver).serve_forever()
