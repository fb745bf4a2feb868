from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from sam2_assets.training.families import family_of, window_attention
from sam2_assets.training.families.window_attention import NAME, has_kernel, windows_attention

QWEN = ["tiny_qwen2_vl", "tiny_qwen2_5_vl", "tiny_qwen3_vl"]
GRIDS = ((1, 8, 12), (1, 14, 6), (1, 4, 4))
"""Patches along time, height and width of three pictures; windows of several sizes."""


def _tower(model: Any) -> Any:
    return model.model.visual


def _pictures(tower: Any) -> dict[str, torch.Tensor]:
    convolution = tower.patch_embed.proj
    width = convolution.in_channels * convolution.kernel_size[0] * convolution.kernel_size[1] ** 2
    patches = sum(time * high * wide for time, high, wide in GRIDS)
    values = torch.randn(patches, width, generator=torch.Generator().manual_seed(0))
    return {"hidden_states": values, "grid_thw": torch.tensor(GRIDS)}


@pytest.mark.parametrize("base", QWEN)
def test_on_a_cpu_a_tower_sees_the_same_bits(
    base: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder: Path = request.getfixturevalue(base)
    family = family_of(str(folder))
    ours = _tower(family.load_model(str(folder), dtype=torch.float32))
    theirs = _tower(family.model_class().from_pretrained(str(folder), dtype=torch.float32).eval())  # type: ignore[attr-defined]
    calls: list[int] = []
    kept = windows_attention

    def counted(*args: Any, **settings: Any) -> Any:
        calls.append(len(settings["cu_seq_lens_q"]) - 1)
        return kept(*args, **settings)

    monkeypatch.setitem(window_attention.AttentionInterface._global_mapping, NAME, counted)
    with torch.no_grad():
        seen, expected = (tower(**_pictures(tower)).pooler_output for tower in (ours, theirs))
    assert torch.equal(torch.cat(list(seen)), torch.cat(list(expected)))
    assert len(calls) == len(ours.blocks)
    assert min(calls) == len(GRIDS)
    assert (max(calls) > len(GRIDS)) == (base == "tiny_qwen2_5_vl")  # the one with windows


@pytest.mark.parametrize("base", QWEN)
def test_the_configuration_that_is_written_or_used_again_is_the_library_s(
    base: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    folder: Path = request.getfixturevalue(base)
    model = family_of(str(folder)).load_model(str(folder), dtype=torch.float32)
    assert _tower(model).config._attn_implementation == NAME
    assert model.config.vision_config._attn_implementation == "sdpa"
    type(model)(model.config)
    model.save_pretrained(tmp_path)
    assert NAME not in (tmp_path / "config.json").read_text(encoding="utf-8")


def test_no_kernel_on_a_cpu() -> None:
    assert not has_kernel(torch.zeros(1, dtype=torch.bfloat16))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="GPU: this machine has none")
@pytest.mark.parametrize("width", [64, 80])
def test_on_a_gpu_one_call_is_as_near_the_truth_as_one_for_each_window(width: int) -> None:
    draw = torch.Generator(device="cuda").manual_seed(0)
    lengths = [64, 64, 32, 48, 1, 300]
    ends = torch.tensor([0, *lengths], device="cuda").cumsum(0)
    query, key, value = (
        torch.randn(1, sum(lengths), 4, width, device="cuda", generator=draw).bfloat16().transpose(1, 2) for _ in "qkv"
    )
    assert has_kernel(query)
    settings = {"scaling": width**-0.5, "cu_seq_lens_q": ends, "max_length_q": max(lengths)}
    ours, _ = windows_attention(None, query, key, value, None, **settings)
    true, _ = windows_attention(None, query.double(), key.double(), value.double(), None, **settings)
    parts = zip(*(torch.split(part, lengths, dim=2) for part in (query, key, value)), strict=True)
    alone = [sdpa_attention_forward(None, *part, None, scaling=width**-0.5, is_causal=False)[0] for part in parts]
    theirs = torch.cat(alone, dim=1)
    assert ours.shape == theirs.shape == true.shape
    assert (ours - true).norm() < 1.2 * (theirs - true).norm() < 0.01 * true.norm()
