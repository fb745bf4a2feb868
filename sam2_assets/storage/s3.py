"""A root that is a bucket of an S3 server, or a prefix in one.

Address, region and credentials come from boto3's own configuration (``AWS_ENDPOINT_URL``, ``AWS_PROFILE``, …). Large
files go up and down in parts; every request is repeated a few times before it counts as failed. What is read lies in
a local cache: published files never change, so a file is fetched once a machine.

An object appears whole or not at all, but a folder of objects does not. Therefore the manifest comes last, and with
the condition that none is there: of two writers one wins. A writer that was killed leaves objects without a manifest;
they are invisible to readers, and a rule of the bucket may delete them (``docs/storage.md``).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from sam2_assets.errors import StoreError
from sam2_assets.storage.base import Page, StoredFile
from sam2_assets.storage.cache import cache_folder, evict
from sam2_assets.storage.folder import DRAFT_PREFIX, file_changed

_AT_ONCE: Final = 8
_PART: Final = 16 * 1024**2
_MOST_KEYS: Final = 1000
_ABANDONED_AFTER_S: Final = 24 * 3600.0
"""An upload in parts that was begun longer ago is taken for given up."""
_ABSENT: Final = {"NoSuchKey", "404", "NotFound"}
_TAKEN: Final = {"PreconditionFailed", "412", "ConditionalRequestConflict"}


def _server_clock(answer: Any) -> float:
    """When the server answered, by its own clock: the one that its objects' times are from."""
    return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()


class S3Storage:
    """Objects under a prefix of a bucket.

    Args:
        bucket: its name.
        prefix: without slashes at the ends; may be empty.
        cache: local folder for copies and drafts.
    """

    def __init__(self, bucket: str, prefix: str, cache: Path | None = None) -> None:
        self.bucket = bucket
        self.prefix = prefix
        self._cache_root = cache or cache_folder()

    @cached_property
    def client(self) -> Any:
        """The boto3 client, made when first needed: importing boto3 takes a third of a second."""
        import boto3
        from botocore.config import Config

        # The library's own default gives up early; what the environment says holds.
        patient = {"retries": {"mode": "standard", "max_attempts": 6}}
        retries = {} if os.environ.get("AWS_MAX_ATTEMPTS") else patient
        config = Config(max_pool_connections=2 * _AT_ONCE, **retries)
        return boto3.session.Session().client("s3", config=config)

    @property
    def _cache(self) -> Path:
        # Two servers may have buckets of one name.
        server = hashlib.sha256(str(self.client.meta.endpoint_url).encode()).hexdigest()[:8]
        return self._cache_root / f"{self.bucket}-{server}" / self.prefix

    @property
    def _copies(self) -> Path:
        return self._cache / "copies"

    def _copy(self, place: str) -> Path:
        # One level, so that eviction need not know how artifacts nest.
        return self._copies / place.replace("/", "__")

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{name}".strip("/") if name else self.prefix

    def uri(self, name: str = "") -> str:
        """``s3://bucket/key``."""
        return f"s3://{self.bucket}/{self._key(name)}".rstrip("/")

    def shown(self, name: str = "") -> str:
        """The address."""
        return self.uri(name)

    def below(self, name: str) -> S3Storage:
        """The objects under a longer prefix."""
        part = S3Storage(self.bucket, self._key(name), self._cache_root)
        part.__dict__["client"] = self.client
        return part

    @contextmanager
    def _asking(self, name: str) -> Iterator[None]:
        """Failures of the server or the network as a typed error, with the server's words."""
        from boto3.exceptions import S3UploadFailedError
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (BotoCoreError, ClientError, S3UploadFailedError) as error:
            raise StoreError(
                "storage_unreachable",
                f"the S3 server refused or did not answer ({' '.join(str(error).split())})",
                file=self.uri(name),
                remedy="Check AWS_ENDPOINT_URL, the credentials, the bucket's name and its rights; then run again.",
            ) from error

    def _folder_prefix(self, name: str) -> str:
        key = self._key(name)
        return f"{key}/" if key else ""

    def _listed(self, answer: Any) -> Iterator[StoredFile]:
        """The objects of one answer, but for the empty ones with which some tools stand for folders."""
        own = len(self._folder_prefix(""))
        for entry in answer.get("Contents", ()):
            if not entry["Key"].endswith("/"):
                modified, version = entry["LastModified"].timestamp(), entry["ETag"].strip('"')
                yield StoredFile(entry["Key"][own:], entry["Size"], modified, version)

    def list(self, prefix: str = "") -> Iterator[StoredFile]:
        """Every object, in the order of S3: by name."""
        start = self._folder_prefix(prefix)
        with self._asking(prefix):
            for answer in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=start):
                yield from self._listed(answer)

    def page(self, after: str, most: int) -> Page:
        """One request."""
        start = self._folder_prefix("")
        behind = {"StartAfter": f"{start}{after}"} if after else {}
        with self._asking(""):
            answer = self.client.list_objects_v2(
                Bucket=self.bucket, Prefix=start, MaxKeys=min(most, _MOST_KEYS), **behind
            )
        keys = [entry["Key"] for entry in answer.get("Contents", ())]
        last = keys[-1][len(start) :] if keys and answer.get("IsTruncated") else None
        return Page(tuple(self._listed(answer)), last, _server_clock(answer))

    def arriving(self) -> frozenset[str]:
        """Multipart uploads that were begun and neither completed nor aborted."""
        start, names = self._folder_prefix(""), set()
        with self._asking(""):
            for answer in self.client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self.bucket, Prefix=start
            ):
                oldest = _server_clock(answer) - _ABANDONED_AFTER_S
                for upload in answer.get("Uploads", ()):
                    if upload["Initiated"].timestamp() > oldest:
                        names.add(upload["Key"][len(start) :])
        return frozenset(names)

    def _absent(self, error: Any) -> bool:
        return str(error.response["Error"]["Code"]) in _ABSENT

    def stat(self, name: str) -> StoredFile | None:
        """One object's facts."""
        from botocore.exceptions import ClientError

        with self._asking(name):
            try:
                found = self.client.head_object(Bucket=self.bucket, Key=self._key(name))
            except ClientError as error:
                if self._absent(error):
                    return None
                raise
        return StoredFile(name, found["ContentLength"], found["LastModified"].timestamp(), found["ETag"].strip('"'))

    def read(self, name: str) -> bytes | None:
        """An object's bytes."""
        from botocore.exceptions import ClientError

        with self._asking(name):
            try:
                body: bytes = self.client.get_object(Bucket=self.bucket, Key=self._key(name))["Body"].read()
            except ClientError as error:
                if self._absent(error):
                    return None
                raise
        return body

    def write(self, name: str, data: bytes) -> None:
        """One request."""
        with self._asking(name):
            self.client.put_object(Bucket=self.bucket, Key=self._key(name), Body=data)

    def write_if(self, name: str, data: bytes, version: str | None) -> str | None:
        """Write only over exactly this version (None: only where nothing is); the new version, or None if refused."""
        from botocore.exceptions import ClientError

        condition = {"IfNoneMatch": "*"} if version is None else {"IfMatch": version}
        with self._asking(name):
            try:
                done = self.client.put_object(Bucket=self.bucket, Key=self._key(name), Body=data, **condition)
            except ClientError as error:
                # An object that was deleted in between cannot match either.
                if str(error.response["Error"]["Code"]) in _TAKEN | _ABSENT:
                    return None
                raise
        return str(done["ETag"]).strip('"')

    def put(self, path: Path, name: str) -> None:
        """In parts if it is large."""
        from boto3.s3.transfer import TransferConfig

        transfer = TransferConfig(multipart_threshold=_PART, multipart_chunksize=_PART, max_concurrency=_AT_ONCE)
        with self._asking(name):
            self.client.upload_file(str(path), self.bucket, self._key(name), Config=transfer)

    def remove(self, name: str) -> None:
        """Delete an object."""
        with self._asking(name):
            self.client.delete_object(Bucket=self.bucket, Key=self._key(name))

    def local(self, file: StoredFile) -> Path:
        """A copy in the cache, named by its version."""
        name = Path(file.name).name
        version = hashlib.sha256(f"{file.name}\n{file.version}".encode()).hexdigest()[:16]
        target = self._copies / version / name
        if not target.is_file():
            evict(self._copies)
            self._fetch(file.name, target, version=file.version)
        os.utime(target.parent)
        return target

    def _fetch(self, name: str, target: Path, version: str | None = None) -> bool:
        """Bring an object to ``target`` by one rename; False if it is absent.

        Raises:
            StoreError: ``file_changed`` if the object has another version than the one asked for.
        """
        from botocore.exceptions import ClientError

        target.parent.mkdir(parents=True, exist_ok=True)
        condition = {} if version is None else {"IfMatch": version}
        drafts = self._cache / "drafts"
        drafts.mkdir(parents=True, exist_ok=True)
        draft = drafts / f"{DRAFT_PREFIX}{uuid.uuid4().hex}"
        try:
            with self._asking(name):
                try:
                    found = self.client.get_object(Bucket=self.bucket, Key=self._key(name), **condition)
                except ClientError as error:
                    if version is not None and str(error.response["Error"]["Code"]) in _TAKEN | _ABSENT:
                        raise file_changed(self.uri(name)) from error
                    if self._absent(error):
                        return False
                    raise
                with draft.open("wb") as file:
                    shutil.copyfileobj(found["Body"], file, 1024**2)
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
        return True

    def _drafts(self, place: str) -> Path:
        # Apart by asset and partition: steps of one run sweep their own leftovers and not each other's drafts.
        return self._cache / "drafts" / place.rpartition("/")[0].replace("/", "__")

    def draft(self, place: str, name: str) -> Path:
        """A folder in the cache."""
        parent = self._drafts(place)
        parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f"{DRAFT_PREFIX}{name}-", dir=parent))

    def publish(self, draft: Path, place: str, last: str) -> bool:
        """Upload everything but ``last``, then ``last`` on the condition that it is not there."""
        if self.stat(f"{place}/{last}") is not None:
            return False
        names = sorted(p.relative_to(draft).as_posix() for p in draft.rglob("*") if p.is_file())
        rest = [name for name in names if name != last]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for done in [pool.submit(self.put, draft / name, f"{place}/{name}") for name in rest]:
                done.result()
        return self.write_if(f"{place}/{last}", (draft / last).read_bytes(), None) is not None

    def folder(self, place: str, names: Collection[str]) -> Path:
        """A folder in the cache; what is there already is not fetched again."""
        folder = self._copy(place)
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
        missing = [name for name in sorted(names) if not (folder / name).is_file()]
        if missing:
            evict(self._copies)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for done in [pool.submit(self._fetch, f"{place}/{name}", folder / name) for name in missing]:
                done.result()
        return folder

    def workplace(self) -> Path:
        """The local folder in which work that is brought here later is done."""
        return self._cache / "workplace"

    def fetch(self, name: str, target: Path) -> None:
        """Copy an object to a local path, by one rename.

        Raises:
            StoreError: ``file_changed`` if it is not there (any more).
        """
        if not self._fetch(name, target):
            raise file_changed(self.uri(name))

    def forget(self, place: str, name: str) -> bool:
        """Delete the cached copy."""
        copy = self._copy(place) / name
        there = copy.is_file()
        copy.unlink(missing_ok=True)
        return there

    def leftovers(self, place: str) -> Iterator[Path]:
        """Drafts in the cache."""
        return self._drafts(place).glob(f"{DRAFT_PREFIX}*")
