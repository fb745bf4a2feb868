from __future__ import annotations

from pathlib import Path

import pytest

from sam2_assets.errors import SettingsError
from sam2_assets.training.job import TrainingJob


def test_a_job_survives_writing_and_reading(tmp_path: Path) -> None:
    job = TrainingJob(
        plan=tmp_path / "plan.json",
        splits=tmp_path / "s",
        datasets={"v": tmp_path / "d"},
        work=tmp_path / "w",
        out=tmp_path / "o",
    )
    job.write(tmp_path / "job.json")
    assert TrainingJob.read(tmp_path / "job.json") == job


def test_relative_paths_count_from_the_job_file(tmp_path: Path) -> None:
    text = '{"plan": "plan.json", "splits": "s", "datasets": {"v": "d"}, "work": "w", "out": "../o"}'
    (tmp_path / "job.json").write_text(text)
    job = TrainingJob.read(tmp_path / "job.json")
    assert job.plan == tmp_path / "plan.json"
    assert job.datasets == {"v": tmp_path / "d"}
    assert job.out.resolve() == tmp_path.parent / "o"


@pytest.mark.parametrize(
    ("text", "code", "field"),
    [
        (None, "job_missing", None),
        ("{", "job_invalid", None),
        ('{"plan": "p"}', "job_invalid", "splits"),
        ('{"plan": "p", "splits": "s", "datasets": {}, "work": "w", "out": "o", "gpu": 1}', "job_invalid", "gpu"),
    ],
)
def test_a_bad_job_names_file_and_field(tmp_path: Path, text: str | None, code: str, field: str | None) -> None:
    file = tmp_path / "job.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        TrainingJob.read(file)
    assert (caught.value.code, caught.value.file, caught.value.field) == (code, str(file), field)
