"""The training benchmark runs, on a tiny model and the CPU; how fast is not looked at."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.gpu_training import VARIANTS, main
from sam2_assets_tests.training.tiny_models import build_tiny_llava, build_tiny_qwen2_5_vl


@pytest.mark.parametrize("build", [build_tiny_llava, build_tiny_qwen2_5_vl])
def test_every_variant_is_measured_and_learns_the_same(
    build: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(build)
    base = build(tmp_path / "base")
    out = tmp_path / "out.json"
    tiny = ["--batches", "2", "--steps", "1", "--precision", "fp32", "--frame", "112", "112"]
    main(["--base", str(base), *tiny, "--json", str(out)])
    result = json.loads(out.read_text())
    assert result["about"]["device"] == "cpu"
    assert [row["variant"] for row in result["rows"]] == list(VARIANTS)
    assert all(row["samples_per_s"] > 0 and row["why_not"] is None for row in result["rows"])
    # Each variant makes the same steps from the same weights: what is switched off changes the speed alone.
    losses = [row["loss"] for row in result["rows"]]
    assert losses == pytest.approx([losses[0]] * len(losses), rel=1e-4)
    printed = capsys.readouterr().out
    assert [f"| {variant} | 2 |" in printed for variant in VARIANTS] == [True] * len(VARIANTS)
