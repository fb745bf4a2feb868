"""A base model that cannot be used is refused with what is wrong and what to do."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sam2_assets.errors import TrainingError
from sam2_assets.training.families import ModelFamily, family_by_name, family_of


def _refused(base_model: str) -> TrainingError:
    with pytest.raises(TrainingError) as caught:
        family_of(base_model)
    assert "\n" not in str(caught.value)
    return caught.value


def test_missing_folders_and_ids_are_refused(tmp_path: Path) -> None:
    assert _refused(str(tmp_path / "absent")).code == "base_model_missing"
    assert _refused(str(tmp_path)).code == "base_model_missing"
    assert _refused("not a model id!").code == "base_model_missing"


def test_offline_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code = (
        "from sam2_assets.training.families import family_of\n"
        "from sam2_assets.errors import TrainingError\n"
        "try: family_of('nobody/nothing')\n"
        "except TrainingError as error: print(error.code, error.remedy)\n"
    )
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.startswith("base_model_unreachable")
    assert "folder" in said


@pytest.mark.parametrize("content", ["{", "[]", "\udcff"])
def test_a_broken_configuration_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content, errors="surrogateescape")
    assert _refused(str(tmp_path)).code == "base_model_unreadable"


@pytest.mark.parametrize(
    "config", [{"model_type": "bert"}, {"model_type": "llava", "vision_config": {"model_type": "x"}}]
)
def test_an_architecture_without_family_is_refused(tmp_path: Path, config: dict[str, object]) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    error = _refused(str(tmp_path))
    assert error.code == "unsupported_architecture"
    assert "qwen2_5_vl" in error.remedy


@pytest.mark.parametrize("name", ["tokenizer.json", "model.safetensors", "processor_config.json"])
@pytest.mark.parametrize("damage", ["delete", "truncate"])
def test_damaged_files_are_refused(tiny_llava: Path, tmp_path: Path, name: str, damage: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_llava, folder)
    if damage == "delete":
        (folder / name).unlink()
    else:
        (folder / name).write_bytes((folder / name).read_bytes()[:100])
    family = family_of(str(folder))
    with pytest.raises(TrainingError) as caught:
        _load(family, folder)
    assert caught.value.code == "base_model_unreadable"


def _load(family: ModelFamily, folder: Path) -> None:
    family.load_processor(str(folder))
    family.load_model(str(folder), dtype=torch.float32)


def test_an_unknown_family_name_is_refused() -> None:
    with pytest.raises(TrainingError) as caught:
        family_by_name("gpt")
    assert caught.value.code == "unknown_family"


def test_importing_families_and_prediction_loads_no_torch() -> None:
    code = (
        "import sys, sam2_assets.training.families, sam2_assets.training.prediction, sam2_assets.training.demo_base\n"
        "assert not {'torch', 'transformers', 'peft'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
