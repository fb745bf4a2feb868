"""The benchmark builds real datasets and reports ratios; how fast is not looked at."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import datasets


def test_a_tiny_benchmark_reports_ratio_and_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = tmp_path / "result.json"
    datasets.main(["--frames", "3", "--formats", "coco", "messages", "--work", str(tmp_path), "--json", str(result)])
    (found,) = json.loads(result.read_text(encoding="utf-8"))
    assert found["frames"] == 3
    assert found["formats"] == ["coco", "messages"]
    # The canonical dataset and both formats hold the pictures.
    assert found["written_mb"] > 3 * found["pictures_mb"]
    assert min(found["ratio"].values()) > 0
    assert found["peak_mb"] > 0
    assert capsys.readouterr().out.count("\n") == 3
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]
