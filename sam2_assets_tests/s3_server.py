"""A real S3 server (SeaweedFS) for tests: signatures, conditional writes, multipart uploads and paging are its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from sam2_assets_tests.free_port import free_port

_READY_WITHIN_S = 60


@dataclass(frozen=True)
class S3Server:
    """A running server. ``environment`` is all that boto3 needs to find it."""

    url: str
    access_key: str
    secret_key: str

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
        )


@contextmanager
def running_s3_server(folder: Path) -> Iterator[S3Server]:
    """A server on free ports whose data lie in ``folder``."""
    server = S3Server(f"http://127.0.0.1:{free_port()}", "tester", "not a secret")
    identity = {
        "name": server.access_key,
        "credentials": [{"accessKey": server.access_key, "secretKey": server.secret_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    ports = {f"-{part}.port={free_port()}" for part in ("master", "volume", "filer")}
    ports |= {f"-{part}.port.grpc={free_port()}" for part in ("master", "volume", "filer", "s3")}
    command = [
        str(Path(sys.executable).with_name("weed")),
        "server",
        f"-dir={folder}",
        "-ip=127.0.0.1",
        "-s3",
        f"-s3.config={folder / 's3.json'}",
        f"-s3.port={server.url.rsplit(':', 1)[1]}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-master.telemetry=false",
        "-volume.max=1000",
        "-master.volumeSizeLimitMB=64",
        *sorted(ports),
    ]
    with (folder / "log").open("wb") as log:
        # A bucket is a collection with volumes of its own: one each, or some dozen tests use up what there is.
        growth = {"WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"}
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **growth})
        try:
            _wait(server.url, process, folder / "log")
            yield server
        finally:
            # Its orderly end takes half a minute, and nobody needs the data any more.
            process.kill()
            process.wait()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    started = time.monotonic()
    while time.monotonic() - started < _READY_WITHIN_S and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=2)
        except urllib.error.HTTPError:
            return  # it answers: that we may not list buckets without a signature
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"the S3 server did not start: {log.read_text(errors='replace')[-2000:]}")
