"""Checkpoints of one plan in its work folder: written atomically, verified before use, pruned."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sam2_assets.training.sealed import damage, sealing

_NAME = re.compile(r"checkpoint-(\d+)")


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint after ``step`` optimiser steps."""

    step: int
    folder: Path


@dataclass(frozen=True)
class Damaged:
    """A folder that looks like a checkpoint and cannot be used, and why."""

    folder: Path
    why: str


class Checkpoints:
    """The checkpoints of one plan.

    Args:
        folder: where they lie, ``checkpoint-<step>`` each; made when the first is written.
        plan_hash: the plan they belong to; checkpoints of another plan are never resumed from.
        keep: so many of the newest survive :meth:`prune`.
    """

    def __init__(self, folder: Path, plan_hash: str, keep: int) -> None:
        self._folder = folder
        self._plan_hash = plan_hash
        self._keep = keep
        self._passed_over: set[int] = set()

    def _by_step(self) -> list[tuple[int, Path]]:
        if not self._folder.is_dir():
            return []
        named = ((_NAME.fullmatch(path.name), path) for path in self._folder.iterdir() if path.is_dir())
        return sorted(((int(match.group(1)), path) for match, path in named if match), reverse=True)

    def newest(self) -> tuple[Checkpoint | None, list[Damaged]]:
        """The newest complete checkpoint, and the newer ones that had to be passed over."""
        passed_over: list[Damaged] = []
        for step, path in self._by_step():
            why = damage(path, self._plan_hash)
            if why is None:
                return Checkpoint(step, path), passed_over
            passed_over.append(Damaged(path, why))
            self._passed_over.add(step)
        return None, passed_over

    @contextmanager
    def writing(self, step: int, *, best: int | None = None) -> Iterator[Path]:
        """A folder to write the checkpoint of ``step`` into; it becomes visible, complete, when the block ends.

        Args:
            step: optimiser steps made.
            best: the step whose checkpoint is kept beside the newest ones.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        self._remove_drafts()  # a full disk may need their space
        with sealing(self._folder / f"checkpoint-{step}", self._plan_hash) as draft:
            yield draft
        self._passed_over.discard(step)
        self.prune(best)

    def at(self, step: int) -> Checkpoint | None:
        """The checkpoint of exactly ``step``, if it is there and complete."""
        path = self._folder / f"checkpoint-{step}"
        return Checkpoint(step, path) if damage(path, self._plan_hash) is None else None

    def steps(self) -> list[int]:
        """The steps of the complete checkpoints, ascending."""
        return sorted(step for step, path in self._by_step() if damage(path, self._plan_hash) is None)

    def prune(self, best: int | None = None) -> None:
        """Delete all but the newest ``keep`` and that of step ``best``, and drafts that a killed process left.

        Those that :meth:`newest` passed over go too: counted among the newest, they would push out the good ones.
        """
        there = self._by_step()
        usable = [(step, path) for step, path in there if step not in self._passed_over]
        stay = {path for _, path in usable[: self._keep]} | {path for step, path in usable if step == best}
        for _, path in there:
            if path not in stay:
                shutil.rmtree(path)
        self._remove_drafts()

    def _remove_drafts(self) -> None:
        for draft in self._folder.glob(".writing-checkpoint-*"):
            shutil.rmtree(draft)
