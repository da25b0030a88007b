"""The archive's files in an S3 bucket.

S3 has no rename, so the order of writes keeps half an object out of sight: what the store reads
first, `inventory.json`, is written last, and only if nobody else has (`If-None-Match`). What is
written before lies beside a marker below `staging/`, by which a sweep finds it if the process dies.

Nothing that a server says of what it holds is believed, no ETag and no checksum: each file is read
back and compared before the next step rests on it. The checksum that goes along with it only lets
an honest server refuse at once what broke on the way.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from tempfile import SpooledTemporaryFile
from threading import local
from typing import Any
from uuid import uuid4

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from inbox.archive import locks
from inbox.archive.ocfl import INVENTORY
from inbox.archive.storage import CHUNK, Missing, Staged, Unavailable

PART = 5 * 2**20
"""Bytes of a part of a multipart upload, at once the most that is sent whole (S3 wants parts of
5 MiB at least, and takes 10,000: 50 GB a file)."""
IN_MEMORY = 2**20
"""Bytes of a file under way that are kept in memory; beyond them it lies in an unnamed file."""
AT_ONCE = 4
"""Files that are uploaded beside each other."""
ATTEMPTS = 3
"""How often a request is sent before it has failed."""
KEYS_A_REQUEST = 1000
"""Keys that S3 deletes at one request, at most."""


class _Taken(Exception):
    """The key that was to be new to the bucket is there."""


@dataclass(frozen=True)
class Bucket:
    """Where a bucket is, and how to get in."""

    name: str
    prefix: str = ""
    """What all keys of ours begin with, without a slash at its end."""
    endpoint: str = ""
    """The server's address; empty for Amazon's own."""
    region: str = "us-east-1"
    access_key: str = field(default="", repr=False)
    """Empty: as botocore finds them, such as by the role of the machine."""
    secret_key: str = field(default="", repr=False)


@dataclass
class _File:
    """A file under way, on this machine."""

    body: SpooledTemporaryFile[bytes]
    sha256: bytes
    size: int


class S3Staged:
    """Files that lie on this machine until they are published; they go with the process."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.files: dict[str, _File] = {}
        self.marker = ""
        """The key of the marker of what is being published from here."""

    def write(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write one file."""
        if name in self.files:
            raise FileExistsError(errno.EEXIST, "it is staged already", name)
        self.files[name] = _spooled(chunks)

    def discard(self, name: str) -> None:
        """Forget one file."""
        self.files.pop(name).body.close()


class S3:
    """A bucket with `ocfl/` (the storage root) and `staging/` (markers of writes under way)."""

    def __init__(self, bucket: Bucket, root: str = "ocfl") -> None:
        self._bucket = bucket
        self._root = root
        self._client = _client(bucket)
        self._held = local()

    def is_laid_out(self, files: dict[str, bytes]) -> bool:
        """Ask the server, until it has said so once."""
        if self._bucket not in _laid_out and self._exists(self._key(list(files)[-1])):
            _laid_out.add(self._bucket)
        return self._bucket in _laid_out

    def lay_out(self, files: dict[str, bytes]) -> None:
        """Make a new storage root."""
        if not self.is_laid_out(files):
            for name, data in files.items():
                self._put(self._key(name), _spooled([data]), is_new=False)
            _laid_out.add(self._bucket)

    @contextmanager
    def stage(self, label: str, *, marked: bool = False) -> Iterator[S3Staged]:
        """Open a staging place; nothing of it is in the bucket before it is published.

        What is published from it has a marker until then in any case.
        """
        staged = S3Staged(label)
        try:
            yield staged
        finally:
            for file in staged.files.values():
                file.body.close()
            if staged.marker:
                # Else a sweep sees to it.
                with suppress(Unavailable):
                    self._delete([staged.marker])

    def publish(self, staged: Sequence[tuple[Staged, str]]) -> list[str]:
        """Upload what is staged, of each folder `inventory.json` when all the others are there."""
        occupied = []
        for place, folder in staged:
            assert isinstance(place, S3Staged)
            try:
                self._publish(place, folder)
            except _Taken:
                occupied.append(folder)
        return occupied

    def _publish(self, staged: S3Staged, folder: str) -> None:
        with self._alone(folder):
            there = self._all_names(folder)
            # Without inventory.json and without a marker it was whole once, and is damaged.
            if INVENTORY in there or (there and not self._is_under_way(folder)):
                raise _Taken
            self._delete([self._key(folder, name) for name in there])
            marker = self._mark(folder, staged.label)
            try:
                self._upload(folder, staged)
            except BaseException as error:
                # Where the server does not let us clear up, the marker stays for the sweep.
                with suppress(Unavailable):
                    if not isinstance(error, _Taken):
                        self._delete([self._key(folder, INVENTORY)])
                        self._delete_below(folder)
                    self._delete([marker])
                if isinstance(error, _Taken) and not self._exists(self._key(folder, INVENTORY)):
                    # Our lock should have kept them away: they have another database.
                    busy = "somebody else is writing the same object"
                    raise Unavailable(errno.EAGAIN, busy) from error
                raise
            staged.marker = marker

    def _mark(self, folder: str, label: str) -> str:
        """Say that `folder` is being written or removed; return the marker's key."""
        key = self._staging_key(f"{label}.{uuid4().hex}")
        with _asking(key):
            self._client.put_object(Bucket=self._bucket.name, Key=key, Body=folder.encode())
        return key

    def _upload(self, folder: str, staged: S3Staged) -> None:
        def put(name: str) -> None:
            self._put(self._key(folder, name), staged.files[name], is_new=True)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(put, [name for name in staged.files if name != INVENTORY]))
        put(INVENTORY)

    def replace(self, folder: str, name: str, data: bytes) -> None:
        """Write over a file: S3 shows the old one or the new one, nothing in between."""
        self.put_back(folder, name, [data])

    def put_back(self, folder: str, name: str, chunks: Iterable[bytes]) -> None:
        """Write over a file, or one that is not there."""
        file = _spooled(chunks)
        try:
            self._put(self._key(folder, name), file, is_new=False)
        finally:
            file.body.close()

    def take_away(self, folder: str, name: str) -> None:
        """Delete one file."""
        self._delete([self._key(folder, name)])

    @contextmanager
    def locked(self, folder: str, *, shared: bool = False) -> Iterator[None]:
        """Hold the lock of the folder; see `locks`."""
        with self._alone(folder, shared=shared):
            if not self._listed(f"{self._key(folder)}/", most=1):
                raise Missing(folder)
            yield

    @contextmanager
    def _alone(self, folder: str, *, shared: bool = False) -> Iterator[None]:
        """Hold the lock of the object that `folder` is, or lies in, if this thread does not."""
        name = "/".join(folder.split("/")[:3])
        mine: set[str] = self._held.__dict__.setdefault("names", set())
        if name in mine:
            yield
            return
        with locks.held(f"{self._bucket.name}/{self._key(name)}", shared=shared):
            mine.add(name)
            try:
                yield
            finally:
                mine.discard(name)

    def names(self, folder: str) -> list[str]:
        """List what is below the folder; nothing while it is being written or removed."""
        found = self._all_names(folder)
        if found and INVENTORY not in found and self._is_under_way(folder):
            return []
        return found

    def _all_names(self, folder: str) -> list[str]:
        top = f"{self._key(folder)}/"
        return sorted(key.removeprefix(top) for key, _ in self._listed(top))

    def size(self, folder: str, name: str) -> int:
        """Return the size that the server gives."""
        with _asking(name):
            key = self._key(folder, name)
            return int(self._client.head_object(Bucket=self._bucket.name, Key=key)["ContentLength"])

    def chunks(self, folder: str, name: str) -> Iterator[bytes]:
        """Read a file. Raises Unavailable when the answer breaks off."""
        yield from self._read(self._key(folder, name))

    def remove(self, folder: str) -> None:
        """Delete `inventory.json`, with which the object is out of sight, then the rest."""
        with self._alone(folder):
            if not self._all_names(folder):
                return
            marker = self._mark(folder, folder.rpartition("/")[2])
            self._delete([self._key(folder, INVENTORY)])
            self._delete_below(folder)
            self._delete([marker])

    def stale(self, older_than: float) -> list[str]:
        """Read the labels from markers, and from uploads of which the end has not come."""
        markers = {key for key, _ in self._old_markers("", older_than)}
        uploads = {each["Key"] for each in self._old_uploads(older_than)}
        top, staging = self._key(""), self._staging_key("")
        labels = {key.removeprefix(staging).split(".")[0] for key in markers}
        return sorted(labels | {key.removeprefix(top).split("/")[2] for key in uploads})

    def clear(self, label: str, older_than: float, folder: str) -> int:
        """Delete what such writers left, and what they were writing unless it is whole."""
        count = 0
        for key, _ in self._old_markers(label, older_than):
            with suppress(Missing):
                target = b"".join(self._read(key)).decode()
                with self._alone(target):
                    if not self._exists(self._key(target, INVENTORY)):
                        self._delete_below(target)
                    self._delete([key])
                count += 1
        for upload in self._old_uploads(older_than):
            if folder and upload["Key"].startswith(f"{self._key(folder)}/"):
                self._abort(upload["Key"], upload["UploadId"])
                count += 1
        return count

    def _old_markers(self, label: str, older_than: float) -> list[tuple[str, float]]:
        before = time.time() - older_than
        prefix = self._staging_key(f"{label}." if label else "")
        return [(key, changed) for key, changed in self._listed(prefix) if changed < before]

    def _old_uploads(self, older_than: float) -> list[dict[str, Any]]:
        before = time.time() - older_than
        found: list[dict[str, Any]] = []
        with _asking("uploads"):
            pages = self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self._bucket.name, Prefix=self._key("")
            )
            for page in pages:
                found += page.get("Uploads", [])
        return [each for each in found if each["Initiated"].timestamp() < before]

    def _is_under_way(self, folder: str) -> bool:
        label = folder.split("/")[2]
        return bool(self._listed(self._staging_key(f"{label}."), most=1))

    def _put(self, key: str, file: _File, *, is_new: bool) -> None:
        """Store a file and read it back.

        Raises _Taken when the key `is_new` to us and holds something else, Unavailable when the
        server refuses it or hands out something else than it was given.
        """
        condition = {"IfNoneMatch": "*"} if is_new else {}
        taken = False
        try:
            if file.size > PART:
                self._put_in_parts(key, file, condition)
            else:
                file.body.seek(0)
                with _asking(key):
                    self._client.put_object(
                        Bucket=self._bucket.name,
                        Key=key,
                        Body=file.body.read(),
                        ChecksumSHA256=_base64(file.sha256),
                        **condition,
                    )
        except _Taken:
            # By somebody else, or by ourselves: the answer was lost, and it was sent again.
            taken = True
        digest = hashlib.sha256()
        try:
            for chunk in self._read(key):
                digest.update(chunk)
        except Missing:
            raise Unavailable(errno.EIO, "the bucket has lost what it took") from None
        if digest.digest() != file.sha256:
            if taken:
                raise _Taken
            if is_new:
                with suppress(Unavailable):
                    self._delete([key])
            raise Unavailable(errno.EIO, "the bucket holds something else than it was given")

    def _put_in_parts(self, key: str, file: _File, condition: dict[str, str]) -> None:
        with _asking(key):
            upload = self._client.create_multipart_upload(
                Bucket=self._bucket.name, Key=key, ChecksumAlgorithm="SHA256"
            )["UploadId"]
        where = {"Bucket": self._bucket.name, "Key": key, "UploadId": upload}
        try:
            parts: list[dict[str, Any]] = []
            file.body.seek(0)
            while data := file.body.read(PART):
                checksum = _base64(hashlib.sha256(data).digest())
                number = len(parts) + 1
                with _asking(key):
                    said = self._client.upload_part(
                        **where, PartNumber=number, Body=data, ChecksumSHA256=checksum
                    )
                parts.append(
                    {"PartNumber": number, "ETag": said["ETag"], "ChecksumSHA256": checksum}
                )
            with _asking(key):
                self._client.complete_multipart_upload(
                    **where, MultipartUpload={"Parts": parts}, **condition
                )
        except BaseException:
            with suppress(Unavailable, Missing):
                self._abort(key, upload)
            raise

    def _abort(self, key: str, upload: str) -> None:
        with _asking(key), suppress(self._client.exceptions.NoSuchUpload):
            self._client.abort_multipart_upload(Bucket=self._bucket.name, Key=key, UploadId=upload)

    def _read(self, key: str) -> Iterator[bytes]:
        with _asking(key):
            body = self._client.get_object(Bucket=self._bucket.name, Key=key)["Body"]
            try:
                yield from body.iter_chunks(CHUNK)
            finally:
                body.close()

    def _exists(self, key: str) -> bool:
        try:
            with _asking(key):
                self._client.head_object(Bucket=self._bucket.name, Key=key)
        except Missing:
            return False
        return True

    def _listed(self, prefix: str, most: int = 0) -> list[tuple[str, float]]:
        """Return keys and when they were last written (seconds, by the server's clock)."""
        found: list[tuple[str, float]] = []
        where = {"Bucket": self._bucket.name, "Prefix": prefix}
        with _asking(prefix):
            if most:
                pages = [self._client.list_objects_v2(**where, MaxKeys=most)]
            else:
                pages = self._client.get_paginator("list_objects_v2").paginate(**where)
            for page in pages:
                found += [
                    (each["Key"], each["LastModified"].timestamp())
                    for each in page.get("Contents", [])
                ]
        return found

    def _delete_below(self, folder: str) -> None:
        self._delete([key for key, _ in self._listed(f"{self._key(folder)}/")])

    def _delete(self, keys: list[str]) -> None:
        for start in range(0, len(keys), KEYS_A_REQUEST):
            some = [{"Key": key} for key in keys[start : start + KEYS_A_REQUEST]]
            with _asking("deleting"):
                said = self._client.delete_objects(
                    Bucket=self._bucket.name, Delete={"Objects": some, "Quiet": True}
                )
            if said.get("Errors"):
                raise Unavailable(errno.EIO, "the bucket has not deleted all that it was asked to")

    def _key(self, folder: str, name: str = "") -> str:
        inside = "/".join(part for part in (folder, name) if part)
        return f"{self._top()}{self._root}/{inside}"

    def _staging_key(self, name: str) -> str:
        return f"{self._top()}staging/{name}"

    def _top(self) -> str:
        return f"{self._bucket.prefix}/" if self._bucket.prefix else ""


def bucket_storage(*, root: str = "ocfl", **said: str) -> S3:
    """Return the storage below `root` in a bucket; takes what `Bucket` has."""
    return S3(Bucket(**said), root)


_laid_out: set[Bucket] = set()
"""Buckets whose storage root this process has seen: it is not asked for at each read."""


@cache
def _client(bucket: Bucket) -> Any:
    return botocore.session.get_session().create_client(
        "s3",
        region_name=bucket.region,
        endpoint_url=bucket.endpoint or None,
        aws_access_key_id=bucket.access_key or None,
        aws_secret_access_key=bucket.secret_key or None,
        config=Config(
            connect_timeout=5,
            read_timeout=30,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            max_pool_connections=4 * AT_ONCE,
            # A server of one's own seldom has a host name for each bucket.
            s3={"addressing_style": "path" if bucket.endpoint else "auto"},
            # We send our own, and compare what comes.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


@contextmanager
def _asking(what: str) -> Iterator[None]:
    """Let what a server answers, or fails to, be raised as any storage raises it."""
    try:
        yield
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        code = error.response.get("Error", {}).get("Code", "")
        if code in ("404", "NoSuchKey"):
            raise Missing(what.rpartition("/")[2]) from None
        if status == 412:
            raise _Taken from None
        raise Unavailable(errno.EIO, f"the bucket answers {status} {code}") from error
    except (BotoCoreError, ResponseParserError) as error:
        raise Unavailable(errno.EIO, f"the bucket: {type(error).__name__}") from error


def _spooled(chunks: Iterable[bytes]) -> _File:
    body: SpooledTemporaryFile[bytes] = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115
    digest, size = hashlib.sha256(), 0
    try:
        for chunk in chunks:
            body.write(chunk)
            digest.update(chunk)
            size += len(chunk)
    except BaseException:
        body.close()
        raise
    return _File(body, digest.digest(), size)


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
