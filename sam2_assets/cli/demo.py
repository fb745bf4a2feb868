"""``sam2-assets demo``: the whole line on the built-in sample, through Dagster, with a scoreboard at the end.

Every step looks first whether it was done before with the same inputs: a second demo prints the same scoreboard within
seconds, and one that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from sam2_assets import inbox
from sam2_assets.approvals import approve
from sam2_assets.assets.lineage import current, current_of_all_partitions, recorded
from sam2_assets.assets.scope import CORPUS, VIDEO
from sam2_assets.assets.video import UPLOAD_FINGERPRINT
from sam2_assets.cli.instance import Platform, Say, add_partition, open_platform, run_here
from sam2_assets.cli.interruption import kept
from sam2_assets.cli.printing import time_in_words
from sam2_assets.errors import DatasetError
from sam2_assets.evaluation import scoreboard
from sam2_assets.sample import SampleVideo, write_sample
from sam2_assets.settings import CORPUS_FILE, PROJECT_FILE
from sam2_assets.storage import Storage
from sam2_assets.storage.folder import write_atomically
from sam2_assets.store import file_sha256
from sam2_assets.training.demo_base.publishing import is_published
from sam2_assets.training.plan import PLAN_FILE, Plan

_SAMPLE = Path("var/sample")
_BASE_MODEL = Path("var/smollm2-135m-efficientnet-lite0")
_VIDEOS = 8
_SEED = 0
_APPROVER = "make demo"
_MEMBER = "splits:"
"""The names of the inputs of the corpus' splits begin so; partitions follow."""


class Clock:
    """Prints numbered headings with the minutes gone."""

    def __init__(self) -> None:
        self.started = time.monotonic()

    def __call__(self, text: str) -> None:
        """Print one heading."""
        print(f"[{(time.monotonic() - self.started) / 60:4.1f} min] {text}", flush=True)


def _sample(clock: Clock) -> list[SampleVideo]:
    """Draw the sample, unless its record says that it is there, whole and of this seed."""
    record = _SAMPLE / "sample.json"
    if record.is_file():
        written = json.loads(record.read_text(encoding="utf-8"))
        paths = [Path(name) for name in written["files"]]
        if written["seed"] == _SEED and all(p.is_file() and file_sha256(p) == written["files"][str(p)] for p in paths):
            clock("the sample is there already")
            return [
                SampleVideo(v["name"], Path(v["export"]), Path(v["source"]), Path(v["truth"]), tuple(v["labels"]))
                for v in written["videos"]
            ]
    clock(f"drawing {_VIDEOS} sample videos and exporting them as the SAM2 demo does")
    made = write_sample(_SAMPLE, seed=_SEED, videos=_VIDEOS, on_progress=Say("  "))
    contents = {
        "seed": _SEED,
        "files": {str(p): file_sha256(p) for v in made for p in (v.export, v.source)},
        "videos": [
            {
                "name": v.name,
                "export": str(v.export),
                "source": str(v.source),
                "truth": str(v.truth),
                "labels": v.labels,
            }
            for v in made
        ],
    }
    write_atomically(record, json.dumps(contents, indent=1).encode())
    return made


def _base_model(clock: Clock) -> None:
    """Put the base model together in a child process: torch stays out of this one."""
    if is_published(_BASE_MODEL):
        clock("the base model is there already")
        return
    clock("putting the base model together (SmolLM2-135M and EfficientNet-Lite0), once: about 20 s")
    command = [sys.executable, "-m", "sam2_assets.training.demo_base", "--out", str(_BASE_MODEL)]
    # The bar of a library is about tensors, and what is printed at the end is the folder's name.
    subprocess.run(command, check=True, env={**os.environ, "TQDM_DISABLE": "1"}, stdout=subprocess.DEVNULL)


def _write_settings(store: Storage) -> None:
    """The demo's settings, unless a person has changed them."""
    if store.read(PROJECT_FILE) is not None:
        return
    values = yaml.safe_load(files("sam2_assets.cli").joinpath("demo_settings.yaml").read_text(encoding="utf-8"))
    values["training"]["base_model"] = str(_BASE_MODEL.resolve())
    store.write(PROJECT_FILE, yaml.safe_dump(values, sort_keys=False).encode())


def _import(platform: Platform, samples: list[SampleVideo], clock: Clock) -> int:
    """Bring every sample video to its splits; how many of them failed."""
    store, failed = platform.store.open(), 0
    imported = recorded(platform.instance, VIDEO.key("raw_export"), UPLOAD_FINGERPRINT)
    for number, sample in enumerate(samples, 1):
        upload = next((u for u in inbox.scan(store.inbox) if u.object_key == sample.export.name), None)
        if upload is None or file_sha256(store.inbox.local(upload.archive)) != file_sha256(sample.export):
            upload = inbox.submit(store.inbox, sample.export, video=sample.source)
        done = current(platform.instance, VIDEO.key("splits"), upload.partition) is not None
        if done and imported.get(upload.partition) == upload.fingerprint():
            continue
        clock(f"{number}/{len(samples)} {upload.partition}")
        add_partition(platform.instance, upload.partition)
        outcome = run_here(platform, "ingest_to_splits", upload.partition, Say("  "))
        for reason in outcome.reasons:
            print(f"  failed: {reason}")
        failed += not outcome.success
    return failed


def _require_the_sample_alone(platform: Platform, own: set[str]) -> None:
    """Refuse to plan and approve a corpus for which a person answers: one with other exports than the sample's.

    Raises:
        DatasetError: ``not_the_sample``, naming them.
    """
    members, _ = current_of_all_partitions(platform.instance, VIDEO.key("splits"), VIDEO.member_gates)
    others = sorted(set(members) - own)
    if others:
        raise DatasetError(
            "not_the_sample",
            "the corpus of this store has exports that are not the sample's, and the demo approves plans of the sample "
            "alone",
            field="exports",
            value=", ".join(others),
            remedy="Nothing was planned or approved. For the corpus with them: sam2-assets launch plan_corpus, then "
            "sam2-assets approve corpus --run. For the demo again: make demo in a fresh checkout.",
        )


def scores_of(platform: Platform, own: set[str]) -> dict[str, Any] | None:
    """The newest scores of the corpus, if it was made of no other exports than these partitions."""
    measured = current(platform.instance, CORPUS.key("evaluation"), None)
    if measured is None:
        return None
    store = platform.store.open()
    merged = store.inputs(store.inputs(measured.ref)["splits"])
    if {name.removeprefix(_MEMBER) for name in merged if name.startswith(_MEMBER)} - own:
        return None
    scores: dict[str, Any] = json.loads((store.open(measured.ref) / "scores.json").read_text(encoding="utf-8"))
    return scores


def _train(platform: Platform, seed: int, own: set[str], clock: Clock) -> dict[str, Any] | None:
    """Plan, approve, train, evaluate, card and serve the corpus with one seed; its scores, or None if a run failed.

    Raises:
        DatasetError: ``not_the_sample``.
    """
    _require_the_sample_alone(platform, own)
    store = platform.store.open()
    values = yaml.safe_load(store.files.read(CORPUS_FILE) or b"{}")
    values.setdefault("training", {})["seed"] = seed
    store.files.write(CORPUS_FILE, yaml.safe_dump(values).encode())
    clock(f"planning the corpus, seed {seed}")
    if not run_here(platform, "plan_corpus", None, Say("  ")).success:
        return None
    planned = current(platform.instance, CORPUS.key("training_plan"), None)
    if planned is None:
        return None
    plan = Plan.read(store.open(planned.ref) / PLAN_FILE)
    clock(
        f"plan {plan.plan_hash[:12]}: {plan.data.train_samples} samples, {plan.estimate.steps} steps, "
        f"{time_in_words(plan.estimate.seconds)}; approved by the demo"
    )
    approve(store.files, plan.plan_hash, _APPROVER)
    if not _made_from(platform, plan):
        clock("training, evaluating, writing the card, serving")
        outcome = run_here(platform, "train_corpus", None, Say("  "))
        if not outcome.success:
            for reason in outcome.reasons:
                print(f"  failed: {reason}")
            return None
    return scores_of(platform, own)


def _made_from(platform: Platform, plan: Plan) -> bool:
    """Whether the newest deployment was made from exactly this plan."""
    store = platform.store.open()
    deployed = current(platform.instance, CORPUS.key("deploy_image"), None)
    if deployed is None:
        return False
    used = store.inputs(deployed.ref).get("training_plan")
    return used is not None and Plan.read(store.open(used) / PLAN_FILE).plan_hash == plan.plan_hash


def run(seeds: int) -> int:
    """The demo with so many seeds; the exit code.

    Raises:
        DatasetError: ``not_the_sample``: the store has exports of a person's.
        StoppedError: Ctrl-C.
    """
    with kept("every finished step is kept; make demo goes on, a training from its last checkpoint"):
        return _run(seeds)


def _run(seeds: int) -> int:
    clock, console = Clock(), Console()
    with open_platform() as platform:
        samples = _sample(clock)
        _base_model(clock)
        _write_settings(platform.store.open().files)
        if _import(platform, samples, clock):
            return 1
        own = {inbox.partition_key(sample.export.name) for sample in samples}
        for seed in range(seeds):
            try:
                scores = _train(platform, seed, own, clock)
            except DatasetError:
                if (before := scores_of(platform, own)) is not None:
                    clock("the scores of the sample, from before")
                    console.print(scoreboard(before))
                raise
            if scores is None:
                return 1
            console.print(scoreboard(scores))
    clock("done")
    print("next: make ui                      the graph, the reports and the curves, at http://127.0.0.1:3000")
    print("      source .venv/bin/activate    puts sam2-assets on the path; then, with an export of yours:")
    print("      sam2-assets submit YOUR_EXPORT.zip --video YOUR_VIDEO.mp4")
    return 0
