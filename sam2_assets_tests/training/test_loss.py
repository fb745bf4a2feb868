from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from sam2_assets.instructions.reading import load_samples
from sam2_assets.training.adapters import adapt
from sam2_assets.training.collation import Collator, Encoder
from sam2_assets.training.config import LoraSettings
from sam2_assets.training.families import family_of
from sam2_assets.training.identity import identify
from sam2_assets.training.loss import IGNORED, answer_loss, supervised_tokens
from sam2_assets_tests.training.workshop import Data, build_data


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return build_data(tmp_path_factory.mktemp("loss-data"), tasks=("detect", "main_object", "count"))


def _model_and_batch(base: Path, data: Data) -> tuple[Any, dict[str, torch.Tensor]]:
    family = family_of(str(base))
    processor = family.load_processor(str(base))
    model = family.load_model(str(base), dtype=torch.float32)
    encoder = Encoder(family, processor, model.config, picture_dtype=torch.float32, memory_bytes=10**9)
    torch.manual_seed(0)
    adapted = adapt(model, family, LoraSettings(rank=4), identify(str(base))).model
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:  # they start at zero, which would hide an adapter that is not applied
            torch.nn.init.normal_(parameter, std=0.1)
    return adapted, Collator(encoder)(load_samples(data.splits, data.datasets, "train")[:6])


@pytest.mark.parametrize("base", ["tiny_llava", "tiny_qwen2_5_vl"])
def test_loss_and_gradients_equal_the_librarys(base: str, data: Data, request: pytest.FixtureRequest) -> None:
    model, batch = _model_and_batch(request.getfixturevalue(base), data)
    tokens = torch.tensor(supervised_tokens(batch["labels"]))

    def gradients(loss: torch.Tensor) -> dict[str, torch.Tensor]:
        model.zero_grad()
        loss.backward()
        return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}

    ours, theirs = answer_loss(model, batch, tokens), model(**batch, num_items_in_batch=tokens).loss
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-5)
    mine, reference = gradients(ours), gradients(theirs)
    assert mine.keys() == reference.keys()
    assert max((mine[name] - reference[name]).abs().max().item() for name in mine) < 1e-5


@pytest.mark.parametrize("base", ["tiny_llava", "tiny_qwen2_5_vl"])
def test_batches_of_an_accumulation_add_up_to_one_large_batch(
    base: str, data: Data, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(base)
    model, whole = _model_and_batch(folder, data)
    family = family_of(str(folder))
    processor = family.load_processor(str(folder))
    encoder = Encoder(family, processor, model.config, picture_dtype=torch.float32, memory_bytes=10**9)
    samples = load_samples(data.splits, data.datasets, "train")[:6]
    tokens = supervised_tokens(whole["labels"])
    parts = [Collator(encoder)(samples[:1]), Collator(encoder)(samples[1:])]
    with torch.no_grad():
        added = sum(answer_loss(model, part, tokens).item() for part in parts)
        assert added == pytest.approx(answer_loss(model, whole, tokens).item(), abs=1e-5)


def test_the_head_runs_on_positions_of_answers_only(tiny_llava: Path, data: Data) -> None:
    model, batch = _model_and_batch(tiny_llava, data)
    seen: list[int] = []
    head = model.get_base_model().lm_head
    head.register_forward_hook(lambda module, inputs, output: seen.append(output.shape[1]))
    answer_loss(model, batch, 1)
    supervised = (batch["labels"][:, 1:] != IGNORED).any(dim=0).sum().item()
    assert seen == [supervised]
    assert supervised < batch["labels"].shape[1] - 16  # at least the picture's tokens are left out
