"""The deployment child: context, process, comparison."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file

from sam2_assets.errors import PackagingError
from sam2_assets.evaluation import read_predictions
from sam2_assets.instructions import load_samples
from sam2_assets.packaging import DeploymentSettings
from sam2_assets.packaging.context import read_context, write_context
from sam2_assets.packaging.fingerprint import code_sha256
from sam2_assets.packaging.job import DeploymentJob
from sam2_assets.packaging.serving import Serving, weights_sha256
from sam2_assets.packaging.verification import choose_questions, verify_context
from sam2_assets_tests.evaluation.line import Line, child


def job_of(line: Line, repository: Path, out: Path, **fields: Any) -> Path:
    job = DeploymentJob.model_validate(
        {
            "repository": repository,
            "evaluation": line.evaluation,
            "splits": line.splits,
            "datasets": line.datasets,
            "plan": line.plan,
            "out": out,
            "settings": DeploymentSettings(pictures=3),
            **fields,
        }
    )
    file = out.with_name("deploy.json")
    job.write(file)
    return file


def test_the_started_context_answers_as_evaluated_and_that_is_recorded(
    line: Line, repository: Path, tmp_path: Path
) -> None:
    done = child("sam2_assets.packaging", job_of(line, repository, tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out/verification.json").read_text())
    assert (found["questions"], found["agreeing"], found["agreement"]) == (3, 3, 1.0)
    assert {answer["sample_id"].rsplit("/", 1)[1] for answer in found["answers"]} == {"main_object", "count"}
    assert found["latency_ms"]["median"] > 0
    assert found["code_sha256"] == code_sha256(tmp_path / "out/context/app/sam2_assets")
    now = read_context(tmp_path / "out/context")
    image = json.loads((tmp_path / "out/image.json").read_text())
    assert image["context"] == {"sha256": now.sha256, "files": now.files}, "running it left no trace in it"
    assert json.loads(done.stdout.splitlines()[-1])["agreeing"] == 3


def test_a_context_whose_adapter_was_swapped_with_its_hash_is_told_by_its_answers(
    line: Line, repository: Path, tmp_path: Path
) -> None:
    other = Path(shutil.copytree(repository, tmp_path / "repository"))
    weights = other / "adapter_model.safetensors"
    save_file({name: -value for name, value in load_file(weights).items()}, weights, metadata={"format": "pt"})
    serving = Serving.read(other).model_copy(update={"adapter_sha256": weights_sha256(other)})
    (other / "serving.json").write_text(serving.to_json())
    settings = DeploymentSettings(pictures=2)
    context = write_context(other, str(line.base), tmp_path / "context", settings).folder
    # Code unlike this checkout's: were the checkout's run instead, the error would be other_code.
    with (context / "app/sam2_assets/errors.py").open("a") as stream:
        stream.write("# changed in the context\n")
    samples = load_samples(line.splits, line.datasets, "test")
    questions = choose_questions(samples, read_predictions(line.evaluation), 2)
    with pytest.raises(PackagingError) as caught:
        verify_context(context, str(line.base), questions, settings, lambda *_: None)
    assert caught.value.code == "answers_differ"


def test_an_adapter_that_does_not_match_its_hash_is_refused_before_anything_starts(
    line: Line, repository: Path, tmp_path: Path
) -> None:
    other = Path(shutil.copytree(repository, tmp_path / "repository"))
    (other / "adapter_model.safetensors").write_bytes(b"damaged")
    done = child("sam2_assets.packaging", job_of(line, other, tmp_path / "out"))
    assert done.returncode == 2
    assert json.loads(done.stdout.splitlines()[-1])["code"] == "adapter_changed"
    assert not (tmp_path / "out").exists()


def test_the_dockerfile_runs_unprivileged_with_pinned_requirements(
    line: Line, repository: Path, tmp_path: Path
) -> None:
    written = write_context(repository, str(line.base), tmp_path / "context", DeploymentSettings())
    again = write_context(repository, str(line.base), tmp_path / "again", DeploymentSettings())
    assert written.sha256 == again.sha256
    dockerfile = (tmp_path / "context/Dockerfile").read_text()
    assert dockerfile.index("USER 10001:10001") < dockerfile.index("ENTRYPOINT")
    assert "SAM2_ASSETS_BASE_MODEL=/srv/base" in dockerfile
    assert "COPY base" not in dockerfile
    pins = (tmp_path / "context/requirements.txt").read_text().splitlines()
    assert all(pin.count("==") == 1 and "+" not in pin for pin in pins)
    assert {"torch", "transformers", "peft", "fastapi"} <= {pin.partition("==")[0] for pin in pins}
    assert not list((tmp_path / "context").rglob("__pycache__"))
    for path in (tmp_path / "context").rglob("*"):
        assert path.is_dir() or str(line.root).encode() not in path.read_bytes()


def test_the_base_model_can_be_put_into_the_image(line: Line, repository: Path, tmp_path: Path) -> None:
    settings = DeploymentSettings(include_base=True)
    write_context(repository, str(line.base), tmp_path / "context", settings)
    assert "COPY base /srv/base" in (tmp_path / "context/Dockerfile").read_text()
    assert (tmp_path / "context/base/config.json").read_bytes() == (line.base / "config.json").read_bytes()
    with pytest.raises(PackagingError) as caught:
        write_context(repository, "owner/model", tmp_path / "other", settings)
    assert caught.value.code == "base_not_a_folder"
