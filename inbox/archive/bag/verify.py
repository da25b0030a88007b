"""Check these letters: `python3 -I verify.py` in the folder where this file lies.

It needs Python 3.9 or newer and nothing else, and no network. It says of each file whether it is
as it was when the copy was made, and of each letter whether the archive sealed these very bytes
and wrote that into its log. Exit code 1: something is wrong.
The log's key lies in the copy itself, and whoever could change the copy could change it as well:
compare it with one that you have from elsewhere, or name that: `python3 -I verify.py KEY…`.
Sources: RFC 8493 (BagIt), RFC 8032 (Ed25519), RFC 9162 section 2.1 (Merkle trees), and C2SP's
signed-note, tlog-checkpoint, tlog-cosignature and tlog-proof. Part of Samlepost, MIT licence.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

LOG, SEAL = "data/log/", "samlepost-seal/1"
SIGNATURES_MAX = 32  # Of one checkpoint: each takes milliseconds.
NOTE, COSIGNATURE = 1, 4  # Keys of the log and of a witness (C2SP signed-note, "Signature types").
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
Point = tuple[int, int, int, int]


def add(p: Point, q: Point) -> Point:
    """Add two points in extended coordinates (RFC 8032, section 5.1.4)."""
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(n: int, p: Point) -> Point:
    """Multiply a point by a number."""
    q = (0, 1, 1, 0)
    while n:
        q = add(q, p) if n & 1 else q
        p, n = add(p, p), n >> 1
    return q


def point(data: bytes) -> Point | None:
    """Decode a point (RFC 8032, section 5.1.3); None for what is none."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    if len(data) != 32 or y >= P:
        return None
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    x = x * pow(2, (P - 1) // 4, P) % P if (x * x - x2) % P else x
    if (x * x - x2) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def is_signed(key: bytes, message: bytes, signature: bytes) -> bool:
    """Say whether an Ed25519 signature holds (RFC 8032, section 5.1.7)."""
    a, r, s = point(key), point(signature[:32]), int.from_bytes(signature[32:], "little")
    if a is None or r is None or BASE is None or len(signature) != 64 or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    left, right = times(s, BASE), add(r, times(k, a))
    return all((left[i] * right[2] - right[i] * left[2]) % P == 0 for i in (0, 1))


def root_of(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes | None:
    """Return the root that a proof leads to (RFC 9162, section 2.1.3.2); None: it leads nowhere."""
    fn, sn, root = index, size - 1, hashlib.sha256(b"\0" + leaf).digest()
    if not 0 <= index < size:
        return None
    for each in path:
        if sn == 0:
            return None
        if fn & 1 or fn == sn:
            root = hashlib.sha256(b"\1" + each + root).digest()
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            root = hashlib.sha256(b"\1" + root + each).digest()
        fn, sn = fn >> 1, sn >> 1
    return root if sn == 0 else None


class Folder:
    """The files of an unpacked copy."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> Iterator[str]:
        """Yield every file's name, from the folder on."""
        for path in sorted(self.root.rglob("*")):
            if path.is_symlink() or not path.is_dir():
                yield path.relative_to(self.root).as_posix()

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield a file's bytes. Raises OSError."""
        with (self.root / name).open("rb") as file:
            yield from iter(lambda: file.read(1 << 20), b"")


class Check:
    """One check of one copy: what was found out, and what is wrong."""

    def __init__(self, files: Any, keys: list[str] | None = None, tell: Any = print) -> None:
        """Take something with the methods of `Folder`; without verifier keys the copy's count."""
        self.files, self.keys, self.tell = files, keys, tell
        self.faults: list[str] = []
        self.left: list[str] = []  # What nothing but the copy itself vouches for.
        self.digests: dict[str, tuple[str, str, int]] = {}  # SHA-256, SHA-512 (hex), size
        self.sealed: dict[str, set[str]] = {}  # Of each letter's folder.
        self.signers: dict[tuple[str, int], str] = {}  # By sealed version, the log's key, or "".
        self.note = lru_cache(None)(self._note)

    def run(self) -> bool:
        """Check everything; say whether nothing is wrong."""
        self.bag()
        self.keys = self.keys or self.text(f"{LOG}keys.txt").split()
        for name in sorted(self.digests):
            if name.startswith("data/letters/") and name.split("/")[3:] == ["letter.json"]:
                self.letter(name[: -len("letter.json")])
        if f"{LOG}checkpoint" in self.digests:
            self.say(f"{LOG}checkpoint", self.note(self.text(f"{LOG}checkpoint"))[0])
        return not self.faults

    def say(self, what: str, wrong: str = "") -> None:
        """Tell what was found of a file or a letter."""
        self.faults += [f"{what}: {wrong}"] if wrong else []
        self.tell(f"FAULT {what}: {wrong}" if wrong else f"OK    {what}")

    def text(self, name: str) -> str:
        """Return a file as text, "" where it is not there."""
        found = b"".join(self.files.chunks(name)) if self.digests.get(name, ("",))[0] else b""
        return found.decode(errors="replace")

    def bag(self) -> None:
        """Hold every file against the manifests (RFC 8493, section 3)."""
        wrong: dict[str, str] = {}
        for name in self.files.names():
            sha256, sha512, size = hashlib.sha256(), hashlib.sha512(), 0
            try:
                for chunk in self.files.chunks(name):
                    sha256.update(chunk)
                    sha512.update(chunk)
                    size += len(chunk)
                self.digests[name] = (sha256.hexdigest(), sha512.hexdigest(), size)
            except OSError:
                self.digests[name], wrong[name] = ("", "", 0), "cannot be read"
        kinds = ("manifest-sha256.txt", "manifest-sha512.txt")
        listed = [{**self.manifest(each), **self.manifest(f"tag{each}")} for each in kinds]
        for name in sorted({*listed[0], *listed[1]}):
            said, found = [each.get(name) for each in listed], self.digests.get(name, ("", "", 0))
            fits = [said[place] == found[place] for place in (0, 1)]
            if fits[0] != fits[1] or None in said:
                kind = kinds[0 if fits[1] or not said[0] else 1]
                wrong[kind if name.startswith("data/") else f"tag{kind}"] = f"does not fit {name}"
            elif not fits[0] and name not in wrong:
                wrong[name] = "has been changed" if found[0] else "is missing"
        for name in self.digests:
            if name not in listed[0] and name not in listed[1] and name[:12] != "tagmanifest-":
                wrong[name] = "does not belong to the copy"
        if not self.text("bagit.txt").startswith("BagIt-Version: 1.0"):
            wrong["bagit.txt"] = "is missing, or of another version"
        sizes = [each[2] for name, each in self.digests.items() if name.startswith("data/")]
        oxum = f"\nPayload-Oxum: {sum(sizes)}.{len(sizes)}\n"
        if not wrong and oxum not in self.text("bag-info.txt"):
            wrong["bag-info.txt"] = "names another number of files or bytes"
        for name in sorted({*self.digests, *wrong}):
            self.say(name, wrong.get(name, ""))

    def manifest(self, name: str) -> dict[str, str]:
        """Return the digest of each file by its name."""
        lines = [line.split(None, 1) for line in self.text(name).split("\n") if line.strip()]
        return {line[1]: line[0].lower() for line in lines if len(line) == 2}

    def letter(self, folder: str) -> None:
        """Check each sealed version of what arrived with a letter."""
        try:
            said = json.loads(self.text(f"{folder}letter.json"))
            for kept in (each["kept"] or {} for each in said["deliveries"]):
                for one in kept.get("versions") or [{"seal": None}]:
                    if one["seal"]:
                        self.version(folder, kept["object"], one)
                    elif not said.get("withheld"):
                        self.left.append(f"      {folder}: has no seal")
            for name in (folder + one["file"] for one in said.get("documents", ()) if one["file"]):
                if self.digests.get(name, ("",))[0] not in self.sealed.get(folder, [""]):
                    self.say(name, "is in no seal of the letter")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            self.say(f"{folder}letter.json", f"cannot be understood ({type(error).__name__})")

    def version(self, folder: str, object_id: str, one: dict[str, Any]) -> None:
        """Hold a seal against its files, and the log's leaf against the seal."""
        name, key = folder + one["seal"], (object_id, one["version"])
        here = {each["path"]: each["file"] for each in one["files"]}
        seal = json.loads(self.text(name) or "{}")
        if (seal.get("format"), seal.get("object"), seal.get("version")) != (SEAL, *key):
            return self.say(name, "is not the seal of this version")
        for each in seal["files"]:
            self.sealed.setdefault(folder, set()).add(each["sha256"])
            found = self.digests.get(folder + (here.get(each["path"]) or "?"))
            if found is None:
                self.say(f"{name}: {each['path']}", "was sealed and is not here")
            elif (found[0], found[2]) != (each["sha256"], each["size"]):
                self.say(folder + here[each["path"]], f"is not what was sealed as {each['path']}")
        self.say(name)
        self.signers[key] = ""
        if one["proof"]:
            proof = self.text(folder + one["proof"])
            wrong, self.signers[key] = self.proof(proof, self.digests[name][0], key)
            self.say(folder + one["proof"], wrong)
        else:
            self.left.append(f"      {name}: not yet in the log")

    def proof(self, text: str, commitment: str, key: tuple[str, int]) -> tuple[str, str]:
        """Check a C2SP tlog-proof; return what is wrong, and by which key the log signed it."""
        head, _, checkpoint = text.partition("\n\n")
        lines = head.split("\n")
        try:
            leaf = base64.b64decode(lines[1].partition("extra ")[2], validate=True)
            index = int(lines[2].partition("index ")[2])
            path = [base64.b64decode(line, validate=True) for line in lines[3:]]
            size, root = checkpoint.split("\n")[1:3]
            said = [json.loads(leaf)[each] for each in ("commitment", "event", "object", "version")]
            if lines[0] != "c2sp.org/tlog-proof@v1" or said != [commitment, "put", *key]:
                return "the log's leaf is not of this seal", ""
            if root_of(leaf, index, int(size), path) != base64.b64decode(root, validate=True):
                return "the leaf is not in the tree of the checkpoint", ""
        except (ValueError, IndexError, KeyError, AttributeError, TypeError):
            return "cannot be read", ""
        return self.note(checkpoint)

    def _note(self, text: str) -> tuple[str, str]:
        """Check a signed checkpoint; return what is wrong, and by which key the log signed it."""
        body, _, signatures = text.rpartition("\n\n")
        message, signer = f"{body}\n".encode(), ""
        known = dict(key for key in map(parsed_key, self.keys or ()) if key)
        for line in signatures.split("\n")[:SIGNATURES_MAX]:
            try:
                dash, name, encoded = line.split(" ")
                blob = base64.b64decode(encoded, validate=True)
                kind, public, key = known[name, blob[:4]]
            except (ValueError, KeyError):
                continue  # Of an unknown key, which is to be passed over (C2SP signed-note).
            signed, signature = message, blob[4:]
            if kind == COSIGNATURE:
                at = int.from_bytes(signature[:8], "big")
                signed, signature = f"cosignature/v1\ntime {at}\n".encode() + message, signature[8:]
            if dash != "—" or not is_signed(public, signed, signature):
                return f"the signature of {name} does not hold", ""
            signer = key if kind == NOTE and name == body.split("\n")[0] else signer
        return "" if signer else "is not signed by the log's key", signer


def parsed_key(line: str) -> tuple[tuple[str, bytes], tuple[int, bytes, str]] | None:
    """Return (name, id) and (kind, key, line) of a verifier key (C2SP signed-note); None: none."""
    try:
        name, digest, encoded = line.split("+", 2)
        key = base64.b64decode(encoded, validate=True)
    except ValueError:
        return None
    own = hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]
    fits = own.hex() == digest and len(key) == 33 and key[0] in (NOTE, COSIGNATURE)
    return ((name, own), (key[0], key[1:], line)) if fits else None


def main(keys: list[str]) -> int:
    """Check the copy that this file lies in; return the exit code."""
    root, stamps = Path(__file__).resolve().parent, f"{LOG}timestamps/"
    check = Check(Folder(root), keys)
    check.run()
    for name in [each for each in check.digests if each.startswith(stamps) and each[-4:] == ".tsr"]:
        line = ["openssl", "ts", "-verify", "-data", f"{name[:-4]}.note", "-in", name]
        line += ["-CAfile", f"{name[:-4]}.pem"]
        if not shutil.which("openssl"):
            check.tell(f"      Not checked, as there is no openssl: {' '.join(line)}")
        elif subprocess.run(line, cwd=root, capture_output=True, check=False).returncode:
            check.say(name, "openssl does not accept it")
    for each in [*check.left, *(f"Key: {key}" for key in check.keys or ())]:
        check.tell(each)
    logged = sum(map(bool, check.signers.values()))
    check.tell(f"{len(check.digests)} files, {len(check.signers)} seals, {logged} in the log.")
    whole = "No fault, but not all is in the log." if check.left else "Everything is as it was."
    check.tell(f"{len(check.faults)} faults." if check.faults else whole)
    return 1 if check.faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
