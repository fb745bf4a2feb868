"""Launchpad forms are the core's settings models, all optional; what is typed in wins over every file, for one run."""

import enum
import json
import typing as t
from pathlib import Path

import dagster as dg
import pytest
from dagster._config.pythonic_config import infer_schema_from_config_class
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sam2_assets.assets.forms import filled, form_of
from sam2_assets.assets.scope import VIDEO
from sam2_assets.cli.targets import STATIONS
from sam2_assets.definitions import build_definitions
from sam2_assets.sample import SampleVideo
from sam2_assets.settings import Settings
from sam2_assets_tests.conftest import Home, submit

SECTIONS = {name: type(info.get_default()) for name, info in Settings.model_fields.items()}
OF_STATION = {
    "raw_export": "importing",
    "instruction_dataset": "instructions",
    "quality_report": "quality",
    "splits": "splitting",
    "training_plan": "training",
    "evaluation": "evaluation",
    "model_card": "card",
    "deploy_image": "deployment",
}


def shape(model: type[BaseModel]) -> dict[str, t.Any]:
    """Field names, sections nested."""
    fields: dict[str, t.Any] = {}
    for name, info in model.model_fields.items():
        default = info.get_default(call_default_factory=True)
        fields[name] = shape(type(default)) if isinstance(default, BaseModel) else None
    return fields


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    rank: int = Field(default=16, ge=1, description="of the matrices")
    targets: str | None = Field(default=None, description="which layers")


class Everything(BaseModel):
    """One field of every type that a setting may have."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str = Field(default="a", description="a text")
    count: int = Field(default=3, ge=1, description="a count")
    share: float = Field(default=0.5, gt=0, lt=1, description="a share")
    yes: bool = Field(default=True, description="a switch")
    precision: t.Literal["fp32", "bf16"] = Field(default="bf16", description="a choice")
    maybe_text: str | None = Field(default=None, description="a text or nothing")
    maybe_count: int | None = Field(default=None, description="a count or nothing")
    maybe_share: float | None = Field(default=None, description="a share or nothing")
    names: list[str] = Field(default=["x"], description="a list")
    words: dict[str, str] = Field(default={}, description="words by name")
    numbers: dict[str, float] = Field(default={}, description="numbers by name")
    inner: Inner = Field(default=Inner(), description="a section")


CHOSEN: dict[str, t.Any] = {
    "text": "b",
    "count": 7,
    "share": 0.25,
    "yes": False,
    "precision": "fp32",
    "maybe_text": "c",
    "maybe_count": 0,
    "maybe_share": 0.0,
    "names": [],
    "words": {"a": "b"},
    "numbers": {"a": 1.5},
    "inner": {"rank": 2, "targets": "all"},
}


@pytest.mark.parametrize("section", SECTIONS)
def test_a_form_has_exactly_the_fields_of_its_model_with_meaning_and_default(section: str) -> None:
    model = SECTIONS[section]
    form = form_of(model)
    assert shape(form) == shape(model)
    for name, info in model.model_fields.items():
        if not isinstance(info.get_default(call_default_factory=True), BaseModel):
            shown = form.model_fields[name].description or ""
            assert info.description
            assert shown.startswith(info.description)
            assert "(default: " in shown


def test_every_station_with_settings_shows_the_form_of_its_section() -> None:
    """Through Dagster itself: the config schema of each asset's op, in both scopes."""
    definitions = build_definitions()
    graph = definitions.resolve_asset_graph()
    forms = {}
    for key in graph.materializable_asset_keys:
        kind = definitions.resolve_assets_def(key).op.config_schema.config_type
        forms[key.to_user_string()] = set(getattr(kind, "fields", {}))  # without a form it is Any
    for station in STATIONS:
        section = OF_STATION.get(station)
        expected = set(SECTIONS[section].model_fields) if section else set()
        assert forms[station] == expected, station
        if f"corpus/{station}" in forms:
            assert forms[f"corpus/{station}"] == expected, station
    # Who is told what is no station's: sensors obey it.
    assert {*OF_STATION.values(), "notifications"} == set(SECTIONS)


@pytest.mark.parametrize("model", [*SECTIONS.values(), Everything])
def test_an_empty_form_builds_in_dagster_and_overrides_nothing(model: type[BaseModel]) -> None:
    form = form_of(model)
    field = infer_schema_from_config_class(form)
    assert not field.is_required, "a run that a sensor starts has no form"
    assert filled(form()) == {}


def given(form: type[dg.Config], values: dict[str, t.Any]) -> dict[str, t.Any]:
    """What an asset sees in ``filled`` when a person types these values into the launchpad."""
    seen: list[dict[str, t.Any]] = []

    @dg.asset(name="typed")
    def typed(config: form) -> None:  # type: ignore[valid-type]
        seen.append(filled(config))

    typed_config = {"ops": {"typed": {"config": values}}}
    assert dg.materialize([typed], run_config=typed_config).success
    return seen[0]


def test_every_type_survives_the_launchpad_and_means_what_was_typed() -> None:
    form = form_of(Everything)
    values = given(form, CHOSEN)
    assert values == CHOSEN
    assert not any(isinstance(value, enum.Enum) for value in values.values())
    assert Everything.model_validate(values) == Everything.model_validate(CHOSEN)


@pytest.mark.parametrize("name", [name for name in CHOSEN if name != "inner"])
def test_one_filled_field_is_one_override_also_when_it_is_zero_false_or_empty(name: str) -> None:
    form = form_of(Everything)
    assert filled(form(**{name: CHOSEN[name]})) == {name: CHOSEN[name]}


def test_one_filled_field_of_a_section_leaves_its_neighbours_to_the_files() -> None:
    assert given(form_of(Everything), {"inner": {"rank": 4}}) == {"inner": {"rank": 4}}


def test_a_choice_that_does_not_exist_is_refused_before_the_run_starts() -> None:
    with pytest.raises((dg.DagsterInvalidConfigError, ValidationError), match="fp16"):
        given(form_of(Everything), {"precision": "fp16"})


def seed_of(home: Home, sample: SampleVideo, form: dict[str, t.Any] | None, sidecar: str | None) -> dict[str, t.Any]:
    """The settings that the splits of a real run record."""
    with home.platform() as platform:
        partition = submit(platform, sample)
        if sidecar is not None:
            platform.store.open().inbox.write(f"{sample.export.stem}.settings.yaml", sidecar.encode())
        platform.instance.add_dynamic_partitions("videos", [partition])
        config = {"ops": {"splits": {"config": form}}} if form else {}
        job = platform.definitions.resolve_job_def("ingest_to_splits")
        assert job.execute_in_process(instance=platform.instance, partition_key=partition, run_config=config).success
        folder: Path = home.artifact(platform, VIDEO, "splits", partition)
        recorded: dict[str, t.Any] = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
        return recorded


def test_the_launchpad_wins_over_the_sidecar_and_the_sidecar_over_the_project_file(
    home: Home, sample_videos: list[SampleVideo]
) -> None:
    home.write_settings("splitting: {seed: 1, guard_gap_s: 0.25, block_s: 0.5, min_val_frames: 2, min_test_frames: 2}")
    sidecar = "splitting: {seed: 2, guard_gap_s: 0.3}"
    once = seed_of(home, sample_videos[0], {"seed": 3}, sidecar)
    assert (once["seed"], once["guard_gap_s"], once["block_s"], once["train"]) == (3, 0.3, 0.5, 0.8)
    # A form holds for its run only: what a sensor starts next follows the files.
    again = seed_of(home, sample_videos[0], None, sidecar)
    assert (again["seed"], again["guard_gap_s"], again["block_s"]) == (2, 0.3, 0.5)


def test_a_value_out_of_range_in_the_launchpad_fails_its_step_and_names_the_field(
    home: Home, sample_videos: list[SampleVideo]
) -> None:
    with home.platform() as platform:
        partition = submit(platform, sample_videos[0])
        platform.instance.add_dynamic_partitions("videos", [partition])
        whole = platform.definitions.resolve_implicit_global_asset_job_def()
        job = whole.get_subset(asset_selection={VIDEO.key("raw_export")})
        result = job.execute_in_process(
            instance=platform.instance,
            partition_key=partition,
            run_config={"ops": {"raw_export": {"config": {"fps_assumed": -1.0}}}},
            raise_on_error=False,
        )
        failures = [e.step_failure_data.user_failure_data for e in result.all_events if e.is_step_failure]
        said = next(failure for failure in failures if failure is not None)
        assert said.description is not None
        assert "launchpad: importing.fps_assumed = -1.0" in said.description
