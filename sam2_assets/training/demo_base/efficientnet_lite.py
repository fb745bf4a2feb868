"""EfficientNet-Lite0 as a stack of convolutions, and how its published weights become ours. Imports torch.

Source of the architecture: Tan and Le, EfficientNet (2019), the "lite" variants: no squeeze-and-excitation, ReLU6
instead of swish, TensorFlow's "same" padding (the odd pixel goes to the right and bottom).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import nn

WIDTH = 1280
"""Channels of the last feature map."""
STRIDE = 32
"""Input pixels a side of one cell of the last feature map."""
_NORM_EPSILON = 1e-3


class _Stage(NamedTuple):
    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels_in: int
    channels_out: int


_STAGES = (
    _Stage(1, 3, 1, 1, 32, 16),
    _Stage(2, 3, 2, 6, 16, 24),
    _Stage(2, 5, 2, 6, 24, 40),
    _Stage(3, 3, 2, 6, 40, 80),
    _Stage(3, 5, 1, 6, 80, 112),
    _Stage(4, 5, 2, 6, 112, 192),
    _Stage(1, 3, 1, 6, 192, 320),
)


class SamePaddedConvolution(nn.Conv2d):
    """A convolution whose output has ``ceil(input / stride)`` cells a side."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, C, H, W)`` to ``(B, C', ceil(H / stride), ceil(W / stride))``."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        missing = [max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x.shape[-2:]]
        top, left = missing[0] // 2, missing[1] // 2
        padded = nn.functional.pad(x, (left, missing[1] - left, top, missing[0] - top))
        return nn.functional.conv2d(padded, self.weight, self.bias, self.stride, groups=self.groups)


class InvertedResidual(nn.Module):
    """Widen, filter each channel, narrow; plus the input where shapes allow."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = channels_in * expansion
        self.expand = SamePaddedConvolution(channels_in, wide, 1) if expansion > 1 else None
        self.depthwise = SamePaddedConvolution(wide, wide, kernel, stride, groups=wide)
        self.project = SamePaddedConvolution(wide, channels_out, 1)
        self.adds_input = stride == 1 and channels_in == channels_out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, C, H, W)`` to ``(B, C', H / stride, W / stride)``."""
        y = x if self.expand is None else nn.functional.relu6(self.expand(x))
        y = nn.functional.relu6(self.depthwise(y))
        narrow: torch.Tensor = self.project(y)
        return x + narrow if self.adds_input else narrow


class EfficientNetLite0(nn.Module):
    """Feature extractor. Batch norms are folded into the convolutions, so training mode changes nothing in it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = SamePaddedConvolution(3, 32, 3, 2)
        self.blocks = nn.ModuleList(
            InvertedResidual(
                stage.channels_in if first else stage.channels_out,
                stage.channels_out,
                stage.kernel,
                stage.stride if first else 1,
                stage.expansion,
            )
            for stage in _STAGES
            for first in [True] + [False] * (stage.blocks - 1)
        )
        self.head = SamePaddedConvolution(320, WIDTH, 1)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """``(B, 3, H, W)``, RGB as ``(value - 127) / 128``, to features ``(B, 1280, H / 32, W / 32)`` of 0 to 6."""
        x = nn.functional.relu6(self.stem(pixels))
        for block in self.blocks:
            x = block(x)
        return nn.functional.relu6(self.head(x))


_PLACES = {
    ("stem", "_conv_stem", "_bn0"),
    ("head", "_conv_head", "_bn1"),
}
_BLOCK_PLACES = {
    ("expand", "_expand_conv", "_bn0"),
    ("depthwise", "_depthwise_conv", "_bn1"),
    ("project", "_project_conv", "_bn2"),
}


def fold_published_weights(published: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The published weights (names of the PyTorch port that the package carries) as our state dict.

    A batch norm in evaluation is ``y = (x - mean) / sqrt(variance + eps) * weight + bias``: a scale and a shift of
    each channel, which the convolution before it can do itself.

    Raises:
        KeyError: if a weight is missing.
    """
    blocks = sorted({int(match[1]) for name in published if (match := re.match(r"_blocks\.(\d+)\.", name))})
    places = [(ours, conv, norm) for ours, conv, norm in _PLACES]
    for index in blocks:
        for ours, conv, norm in _BLOCK_PLACES:
            if f"_blocks.{index}.{conv}.weight" in published:
                places.append((f"blocks.{index}.{ours}", f"_blocks.{index}.{conv}", f"_blocks.{index}.{norm}"))
    folded = {}
    for ours, conv, norm in places:
        scale = published[f"{norm}.weight"] / torch.sqrt(published[f"{norm}.running_var"] + _NORM_EPSILON)
        folded[f"{ours}.weight"] = published[f"{conv}.weight"] * scale[:, None, None, None]
        folded[f"{ours}.bias"] = published[f"{norm}.bias"] - published[f"{norm}.running_mean"] * scale
    return folded
