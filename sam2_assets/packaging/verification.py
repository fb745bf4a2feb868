"""Proof that what is served answers as it was evaluated: ask a started server stored questions, compare."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Protocol

import httpx

from sam2_assets.errors import PackagingError
from sam2_assets.evaluation.samples import spread_over_tasks
from sam2_assets.instructions.sample import Sample
from sam2_assets.packaging.context import APP_FOLDER, MODEL_FOLDER
from sam2_assets.packaging.fingerprint import PACKAGE, code_sha256
from sam2_assets.packaging.settings import DeploymentSettings
from sam2_assets.training.child import QUIET_LIBRARIES

_BOX_TOLERANCE_PX: Final = 0.01
_STOP_GRACE_S: Final = 20.0
_POLL_S: Final = 0.2


@dataclass(frozen=True)
class Question:
    """A test question, its picture's bytes, and what the evaluation recorded the adapter to answer."""

    sample_id: str
    question: str
    picture: bytes
    text: str
    objects: Sequence[Mapping[str, Any]]


def choose_questions(samples: Sequence[Sample], rows: Sequence[Mapping[str, Any]], count: int) -> list[Question]:
    """Evenly spread rows of ``predictions.parquet`` with their pictures.

    Raises:
        PackagingError: ``picture_missing`` if a recorded sample is not among ``samples``.
    """
    by_id = {sample.sample_id: sample for sample in samples}
    chosen = []
    for index in spread_over_tasks([row["task"] for row in rows], count):
        row = rows[index]
        sample = by_id.get(row["sample_id"])
        if sample is None:
            raise PackagingError(
                "picture_missing",
                "the test split lacks a sample that was evaluated",
                field="sample_id",
                value=row["sample_id"],
                remedy="Give the splits and datasets that were evaluated.",
            )
        chosen.append(
            Question(row["sample_id"], row["question"], sample.image_bytes, row["adapter_text"], row["adapter_objects"])
        )
    return chosen


def verify_context(
    context: Path,
    base_model: str,
    questions: Sequence[Question],
    settings: DeploymentSettings,
    progress: Callable[[int, int], None],
) -> dict[str, Any]:
    """Start the context's server as a process, ask it, stop it.

    Args:
        context: folder that ``write_context`` wrote; its own copy of the code is run.
        base_model: folder or hub id of the base model.
        questions: what to ask, and the answers that count.
        settings: time limits and how many answers must agree.
        progress: called with (asked, of).

    Returns:
        ``{"questions", "agreeing", "agreement", "startup_s", "latency_ms": {"median", "worst"}, "code_sha256",
        "answers": [{"sample_id", "expected", "answered", "agrees", "latency_ms"}]}``.

    Raises:
        PackagingError: ``server_failed``, ``server_too_slow``, ``query_failed``, ``other_code``, ``answers_differ``.
    """
    return verify(
        _running(context, base_model, settings),
        code_sha256(context / APP_FOLDER / PACKAGE.name),
        questions,
        settings,
        progress,
    )


def verify(
    serving: AbstractContextManager[str],
    expected_code: str,
    questions: Sequence[Question],
    settings: DeploymentSettings,
    progress: Callable[[int, int], None],
) -> dict[str, Any]:
    """Ask whatever ``serving`` starts; see :func:`verify_context` for the rest.

    Args:
        serving: gives the address of a server that is ready, and stops it.
        expected_code: ``code_sha256`` of the code that it must run.
        questions: what to ask, and the answers that count.
        settings: time limits and how many answers must agree.
        progress: called with (asked, of).
    """
    started = time.perf_counter()
    with serving as address, httpx.Client(base_url=address, trust_env=False) as client:
        startup = time.perf_counter() - started
        info = _answered(client.get("/info", timeout=settings.answer_timeout_s))
        if info["code_sha256"] != expected_code:
            raise PackagingError(
                "other_code",
                "the server ran other code than that of the context",
                field="code_sha256",
                value=info["code_sha256"],
                remedy="Start it with PYTHONPATH naming the context's app folder only.",
            )
        answers = []
        for number, question in enumerate(questions, 1):
            answers.append(_ask(client, question, settings))
            progress(number, len(questions))
    agreeing = sum(answer["agrees"] for answer in answers)
    latencies = sorted(answer["latency_ms"] for answer in answers)
    result = {
        "questions": len(answers),
        "agreeing": agreeing,
        "agreement": round(agreeing / len(answers), 6),
        "startup_s": round(startup, 2),
        "latency_ms": {"median": latencies[len(latencies) // 2], "worst": latencies[-1]},
        "code_sha256": expected_code,
        "answers": answers,
    }
    if agreeing < settings.min_agreement * len(answers):
        first = next(answer for answer in answers if not answer["agrees"])
        raise PackagingError(
            "answers_differ",
            f"{len(answers) - agreeing} of {len(answers)} answers of the server are not those that were evaluated; "
            f"to {first['sample_id']} it answered {first['answered']!r} instead of {first['expected']!r}",
            field="agreement",
            value=result["agreement"],
            remedy="The model served is not the model measured. Materialize evaluation and model_card again; on other "
            "hardware than the evaluation's, lower min_agreement.",
        )
    return result


def _ask(client: httpx.Client, question: Question, settings: DeploymentSettings) -> dict[str, Any]:
    sent = time.perf_counter()
    reply = client.post(
        "/predict",
        files={"image": ("frame", question.picture)},
        data={"question": question.question},
        timeout=settings.answer_timeout_s,
    )
    latency = time.perf_counter() - sent
    found = _answered(reply)
    return {
        "sample_id": question.sample_id,
        "expected": question.text,
        "answered": found["text"],
        "agrees": found["text"] == question.text and _same_objects(found["objects"], question.objects),
        "latency_ms": round(latency * 1000, 1),
    }


def _same_objects(found: Sequence[Mapping[str, Any]], expected: Sequence[Mapping[str, Any]]) -> bool:
    return len(found) == len(expected) and all(
        a["label"] == b["label"]
        and all(abs(x - y) <= _BOX_TOLERANCE_PX for x, y in zip(a["box"], b["box"], strict=True))
        for a, b in zip(found, expected, strict=True)
    )


def _answered(reply: httpx.Response) -> dict[str, Any]:
    if reply.status_code != 200:
        raise PackagingError(
            "query_failed",
            f"the server answered {reply.status_code}: {reply.text[:200]}",
            file=str(reply.request.url.path),
            remedy="The message is the server's own.",
        )
    content: dict[str, Any] = reply.json()
    return content


@contextmanager
def _running(context: Path, base_model: str, settings: DeploymentSettings) -> Iterator[str]:
    """The address of the context's server, ready to answer; stopped at the end of the block."""
    folder = Path(base_model).expanduser()
    base = str(folder.resolve()) if folder.is_dir() else base_model
    command = [sys.executable, "-m", "sam2_assets.packaging.server", str(context.resolve() / MODEL_FOLDER)]
    command += ["--port", "0", "--base-model", base]
    app = context.resolve() / APP_FOLDER
    environment = {**os.environ, **QUIET_LIBRARIES, "PYTHONPATH": str(app)}
    # A compiled file beside the source would make the context differ from what was hashed.
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        # `-m` looks into the working directory first: started elsewhere, a checkout's code could run instead.
        process = subprocess.Popen(command, cwd=app, env=environment, stdout=output, stderr=errors)
        try:
            yield wait_until_ready(_StartedProcess(process, output, errors), settings.start_timeout_s)
        except httpx.TransportError as error:
            started = _StartedProcess(process, output, errors)
            raise _failed(started, f"it does not answer ({type(error).__name__})") from error
        finally:
            process.terminate()
            try:
                process.wait(_STOP_GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Started(Protocol):
    """A server that was started somewhere."""

    def address(self) -> str | None:
        """Where it listens, once that is known."""

    def ended(self) -> str | None:
        """How it ended; None while it runs."""

    def said(self) -> str:
        """The end of its log."""


def wait_until_ready(started: Started, timeout_s: float) -> str:
    """The address, once ``/health`` says that the model can answer.

    Raises:
        PackagingError: ``server_failed``, ``server_too_slow``.
    """
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if (how := started.ended()) is not None:
            raise _failed(started, how)
        address = started.address()
        if address is not None and _is_ready(address):
            return address
        time.sleep(_POLL_S)
    raise PackagingError(
        "server_too_slow",
        "the server was not ready in time",
        field="start_timeout_s",
        value=timeout_s,
        remedy="Raise start_timeout_s, or use a faster disk or a smaller model.",
    )


def _is_ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health", timeout=30, trust_env=False).status_code == 200
    except httpx.TransportError:
        # A container's port is bound before its server listens.
        return False


@dataclass
class _StartedProcess:
    process: subprocess.Popen[bytes]
    output: IO[str]
    errors: IO[str]

    def address(self) -> str | None:
        self.output.seek(0)
        for line in self.output.read().splitlines():
            if line.startswith("{") and line.endswith("}"):
                return f"http://127.0.0.1:{json.loads(line)['port']}"
        return None

    def ended(self) -> str | None:
        code = self.process.poll()
        return None if code is None else f"it ended with exit code {code}"

    def said(self) -> str:
        self.errors.seek(0)
        return self.errors.read()


def _failed(started: Started, what: str) -> PackagingError:
    said = started.said().strip().splitlines()
    return PackagingError(
        "server_failed",
        f"the server did not serve: {what}: {said[-1] if said else 'it wrote nothing'}",
        remedy="The last line of its own log says why.",
    )
