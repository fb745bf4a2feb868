"""The benchmark runs and reports ratios; what they are is for docs/benchmarks.md, not for a test."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import importing
from benchmarks.synthetic_export import Pictures, frame_records, write_export
from sam2_assets.exports import read_export
from sam2_assets.exports.document import Order
from sam2_assets.exports.masks import decode
from sam2_assets.exports.runs import parse_runs


def test_a_tiny_benchmark_reports_every_ratio(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = tmp_path / "result.json"
    importing.main(["--frames", "4", "--repeats", "1", "--growth", "--picture-frames", "3", "--json", str(result)])
    cases = json.loads(result.read_text(encoding="utf-8"))["cases"]
    assert set(cases) == {
        "256 x 256",
        "full resolution",
        "painted pictures, 256 x 256",
        "painted pictures, full resolution",
        "noisy pictures, 256 x 256",
    }
    for case in cases.values():
        assert case["objects"] > 0
        assert case["ratio"]["cpu_s"] > 0
        assert case["peak_mb"] > 0
        assert set(case["median"]) == {"floor", "import", "checks"}
    assert capsys.readouterr().out.count("\n") == 2 + len(cases)


@pytest.mark.parametrize("grid", [(256, 256), (1080, 1920)])
def test_drawn_masks_have_the_runs_of_real_ones(grid: tuple[int, int]) -> None:
    texts = [o["mask_rle"] for frame in frame_records(20, grid, 0) for o in frame["objects"]]
    runs = parse_runs(texts, "f", lambda: texts)
    assert (runs.totals() == grid[0] * grid[1]).all()
    # real exports: about 0.45 runs for each row of the grid, two for each row that a blob touches
    assert 0.25 < np.median(np.diff(runs.first)) / grid[0] < 0.75
    mask = decode(runs.lengths[: runs.first[1]], grid, Order.ROW)
    assert 0.005 < mask.mean() < 0.2


@pytest.mark.parametrize(
    ("pictures", "origin"), [(Pictures.PAINTED, "export_overlay"), (Pictures.NOISY, "export_clean")]
)
def test_an_export_is_the_same_each_time_and_is_read(tmp_path: Path, pictures: Pictures, origin: str) -> None:
    archives = [tmp_path / "a.zip", tmp_path / "b.zip"]
    objects = [write_export(archive, 5, (256, 256), pictures=pictures) for archive in archives]
    assert archives[0].read_bytes() == archives[1].read_bytes()
    out = tmp_path / "out"
    out.mkdir()
    summary = read_export(archives[0], out)
    assert (summary.objects, summary.frames) == (objects[0], 5)
    assert summary.image_origins == {origin: 5}
