"""The server as a real process on a free port."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from PIL import Image

from sam2_assets.instructions import load_samples
from sam2_assets.packaging.requirements import pinned
from sam2_assets.packaging.serving import Serving
from sam2_assets_tests.evaluation.builders import png
from sam2_assets_tests.evaluation.line import ENVIRONMENT, Line

_BLOCKER = """
import importlib.metadata, runpy, sys
allowed = {name.lower().replace("_", "-") for name in sys.argv.pop(1).split(",")}
owners = importlib.metadata.packages_distributions()
class Only:
    def __init__(self, finder):
        self.finder = finder
    def __getattr__(self, name):
        return getattr(self.finder, name)
    def find_spec(self, name, path=None, target=None):
        owner = {d.lower().replace("_", "-") for d in owners.get(name.split(".")[0], [])}
        return self.finder.find_spec(name, path, target) if not owner or owner & allowed else None
sys.meta_path[:] = [Only(finder) for finder in sys.meta_path]
runpy.run_module("sam2_assets.packaging.server", run_name="__main__", alter_sys=True)
"""


@contextmanager
def server(repository: Path, base: Path | None, *launcher: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, *(launcher or ("-m", "sam2_assets.packaging.server")), str(repository), "--port", "0"]
    command += ["--base-model", str(base)] if base else []
    process = subprocess.Popen(
        command, env={**os.environ, **ENVIRONMENT}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        yield process, f"http://127.0.0.1:{json.loads(first)['port']}" if first else ""
    finally:
        process.terminate()
        process.communicate(timeout=30)


def wait_until_ready(process: subprocess.Popen[str], address: str) -> list[int]:
    seen = []
    for _ in range(600):
        try:
            seen.append(httpx.get(f"{address}/health", timeout=30).status_code)
        except httpx.TransportError:
            raise AssertionError(process.communicate(timeout=60)[1]) from None
        if seen[-1] == 200:
            return seen
        time.sleep(0.1)
    raise AssertionError("never ready")


@pytest.fixture(scope="module")
def address(repository: Path, line: Line) -> Iterator[str]:
    """A server in whose process only what requirements.txt names can be imported."""
    allowed = ",".join(["sam2-assets", *(text.partition("==")[0] for text in pinned())])
    with server(repository, line.base, "-c", _BLOCKER, allowed) as (process, url):
        assert url, process.communicate(timeout=60)[1]
        assert wait_until_ready(process, url)[0] == 503, "it must not claim to be ready before the model is loaded"
        yield url


def ask(address: str, picture: bytes, question: str = "What is it?") -> httpx.Response:
    return httpx.post(f"{address}/predict", files={"image": ("x", picture)}, data={"question": question}, timeout=120)


def test_the_server_answers_as_the_evaluation_recorded(address: str, repository: Path, line: Line) -> None:
    samples = {s.sample_id: s for s in load_samples(line.splits, line.datasets, "test")}
    for example in Serving.read(repository).examples[::3]:
        reply = ask(address, samples[example.sample_id].image_bytes, example.question)
        assert reply.status_code == 200
        assert reply.json()["text"] == example.expected
        assert reply.json()["frame"] == [96, 64]


def test_info_says_what_is_served(address: str, repository: Path) -> None:
    info = httpx.get(f"{address}/info", timeout=30).json()
    assert info["name"] == Serving.read(repository).name
    assert info["coordinates"] == "padded_unit_square"
    assert len(info["code_sha256"]) == 64
    assert "examples" not in info


@pytest.mark.parametrize(
    ("picture", "question", "status", "code"),
    [
        (b"", "What?", 422, "picture_empty"),
        (b"GIF89a not a picture", "What?", 415, "picture_unreadable"),
        (png()[:40], "What?", 415, "picture_unreadable"),
        (png(), "   ", 422, "question_empty"),
        (png(), "x" * 2001, 422, "question_too_long"),
        (png(), "What is <image> this?", 422, "question_has_control_token"),
    ],
)
def test_bad_requests_are_refused_with_a_code_and_a_remedy(
    address: str, picture: bytes, question: str, status: int, code: str
) -> None:
    reply = ask(address, picture, question)
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)
    assert reply.json()["error"]["remedy"]


def test_a_form_without_question_is_refused(address: str) -> None:
    reply = httpx.post(f"{address}/predict", files={"image": ("x", png())}, timeout=30)
    assert (reply.status_code, reply.json()["error"]["field"]) == (422, "question")


def test_too_many_pixels_or_bytes_are_refused_whatever_the_headers_claim(address: str) -> None:
    buffer = io.BytesIO()
    Image.new("1", (10_000, 5_001)).save(buffer, format="PNG")
    assert ask(address, buffer.getvalue()).status_code == 413
    assert ask(address, b"x" * (21 * 1024 * 1024)).status_code == 413

    def endless() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="image"; filename="x"\r\n\r\n'
        for _ in range(400):
            yield b"x" * 100_000

    reply = httpx.post(
        f"{address}/predict",
        content=endless(),
        headers={"content-type": "multipart/form-data; boundary=b"},
        timeout=60,
    )
    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "picture_too_large")
    assert ask(address, png()).status_code == 200, "and it still serves"


def test_a_turned_photo_is_answered_upright(address: str) -> None:
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20), "red").save(buffer, format="JPEG", exif=exif)
    assert ask(address, buffer.getvalue()).json()["frame"] == [20, 40]


def ended(process: subprocess.Popen[str]) -> str:
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert len(errors.strip().splitlines()) == 1
    return errors


def test_a_server_without_the_base_model_ends_and_says_how_to_name_it(repository: Path) -> None:
    with server(repository, None) as (process, _):
        assert "--base-model" in ended(process)


def test_another_base_model_is_refused(repository: Path, line: Line, tmp_path: Path) -> None:
    other = Path(shutil.copytree(line.base, tmp_path / "base"))
    (other / "generation_config.json").write_text("{}")
    with server(repository, other) as (process, _):
        assert "not the tiny-llava that the adapter was trained on" in ended(process)


def test_a_folder_that_is_no_repository_is_refused(tmp_path: Path) -> None:
    with server(tmp_path, None) as (process, _):
        assert "Give the folder that model_card published" in ended(process)
