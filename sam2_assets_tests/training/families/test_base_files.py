"""A base model that cannot be used is refused with what is wrong and what to do."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sam2_assets.errors import TrainingError
from sam2_assets.training.families import ModelFamily, family_by_name, family_of
from sam2_assets.training.identity import identify


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


COMMIT = "0123456789abcdef0123456789abcdef01234567"
LOADING = """
import time
from sam2_assets.errors import TrainingError
from sam2_assets.training.families import family_by_name
from sam2_assets.training.identity import identify
import torch, transformers, transformers.models.llava.processing_llava
before = time.monotonic()
found = identify('somebody/tiny')
family = family_by_name(found.family)
family.load_processor('somebody/tiny', found.commit)
family.load_model('somebody/tiny', found.commit, dtype=torch.float32)
try:
    identify('nobody/nothing')
except TrainingError as error:
    print(found.commit, error.code, time.monotonic() - before)
"""


def test_a_hub_that_cannot_be_reached_costs_no_wait_and_no_words_of_the_library(
    tiny_llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model in the cache loads, one that is not there is refused: with retries it took three minutes."""
    cached = tmp_path / "hub" / "models--somebody--tiny"
    shutil.copytree(tiny_llava, cached / "snapshots" / COMMIT)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(COMMIT)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # nobody listens: connections are refused
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed.getsockname()[1]}")
        monkeypatch.setenv("HF_HOME", str(tmp_path))
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        done = subprocess.run([sys.executable, "-c", LOADING], capture_output=True, text=True, check=True, timeout=240)
    commit, code, seconds = done.stdout.split()
    assert (commit, code) == (COMMIT, "base_model_unreachable")
    assert float(seconds) < 20
    assert "thrown while requesting" not in done.stderr
    assert "Retry" not in done.stderr


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


def test_weights_that_no_file_has_are_not_made_up(tiny_llava: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_llava, folder)
    weights = load_file(folder / "model.safetensors")
    (gone,) = (name for name in weights if "layers.0.mlp.down_proj" in name and "language" in name)
    del weights[gone]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(TrainingError, match=r"1 of the model's weights .*mlp\.down_proj") as caught:
        _load(family_of(str(folder)), folder)
    assert caught.value.code == "base_model_incomplete"


@pytest.mark.parametrize("damage", ["a part is absent", "a part is cut", "a pointer in place of a part"])
def test_half_a_download_is_refused_by_the_plan(tiny_llava: Path, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_llava, folder)
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    parts = {name: f"model-0000{1 + number % 2}-of-00002.safetensors" for number, name in enumerate(weights)}
    for part in set(parts.values()):
        save_file({name: weights[name] for name in weights if parts[name] == part}, folder / part)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": parts}))
    whole = identify(str(folder))
    second = folder / "model-00002-of-00002.safetensors"
    content = second.read_bytes()
    if damage == "a part is absent":
        second.unlink()
    else:
        second.write_bytes(
            content[:-100] if damage == "a part is cut" else b"version https://git-lfs.github.com/spec\n"
        )
    with pytest.raises(TrainingError, match=second.name) as caught:
        identify(str(folder))
    assert caught.value.code == ("base_model_incomplete" if "absent" in damage else "base_model_unreadable")
    second.write_bytes(content)
    assert identify(str(folder)) == whole


def test_quantised_weights_are_refused_by_the_plan(tiny_llava: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_llava, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": {"quant_method": "gptq"}}))
    with pytest.raises(TrainingError, match="quant_method = 'gptq'") as caught:
        identify(str(folder))
    assert caught.value.code == "base_model_quantised"
