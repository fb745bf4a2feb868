"""A repository's model, checked and loaded, answering one question at a time: what server and example share."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from PIL.Image import Image

from sam2_assets.packaging.serving import Serving, check_adapter, resolve_base
from sam2_assets.training.asking import Answerer


class ServedModel:
    """The evaluated model of a repository; safe to call from several threads, which then wait for each other."""

    def __init__(self, serving: Serving, predictor: Answerer) -> None:
        self.serving = serving
        self._predictor = predictor
        self._one_at_a_time = threading.Lock()

    @classmethod
    def open(cls, repository: Path, base_model: str | None = None) -> ServedModel:
        """Load base model and adapter, after checking that they are those that were evaluated.

        Args:
            repository: folder that ``write_repository`` wrote.
            base_model: folder or hub id; ``None``: see ``serving.resolve_base``.

        Raises:
            PackagingError: ``not_a_repository``, ``serving_invalid``, ``adapter_missing``, ``adapter_changed``,
                ``base_model_needed``, ``base_model_changed``.
            TrainingError: why the base model cannot be loaded.
        """
        serving = Serving.read(repository)
        check_adapter(repository, serving)
        base = resolve_base(serving, base_model)
        from sam2_assets.training.prediction import Predictor

        return cls(serving, Predictor.load(base, repository, revision=serving.base.commit, precision=serving.precision))

    def predict(self, picture: Image, question: str) -> dict[str, Any]:
        """Answer a question about an RGB picture.

        Returns:
            ``{"text", "objects": [{"label", "box": [x, y, w, h]}], "frame": [width, height], "model"}``; boxes in
            pixels of the picture.

        Raises:
            TrainingError: ``question_has_control_token``.
        """
        with self._one_at_a_time:
            (text,) = self._predictor.answer([picture], [question], max_new_tokens=self.serving.max_new_tokens)
        found = self._predictor.boxes(text, picture.size)
        return {
            "text": text,
            "objects": [{"label": label, "box": list(box)} for label, box in found],
            "frame": list(picture.size),
            "model": self.serving.name,
        }
