"""The training benchmark runs, on a tiny model and the CPU; how fast is not looked at."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from peft.tuners import lora

from benchmarks import checkpoint_of_7b
from benchmarks.gpu_training import TRL, VARIANTS, Measured, main, table, take_library_layers
from benchmarks.gpu_trl import why_absent
from benchmarks.random_models import configuration, random_model
from sam2_assets.training.adapters import adapt
from sam2_assets.training.config import LoraSettings
from sam2_assets.training.fusion import FusedLinear, is_fused_norm
from sam2_assets.training.identity import BaseModelIdentity
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
    ran = [row for row in result["rows"] if row["variant"] != TRL or why_absent() is None]
    assert all(row["samples_per_s"] > 0 and row["why_not"] is None for row in ran)
    # Each variant makes the same steps from the same weights: what is switched off changes the speed alone.
    losses = [row["loss"] for row in ran]
    assert losses == pytest.approx([losses[0]] * len(losses), rel=1e-4)
    printed = capsys.readouterr().out
    assert [f"| {variant} | 2 |" in printed for variant in VARIANTS] == [True] * len(VARIANTS)
    # No card: nobody says how busy it is. And no row is left away in silence.
    assert f" | {result['rows'][0]['limit_samples_per_s']:.1f} | - | - |" in printed
    assert ("| TRL | 2 | trl is not installed |" in printed) == (why_absent() is not None)


def test_the_libraries_layers_are_taken_where_they_are_asked_for(tmp_path: Path) -> None:
    family, config = configuration(None, build_tiny_llava(tmp_path / "base"))
    model = random_model(family, config, "fp32", torch.device("cpu"))
    adapted = adapt(model, family, LoraSettings(), BaseModelIdentity.model_construct(name="random", commit=None)).model

    def fused() -> list[str]:
        return [type(m).__name__ for m in adapted.modules() if isinstance(m, FusedLinear) or is_fused_norm(m)]

    assert sorted(set(fused())) == ["FusedLinear", "LlamaRMSNorm"]
    take_library_layers(adapted)
    assert fused() == []
    assert sum(type(m) is lora.Linear for m in adapted.modules()) == 14


def test_the_table_has_the_drivers_reading_and_says_what_does_not_fit() -> None:
    row = Measured("all", 4, 12.0, 0.33, 0.5, 24.0, 93.4, 21.26, 1.0)
    assert "| all | 4 | 12.00 | 50.0% | 24.0 | 93 % | 21.3 |" in table([row])
    assert "| all | 64 | does not fit | |" in table([Measured("all", 64, why_not="does not fit: CUDA out of memory")])


@pytest.mark.parametrize(("shape", "billions"), [("llava-1.5-7b", 7.06), ("qwen2.5-vl-7b", 8.29)])
def test_the_named_sizes_are_those_of_the_published_models(shape: str, billions: float) -> None:
    import transformers

    _, config = configuration(shape, None)
    with torch.device("meta"):
        model = transformers.AutoModelForImageTextToText.from_config(config)
    assert sum(parameter.numel() for parameter in model.parameters()) / 1e9 == pytest.approx(billions, abs=0.01)


def test_a_checkpoint_comes_back_as_it_was_written(tmp_path: Path) -> None:
    found = checkpoint_of_7b.main(["--base", str(build_tiny_llava(tmp_path / "base"))])
    assert found["write_s"] > 0
    assert found["read_s"] > 0
    assert found["gib"] * 1024**3 > 12 * found["trained_weights"]  # weights and two moments, fp32
