"""``python -m sam2_assets_tests.training.kill_campaign``: trainings killed at random moments, and what they end in.

A training child is killed (signal 9) in steps, while it writes a checkpoint, while it validates and, with
``--answers``, while the model answers validation samples; after its last step, and while it publishes. It is started
again each time, and killed again, and at last runs to its end. The result must be the same bytes as that of a training
that was never interrupted. Where a kill really hit is read from what it left behind, not from what was aimed at.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sam2_assets.training.config import TrainingConfig
from sam2_assets.training.estimate import total_steps
from sam2_assets_tests.training.tiny_models import build_tiny_llava
from sam2_assets_tests.training.workshop import (
    Data,
    Job,
    build_data,
    build_job,
    one_object_shots,
    result_files,
    run_here,
    small_config,
    started_child,
)

STEPS = 60
VALIDATE_EVERY = 4
CHECKPOINT_EVERY = 3
AFTER_STEPS = ("end", "publication")
"""After the last step until the result is being written, and from then on; the last kills of a training."""
PHASES = ("step", "checkpoint", "evaluation", "answers", *AFTER_STEPS)
_LONGEST_DELAY_S = {
    "step": 0.05,
    "checkpoint": 0.01,
    "evaluation": 0.05,
    "answers": 0.1,
    "end": 0.1,
    "publication": 0.4,
}
_DRAFTS = ".writing-checkpoint-*"
_POLL_S = 0.0005
_PATIENCE_S = 240.0


@dataclass(frozen=True)
class Kill:
    """One kill: the step whose report came last, and the phase that it hit."""

    step: int
    aimed: str
    hit: str


def configuration(base: Path, steps: int = STEPS, answers: int = 0) -> TrainingConfig:
    """Short steps, with dropout; validation and checkpoints often, and not always at the same step."""
    return small_config(
        base,
        max_steps=steps,
        batch_size=3,
        log_every_steps=1,
        evaluate_every_steps=VALIDATE_EVERY,
        validation_answers=answers,
        checkpoints={"every_steps": CHECKPOINT_EVERY},
    )


def _due(phase: str, step: int, steps: int) -> bool:
    if phase in AFTER_STEPS:
        return step == steps
    if phase in ("evaluation", "answers"):
        return step % VALIDATE_EVERY == 0
    if phase == "checkpoint":
        return step % CHECKPOINT_EVERY == 0
    return step % VALIDATE_EVERY != 0 and step % CHECKPOINT_EVERY != 0


def kill_once(job: Job, phase: str, after: int, draw: random.Random) -> Kill:
    """Start the child and kill it in ``phase`` of the first fitting step past ``after``.

    Raises:
        AssertionError: it ended before.
    """
    with started_child(job) as child:
        awaited = _wait(job, child, phase, after)
        if phase == "checkpoint":
            _wait_for_draft(job, child)
        time.sleep(draw.uniform(0, _LONGEST_DELAY_S[phase]))
        child.send_signal(signal.SIGKILL)
        assert child.wait(timeout=60) == -signal.SIGKILL, "it ended by itself before the kill"
        assert child.stdout is not None
        later = [json.loads(line) for line in child.stdout.read().splitlines() if line.endswith("}")]
    reports = [awaited, *later]
    last = max(int(report.get("step", 0)) for report in reports)
    said = {report["phase"] for report in reports if report.get("step") == last}
    if "publishing" in said:
        return Kill(last, phase, "publication")
    if last >= total_steps(0, job.plan.config):
        return Kill(last, phase, "end")
    if list((job.work / "checkpoints").glob(_DRAFTS)):
        return Kill(last, phase, "checkpoint")
    if last % VALIDATE_EVERY != 0 or "validating" in said:
        return Kill(last, phase, "step")
    return Kill(last, phase, "answers" if "answering" in said else "evaluation")


def _wait(job: Job, child: subprocess.Popen[str], phase: str, after: int) -> dict[str, Any]:
    assert child.stdout is not None
    wanted = {"answers": "answering", "publication": "publishing"}.get(phase, "training")
    for line in iter(child.stdout.readline, ""):
        report: dict[str, Any] = json.loads(line)
        step = int(report.get("step", 0))
        if report["phase"] == wanted and step > after and _due(phase, step, total_steps(0, job.plan.config)):
            return report
    raise AssertionError(f"the child ended before a {phase} past step {after}")


def _wait_for_draft(job: Job, child: subprocess.Popen[str]) -> None:
    give_up = time.monotonic() + _PATIENCE_S
    while not list((job.work / "checkpoints").glob(_DRAFTS)):
        assert child.poll() is None, "the child ended before it wrote a checkpoint"
        assert time.monotonic() < give_up
        time.sleep(_POLL_S)


def killed_job(job: Job, phases: Sequence[str], draw: random.Random) -> list[Kill]:
    """Kill a job once for each of ``phases``, ever later, then let it run to its end.

    There is one ``end``: a training that has saved its last step makes no other.
    """
    kills = []
    ordered = sorted(phases, key=lambda phase: (phase in AFTER_STEPS, phase == "publication"))
    share = (total_steps(0, job.plan.config) - 2 * VALIDATE_EVERY) // len(phases)
    for number, phase in enumerate(ordered):
        # A resumed run begins at a checkpoint, which may lie before the step that was killed last.
        kills.append(kill_once(job, phase, number * share + draw.randrange(max(1, share - VALIDATE_EVERY)), draw))
        # The last that is done is copying what is complete.
        assert not job.out.exists() or kills[-1].hit == "publication"
    run_here(job)
    return kills


def prepare(folder: Path, config: TrainingConfig) -> tuple[Data, Job]:
    """The data of a campaign, and the training that nobody interrupts."""
    data = build_data(folder / "data", one_object_shots(30), tasks=("detect", "main_object"))
    uninterrupted = build_job(folder / "uninterrupted", data, config)
    run_here(uninterrupted)
    return data, uninterrupted


def campaign(kills: int, seed: int, folder: Path, *, answers: int = 0, a_job: int = 5) -> tuple[list[Kill], list[str]]:
    """Kill ``kills`` times, ``a_job`` times each training, and at least three times in each phase.

    Args:
        kills: at least so many.
        seed: of phases and moments.
        folder: for models, data and jobs.
        answers: validation samples that the model answers; 0: there is no phase ``answers``.
        a_job: kills of one training.

    Returns:
        The kills, and the jobs whose result differs.
    """
    draw = random.Random(seed)
    config = configuration(build_tiny_llava(folder / "base"), answers=answers)
    aims = [phase for phase in PHASES if answers or phase != "answers"]
    data, uninterrupted = prepare(folder, config)
    expected = result_files(uninterrupted.out)
    made: list[Kill] = []
    differing = []
    while len(made) < kills or min(Counter(kill.hit for kill in made).get(phase, 0) for phase in aims) < 3:
        hit = Counter(kill.hit for kill in made)
        wanted = sorted(aims, key=lambda phase: hit[phase])
        phases = [wanted[number % len(aims)] for number in range(min(a_job, max(3, kills - len(made))))]
        draw.shuffle(phases)
        job = build_job(folder / f"job-{len(made)}", data, config)
        fresh = killed_job(job, phases, draw)
        made += fresh
        same = result_files(job.out) == expected
        if not same:
            differing.append(job.file.parent.name)
        said = ", ".join(f"{kill.hit} {kill.step}" for kill in fresh)
        print(f"{len(made)} kills: {said}: {'identical' if same else 'DIFFERENT'}", flush=True)
    return made, differing


def main() -> None:
    """Parse the command line and run; ends with 1 if any training ended in other bytes."""
    parser = argparse.ArgumentParser(prog="python -m sam2_assets_tests.training.kill_campaign", description=__doc__)
    parser.add_argument("--kills", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--answers", type=int, default=2, help="validation samples that the model answers; 0: none")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        kills, differing = campaign(options.kills, options.seed, Path(folder).resolve(), answers=options.answers)
    for phase, count in sorted(Counter(kill.hit for kill in kills).items()):
        print(f"{phase}: {count}")
    print(f"seed {options.seed}: {len(kills)} kills, trainings with other bytes: {', '.join(differing) or 'none'}")
    sys.exit(1 if differing else 0)


if __name__ == "__main__":
    main()
