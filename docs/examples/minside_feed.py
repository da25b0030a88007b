"""A whole min side feed in one file, to copy; the codes are the rules of docs/minside-feed.md.

It needs Flask, joserfc, jsonschema[format-nongpl] and, beside it, connectors/minside/openapi.json.
Set the NAMES in the environment, BASE_URL to http://localhost:8090 to begin with, and run
`flask --app minside_feed:make_app run --port 8090`. `publish` is how a letter gets into the feed.
"""

import base64
import json
import os
import sqlite3
import time
from hashlib import sha256
from pathlib import Path
from urllib.request import urlopen

from flask import Flask, Response, abort, g, jsonify, request
from joserfc import jwt
from joserfc.jwk import KeySet
from jsonschema import Draft202012Validator
from werkzeug.exceptions import HTTPException

NAMES = ("BASE_URL", "MASKINPORTEN_URL", "SAMLEPOST_ORG_NUMBER")
PAGE = 100
TABLES = """CREATE TABLE IF NOT EXISTS entries (number INTEGER PRIMARY KEY, pid, id, entry);
CREATE TABLE IF NOT EXISTS documents (id PRIMARY KEY, pid, media_type, content);
CREATE TABLE IF NOT EXISTS taken (pid, key, said, answer, PRIMARY KEY (pid, key));"""
CODES = {401: "unauthorized", 403: "forbidden", 404: "not_found", 410: "cursor_expired"}


def publish(db, pid, entry, *files):
    """Write an entry at the end of a citizen's feed; each file is (name, media type, bytes)."""
    for number, (name, media_type, content) in enumerate(files):
        digest = sha256(content).hexdigest()
        document = f"{sha256(entry['id'].encode()).hexdigest()[:12]}-{number}-{digest[:12]}"  # F-33
        said = {"id": document, "name": name, "media_type": media_type, "sha256": digest}
        said |= {"size": len(content), "main": number == 0}
        entry = entry | {"documents": [*entry.get("documents", []), said]}
        row = (document, pid, media_type, content)
        db.execute("INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?)", row)
    row = (pid, entry["id"], json.dumps(entry))
    db.execute("INSERT INTO entries (pid, id, entry) VALUES (?, ?, ?)", row)  # F-12, F-18
    db.commit()


def make_app(db=None, description=Path("openapi.json"), **settings):
    """Return the server; `settings` are those in NAMES, else the environment's."""
    base_url, maskinporten_url, samlepost = (settings.get(n) or os.environ[n] for n in NAMES)
    (db := db or sqlite3.connect("feed.sqlite3", check_same_thread=False)).executescript(TABLES)
    openapi, formats = json.loads(description.read_text()), Draft202012Validator.FORMAT_CHECKER
    app, maskinporten = Flask(__name__), {"until": 0.0}

    def published():
        if time.monotonic() > maskinporten["until"]:
            url = f"{maskinporten_url}/.well-known/oauth-authorization-server"
            maskinporten.update(json.load(urlopen(url, timeout=5)))
            jwks = json.load(urlopen(maskinporten["jwks_uri"], timeout=5))
            maskinporten.update(keys=KeySet.import_key_set(jwks), until=time.monotonic() + 3600)
        return maskinporten["issuer"], maskinporten["keys"]

    @app.before_request
    def who():  # F-02
        issuer, keys = published()
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            claims = jwt.decode(token, keys, algorithms=["RS256"]).claims
            meant = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
            is_good = claims["iss"] == issuer and claims["exp"] > time.time()
            is_good &= "samlepost:feed.read" in claims["scope"].split() and base_url in meant
        except Exception:  # whatever is wrong with it
            is_good = False
        if not is_good or claims["consumer"]["ID"] != f"0192:{samlepost}":
            abort(403 if is_good else 401)
        g.pid = claims.get("pid") or abort(403, "no_citizen")

    @app.errorhandler(HTTPException)
    def problem(error):  # F-04; a refusal of an answer (409) has words for the citizen
        refusal, given = error.code == 409, error.description or ""
        code = given if given.replace("_", "").isalpha() else CODES.get(error.code, "refused")
        said = {"status": error.code, "code": "reply_refused" if refusal else code}
        answer = jsonify(said | {"detail": given if refusal else error.name})
        answer.headers.update(error.get_headers())
        answer.content_type = "application/problem+json"
        return answer, error.code

    def body(schema, code):
        said, described = request.get_json(silent=True), openapi | {"$ref": schema}
        is_valid = Draft202012Validator(described, format_checker=formats).is_valid(said)
        return said if is_valid else abort(400, code)

    def letter(identifier):
        rows = db.execute("SELECT entry FROM entries WHERE pid = ? AND id = ?", (g.pid, identifier))
        found = [json.loads(entry) for (entry,) in rows]
        letters = [each for each in found if each.get("event", "letter") == "letter"]
        return letters[-1] if letters else abort(404)

    def take(said, answer=""):  # F-52: a key that came before changes nothing
        own = (g.pid, said["idempotency_key"])
        row = (*own, json.dumps(said), answer)
        db.execute("INSERT OR IGNORE INTO taken VALUES (?, ?, ?, ?)", row)
        db.commit()
        return db.execute("SELECT answer FROM taken WHERE pid = ? AND key = ?", own).fetchone()[0]

    @app.get("/feed")
    def feed():  # F-10 to F-19
        cursor = request.args.get("cursor", "0")
        (last,) = db.execute("SELECT coalesce(max(number), 0) FROM entries").fetchone()
        is_number = cursor.isascii() and cursor.isdecimal() and len(cursor) < 16
        if not is_number or int(cursor) > last:
            abort(410)
        after = "SELECT number, entry FROM entries WHERE pid = ? AND number > ? ORDER BY number"
        rows = db.execute(f"{after} LIMIT {PAGE + 1}", (g.pid, int(cursor))).fetchall()
        shown, more = rows[:PAGE], len(rows) > PAGE
        following = str(shown[-1][0] if shown else int(cursor))
        return jsonify(items=[json.loads(e) for _, e in shown], next_cursor=following, more=more)

    @app.get("/documents/<identifier>")
    def document(identifier):  # F-30 to F-34; what is deleted keeps its row, without the bytes
        found = "SELECT media_type, content FROM documents WHERE id = ? AND pid = ?"
        media_type, content = db.execute(found, (identifier, g.pid)).fetchone() or abort(404)
        if content is None:
            abort(410, "document_deleted")
        return Response(content, content_type=media_type)

    @app.post("/receipts")
    def receipts():  # F-50
        said = body("#/components/schemas/Receipt", "wrong_receipt")
        letter(said["id"])
        take(said)
        return "", 204

    @app.post("/replies")
    def replies():  # F-51
        said = body("#/components/schemas/Reply", "wrong_reply")
        forms = letter(said["letter"]).get("reply_forms") or []
        form = next((each for each in forms if each["code"] == said["form"]), {"kind": "closed"})
        files = said.get("attachments", [])
        fits = 0 < len((said.get("text") or "").strip()) <= form.get("text_max", 10_000)
        fits &= len(files) <= form.get("attachments_max", 0)
        for each in files:
            size = len(base64.b64decode(each["content"]))
            fits &= size <= form.get("attachment_bytes_max", 0)
            fits &= each["media_type"] in form.get("attachment_types", [])
        chosen = said.get("choice") in [each["code"] for each in form.get("choices") or []]
        if not {"choice": chosen, "text": fits, "closed": False}[form["kind"]]:
            abort(409, form.get("reason") or "Brevet kan ikke besvares slik.")
        return jsonify(reference=take(said, f"REF-{os.urandom(4).hex()}"))

    return app
