"""EfficientNet-Lite0 as a vision tower that transformers' LLaVA can load by name. Imports torch and transformers."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling

from sam2_assets.training.demo_base.efficientnet_lite import STRIDE, WIDTH, EfficientNetLite0
from sam2_assets.training.families.demo import VISION_MODEL_TYPE


class EfficientNetLite0Config(PretrainedConfig):
    """Sizes that LLaVA's own code and ours ask of a vision tower."""

    model_type = VISION_MODEL_TYPE

    hidden_size: int = WIDTH
    image_size: int = 224
    patch_size: int = STRIDE


class EfficientNetLite0Tower(PreTrainedModel):
    """Frozen features: one token a cell of the last feature map."""

    config_class = EfficientNetLite0Config
    main_input_name = "pixel_values"
    base_model_prefix = "vision_tower"

    def __init__(self, config: EfficientNetLite0Config) -> None:
        super().__init__(config)
        self.backbone = EfficientNetLite0()
        self.post_init()

    def _init_weights(self, module: torch.nn.Module) -> None:
        # Weights always come from a file; transformers must not draw them again.
        return None

    def forward(self, pixel_values: torch.Tensor, **_: Any) -> BaseModelOutputWithPooling:
        """``(B, 3, 224, 224)`` to ``last_hidden_state`` ``(B, 49, 1280)``, cells row by row."""
        with torch.no_grad():
            features = self.backbone(pixel_values.to(self.dtype)).flatten(2).transpose(1, 2)
        return BaseModelOutputWithPooling(last_hidden_state=features, hidden_states=(features,))


def register() -> None:
    """Tell transformers' auto classes about the tower; calling it again changes nothing."""
    AutoConfig.register(VISION_MODEL_TYPE, EfficientNetLite0Config, exist_ok=True)
    AutoModel.register(EfficientNetLite0Config, EfficientNetLite0Tower, exist_ok=True)
