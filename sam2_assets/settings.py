"""Settings: one resolution order (defaults < project file < sidecar < launchpad) and one record of the outcome.

Runs that a sensor or automation starts carry no launchpad form; what a person chose must survive them. So the choice
lives in files: ``settings.yaml`` at the store's root for all exports, ``<export>.settings.yaml`` beside an export for
that one, ``corpus.settings.yaml`` at the root for the corpus. A launchpad form overrides both, for one run.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from sam2_assets.errors import SettingsError
from sam2_assets.evaluation.settings import EvaluationSettings
from sam2_assets.exports.settings import ImportSettings
from sam2_assets.instructions.settings import InstructionSettings
from sam2_assets.instructions.tasks import check_tasks
from sam2_assets.instructions.views import check_formats
from sam2_assets.notifications.settings import NotificationSettings
from sam2_assets.packaging.settings import DeploymentSettings, ModelCardSettings
from sam2_assets.quality.settings import QualitySettings
from sam2_assets.splitting.settings import SplitSettings
from sam2_assets.splitting.splitting import check_ratios
from sam2_assets.training.config import TrainingConfig
from sam2_assets.training.presets import with_preset
from sam2_assets.training.proposal_file import translated

PROJECT_FILE = "settings.yaml"
CORPUS_FILE = "corpus.settings.yaml"


class Settings(BaseModel):
    """Everything a person can choose, by station."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    importing: ImportSettings = Field(default=ImportSettings(), description="reading the export")
    instructions: InstructionSettings = Field(default=InstructionSettings(), description="questions and formats")
    quality: QualitySettings = Field(default=QualitySettings(), description="thresholds and waivers")
    splitting: SplitSettings = Field(default=SplitSettings(), description="train, validation and test")
    training: TrainingConfig = Field(default=TrainingConfig(), description="base model and training")
    evaluation: EvaluationSettings = Field(default=EvaluationSettings(), description="measuring on the test split")
    card: ModelCardSettings = Field(default=ModelCardSettings(), description="the model repository")
    deployment: DeploymentSettings = Field(default=DeploymentSettings(), description="the served image")
    notifications: NotificationSettings = Field(default=NotificationSettings(), description="who is told what")


@dataclass(frozen=True)
class Layer:
    """One source of settings: what to call it in messages, and what it says."""

    name: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Resolved:
    """The outcome, and for each field that is not a default the layer that decided it."""

    settings: Settings
    origins: Mapping[str, str]


def read_layer(path: Path) -> Layer:
    """Read a settings file that a person named; an empty one says nothing.

    Raises:
        SettingsError: ``settings_missing``; and see ``parse_layer``.
    """
    if not path.is_file():
        # Never as if it said nothing: a typing error in the name would give another dataset, without a word.
        raise SettingsError("settings_missing", "there is no such file", file=str(path), remedy="Check the path.")
    return parse_layer(path.read_bytes(), str(path))


def parse_layer(data: bytes | None, name: str) -> Layer:
    """A layer from a settings file's bytes (None: there is no such file).

    Raises:
        SettingsError: ``not_yaml`` or ``not_a_mapping``, naming the line; about a file in the proposal's shape see
            ``training.proposal_file``.
    """
    try:
        values = yaml.safe_load((data or b"").decode("utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(
            "not_yaml", str(error).replace("\n", " "), file=name, remedy="Correct the file; it must be YAML."
        ) from error
    if values is None:
        return Layer(name, {})
    if not isinstance(values, dict):
        raise SettingsError(
            "not_a_mapping",
            "settings are `name: value` pairs",
            file=name,
            value=values,
            remedy="Start with a section, e.g. `training:`.",
        )
    return Layer(name, translated(values, name))


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        known = merged.get(key)
        merged[key] = _merge(known, value) if isinstance(known, dict) and isinstance(value, Mapping) else value
    return merged


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterable[str]:
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{name}.")
        else:
            yield name


def resolve(layers: Iterable[Layer]) -> Resolved:
    """Merge the layers, later ones over earlier ones, and check the outcome.

    Raises:
        SettingsError: ``unknown_setting`` with the nearest name that there is, ``invalid_setting`` with the reason, or
            what ``check_tasks``, ``check_formats`` and ``check_ratios`` refuse; all name the layer, the field and the
            value.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for layer in layers:
        said = dict(layer.values)
        if isinstance(said.get("training"), Mapping):
            # A preset stands for its fields in the layer that names it: it wins over layers below, not above.
            said["training"] = with_preset(said["training"])
        values = _merge(values, said)
        origins.update(dict.fromkeys(_leaves(said), layer.name))
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise _unknown(name, first["input"], origins) from error
        source = next((origins[f] for f in origins if f == name or f.startswith(f"{name}.")), None)
        owner = source or next((origins[f] for f in origins if name.startswith(f"{f}.")), None)
        raise SettingsError(
            "invalid_setting",
            first["msg"],
            file=owner,
            field=name,
            value=first["input"],
            remedy=f"{_meaning(first['loc'])}"
            "`sam2-assets settings --explain` lists every setting with its meaning and range.",
        ) from error
    try:
        check_tasks(settings.instructions)
        check_formats(settings.instructions.formats)
        check_ratios(settings.splitting)
    except SettingsError as error:
        raise error.in_file(_layer_of(error.field or "", origins)) from error
    return Resolved(settings, origins)


def _meaning(place: Sequence[int | str]) -> str:
    """What the setting at ``place`` means, as a sentence that ends in a space; empty for a section or what is none."""
    model: Any = Settings
    info: FieldInfo | None = None
    for part in place:
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            break  # inside a list or a mapping: the setting's own description says what belongs there
        info = model.model_fields.get(str(part))
        model = None if info is None else info.annotation
    section = isinstance(model, type) and issubclass(model, BaseModel)
    return (
        f"It means: {info.description.rstrip('.')}. " if info is not None and info.description and not section else ""
    )


def _layer_of(field: str, origins: Mapping[str, str]) -> str | None:
    """The layer that decided a field, or else the first that decided one beside it in the same section."""
    section = field.partition(".")[0]
    return origins.get(field) or next((origins[f] for f in origins if f.startswith(f"{section}.")), None)


def _unknown(name: str, value: Any, origins: Mapping[str, str]) -> SettingsError:
    """The error about a name that is no setting: of a misspelt section, the first setting in it is named."""
    field = next((f for f in origins if f == name or f.startswith(f"{name}.")), name)
    for part in field.removeprefix(name).split(".")[1:]:
        value = value.get(part, value) if isinstance(value, Mapping) else value
    nearest = nearest_setting(field)
    return SettingsError(
        "unknown_setting",
        "there is no such setting",
        file=origins.get(field),
        field=field,
        value=value,
        remedy=f"{f'Did you mean {nearest}? ' if nearest else ''}"
        "`sam2-assets settings --explain` lists every setting with its meaning.",
    )


def nearest_setting(name: str) -> str | None:
    """The setting that a wrong name probably means: the same last word in another section, or a similar spelling."""
    known = [setting for setting, _, _ in describe()]
    last = name.rsplit(".", 1)[-1]
    moved = [setting for setting in known if setting.rsplit(".", 1)[-1] == last]
    found = difflib.get_close_matches(name, moved or known, n=1, cutoff=0.0 if moved else 0.6)
    return found[0] if found else None


def describe(model: type[BaseModel] = Settings, prefix: str = "") -> list[tuple[str, str, str]]:
    """Every setting as ``(name, default, meaning)``, sections flattened with dots."""
    rows: list[tuple[str, str, str]] = []
    for name, info in model.model_fields.items():
        default = info.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            rows += describe(type(default), f"{prefix}{name}.")
        else:
            rows.append((f"{prefix}{name}", str(default), info.description or ""))
    return rows


def write_section(section: BaseModel, folder: Path, name: str = "settings.json") -> None:
    """Record what was decided with the artifact it decided: the record enters the artifact's hash."""
    text = json.dumps(section.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False)
    (folder / name).write_text(text + "\n", encoding="utf-8")
