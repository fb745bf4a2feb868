from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from sam2_assets.training.families import family_of
from sam2_assets.training.families.patch_product import product, replace_patch_convolutions

QWEN = ["tiny_qwen2_vl", "tiny_qwen2_5_vl", "tiny_qwen3_vl"]


@pytest.mark.parametrize("base", QWEN)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_patches_become_the_same_embeddings_without_a_convolution(
    base: str, dtype: torch.dtype, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(base)
    family = family_of(str(folder))
    embedding = family.load_model(str(folder), dtype=dtype).model.visual.patch_embed
    assert "forward" in vars(embedding)
    convolution = embedding.proj
    if convolution.bias is not None:
        nn.init.normal_(convolution.bias)
    width = convolution.in_channels * convolution.kernel_size[0] * convolution.kernel_size[1] ** 2
    patches = torch.randn(12, width, generator=torch.Generator().manual_seed(0))
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        ours = product(embedding, patches)
    assert not any("conv" in event.key for event in profile.key_averages())
    theirs = type(embedding).forward(embedding, patches)
    assert torch.equal(embedding(patches), theirs)  # on a CPU: the library's
    assert ours.dtype == theirs.dtype == dtype
    assert ours.shape == theirs.shape == (12, convolution.out_channels)
    bound = 1e-6 if dtype is torch.float32 else 1e-2
    assert (ours - theirs).norm() <= bound * theirs.norm()


def test_the_weights_keep_their_names(tiny_qwen2_5_vl: Path) -> None:
    family = family_of(str(tiny_qwen2_5_vl))
    model = family.load_model(str(tiny_qwen2_5_vl), dtype=torch.float32)
    assert tuple(model.state_dict()["model.visual.patch_embed.proj.weight"].shape[1:]) == (3, 2, 14, 14)


@pytest.mark.parametrize(
    "settings", [{"stride": 1}, {"padding": 1}, {"dilation": 2}, {"groups": 3, "out_channels": 6}], ids=str
)
def test_other_convolutions_stay(settings: dict[str, int]) -> None:
    module = nn.Module()
    module.proj = nn.Conv3d(3, **({"out_channels": 4, "kernel_size": 2, "stride": 2} | settings))
    assert replace_patch_convolutions(nn.Sequential(module)) == 0
