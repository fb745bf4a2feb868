"""How long a checkpoint of a 7B model's adapters takes to write and to read: weights, optimiser's state, seal, hashes.

``python -m benchmarks.checkpoint_of_7b`` needs no such model: the frozen weights, of which a checkpoint holds nothing,
have a shape and no contents. Adapters, projector and AdamW's two moments are real.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import transformers

from benchmarks.random_models import SHAPES, configuration
from sam2_assets.training.adapters import adapt, parameter_groups, read_weights, write_weights
from sam2_assets.training.checkpoints import Checkpoints
from sam2_assets.training.config import TrainingConfig
from sam2_assets.training.identity import BaseModelIdentity

_OPTIMIZER = "optimizer.pt"


def adapted_shape(shape: str, base: Path | None, settings: TrainingConfig) -> tuple[Any, torch.optim.Optimizer]:
    """A model whose trained weights alone have contents, and its optimiser after one step."""
    family, config = configuration(shape, base)
    with torch.device("meta"):
        model = transformers.AutoModelForImageTextToText.from_config(config).requires_grad_(False)
    adapted = adapt(model, family, settings.lora, BaseModelIdentity.model_construct(name="shape", commit=None)).model
    torch.manual_seed(0)
    for module in adapted.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None and parameter.requires_grad:
                module._parameters[name] = torch.nn.Parameter(torch.randn(parameter.shape) * 0.01)
    groups = parameter_groups(
        adapted, family.projector_modules, adapters_rate=1e-4, projector_rate=1e-4, weight_decay=0.0
    )
    optimizer = torch.optim.AdamW(groups)
    for group in groups:
        for parameter in group["params"]:
            parameter.grad = torch.full_like(parameter, 1e-3)
    optimizer.step()
    return adapted, optimizer


def measure(model: Any, optimizer: torch.optim.Optimizer, folder: Path) -> dict[str, float]:
    """Seconds by the clock, and GiB.

    Raises:
        AssertionError: what was read is not what was written.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    before = [parameter.detach().clone() for parameter in trained]
    started = time.perf_counter()
    checkpoints = Checkpoints(folder, "benchmark", 2)
    with checkpoints.writing(1) as draft:
        write_weights(model, draft)
        torch.save(optimizer.state_dict(), draft / _OPTIMIZER)
    written = time.perf_counter() - started
    with torch.no_grad():
        for parameter in trained:
            parameter.zero_()
    started = time.perf_counter()
    found, _ = checkpoints.newest()
    assert found is not None
    read_weights(model, found.folder)
    optimizer.load_state_dict(torch.load(found.folder / _OPTIMIZER, weights_only=True))
    read = time.perf_counter() - started
    assert all(torch.equal(parameter, other) for parameter, other in zip(trained, before, strict=True))
    size = sum(path.stat().st_size for path in found.folder.rglob("*") if path.is_file())
    return {
        "trained_weights": float(sum(parameter.numel() for parameter in trained)),
        "gib": size / 1024**3,
        "write_s": written,
        "read_s": read,
    }


def main(arguments: list[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=list(SHAPES), default="llava-1.5-7b")
    parser.add_argument("--base", type=Path, help="a folder whose config.json gives the shape instead")
    parser.add_argument("--rank", type=int, default=16)
    given = parser.parse_args(arguments)
    settings = TrainingConfig.model_validate({"lora": {"rank": given.rank}})
    model, optimizer = adapted_shape(given.shape, given.base, settings)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(model, optimizer, Path(folder))
    print(
        f"{found['trained_weights'] / 1e6:.1f} M trained weights, {found['gib']:.2f} GiB: "
        f"written in {found['write_s']:.2f} s, verified and read in {found['read_s']:.2f} s"
    )
    return found


if __name__ == "__main__":
    main()
