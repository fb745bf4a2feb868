"""The line from two miniature videos to a measured adapter, by the real stations and children; built once a session."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sam2_assets.evaluation.job import EvaluationJob
from sam2_assets.evaluation.settings import EvaluationSettings
from sam2_assets.instructions import InstructionSettings, build_dataset
from sam2_assets.splitting import Source, SplitSettings, split
from sam2_assets.training.config import TrainingConfig
from sam2_assets.training.job import TrainingJob
from sam2_assets.training.plan import make_plan
from sam2_assets_tests.instructions.raw_builder import Shot, Thing, build_raw
from sam2_assets_tests.training.tiny_models import build_tiny_llava

ENVIRONMENT = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
WAIVER = {"clean_images": "the overlay is small, and we looked at every frame"}
_SECOND = 24
_THINGS = {"aa11": ("rocket", (14, 12), 5), "bb22": ("crate", (9, 15), 2)}


@dataclass(frozen=True)
class Line:
    """Where everything lies."""

    root: Path
    base: Path
    splits: Path
    datasets: dict[str, Path]
    plan: Path
    adapter: Path
    evaluation: Path

    @property
    def scores(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.evaluation / "scores.json").read_text())
        return found


def child(module: str, job: Path, timeout_s: float = 300.0) -> subprocess.CompletedProcess[str]:
    """Run ``python -m module job`` to its end."""
    return subprocess.run(
        [sys.executable, "-m", module, str(job)],
        env={**os.environ, **ENVIRONMENT},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def evaluation_job(line: Line, out: Path, **settings: Any) -> Path:
    """Write a job that measures the line's adapter into ``out``."""
    job = EvaluationJob(
        plan=line.plan,
        splits=line.splits,
        datasets=line.datasets,
        adapter=line.adapter,
        out=out,
        settings=EvaluationSettings.model_validate({"draws": 400, "gallery_cases": 2, "max_samples": 12, **settings}),
    )
    file = out.with_name(f"{out.name}.job.json")
    job.write(file)
    return file


def _shots(label: str, size: tuple[int, int], object_id: int) -> list[Shot]:
    return [Shot(i * _SECOND // 2, [Thing(object_id, label, ((i * 5) % 17, (i * 7) % 16, *size))]) for i in range(24)]


def _data(root: Path) -> tuple[Path, dict[str, Path]]:
    datasets, sources = {}, []
    for video_id, (label, size, object_id) in _THINGS.items():
        raw = build_raw(root / f"raw-{video_id}", _shots(label, size, object_id), video_id=video_id)
        datasets[video_id] = root / f"dataset-{video_id}"
        settings = InstructionSettings(tasks=["main_object", "count"], formats=[])
        build_dataset(raw, datasets[video_id], settings)
        reference = {"path": f"instruction_dataset/clip-{video_id}/1", "sha256": video_id * 16}
        waivers = WAIVER if video_id == "bb22" else {}
        sources.append(Source(video_id, f"clip-{video_id}", datasets[video_id], reference, waivers))
    split(sources, root / "splits", SplitSettings(guard_gap_s=0.5, train=0.6, val=0.1, test=0.3))
    return root / "splits", datasets


@cache
def measured_line(root: Path) -> Line:
    """Train a tiny LLaVA on two videos through the training child, and measure it through the evaluation child."""
    base = build_tiny_llava(root / "tiny-llava")
    splits, datasets = _data(root)
    config = TrainingConfig.model_validate(
        {
            "base_model": str(base),
            "precision": "fp32",
            "batch_size": 8,
            "max_steps": 16,
            "tasks": ["main_object", "count"],
            "max_answer_tokens": 24,
            "evaluate_every_steps": 16,
            "optimizer": {"learning_rate": 5e-3},
            "lora": {"rank": 8, "alpha": 16},
        }
    )
    plan = root / "plan.json"
    plan.write_text(make_plan(splits, config, datasets=datasets).to_json(), encoding="utf-8")
    line = Line(root, base, splits, datasets, plan, root / "adapter-out", root / "evaluation")
    job = TrainingJob(plan=plan, splits=splits, datasets=datasets, work=root / "work", out=line.adapter)
    job.write(root / "training.job.json")
    trained = child("sam2_assets.training", root / "training.job.json")
    assert trained.returncode == 0, trained.stderr
    measured = child("sam2_assets.evaluation", evaluation_job(line, line.evaluation))
    assert measured.returncode == 0, measured.stderr
    (root / "evaluation.stdout").write_text(measured.stdout)
    return line
