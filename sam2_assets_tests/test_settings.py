"""Settings resolve in one order and errors name the layer that said it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sam2_assets.errors import SettingsError
from sam2_assets.settings import Layer, Settings, describe, read_layer, resolve


def test_later_layers_win_field_by_field_and_the_origin_is_recorded() -> None:
    project = Layer("settings.yaml", {"training": {"epochs": 5, "lora": {"rank": 8}}})
    sidecar = Layer("a.settings.yaml", {"training": {"lora": {"alpha": 4}}, "quality": {"waivers": {"speck": "fine"}}})
    form = Layer("launchpad", {"training": {"epochs": 1}})
    resolved = resolve([project, sidecar, form])
    training = resolved.settings.training
    assert (training.epochs, training.lora.rank, training.lora.alpha) == (1, 8, 4)
    assert resolved.origins["training.epochs"] == "launchpad"
    assert resolved.origins["training.lora.rank"] == "settings.yaml"
    assert resolved.origins["quality.waivers.speck"] == "a.settings.yaml"


def test_nothing_said_means_the_defaults() -> None:
    assert resolve([]).settings == Settings()


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"training": {"epochs": -1}}, "training.epochs"),
        ({"training": {"epoch": 1}}, "training.epoch"),
        ({"trainig": {}}, "trainig"),
        ({"training": {"lora": 3}}, "training.lora"),
    ],
)
def test_a_wrong_setting_is_named_with_its_file(values: dict[str, object], field: str) -> None:
    with pytest.raises(SettingsError) as caught:
        resolve([Layer("fine.yaml", {"splitting": {"seed": 1}}), Layer("bad.yaml", values)])
    assert (caught.value.file, caught.value.field) == ("bad.yaml", field)


@pytest.mark.parametrize(
    ("values", "field", "meant"),
    [
        ({"trainning": {"base_model": "x"}}, "trainning.base_model", "training.base_model"),
        ({"training": {"base_modle": "x"}}, "training.base_modle", "training.base_model"),
        ({"training": {"learning_rate": 1}}, "training.learning_rate", "training.optimizer.learning_rate"),
        ({"quality": {"waiver": {"speck": "fine"}}}, "quality.waiver.speck", "quality.waivers"),
    ],
)
def test_a_wrong_name_is_refused_with_the_nearest_right_one(values: dict[str, object], field: str, meant: str) -> None:
    with pytest.raises(SettingsError) as caught:
        resolve([Layer("bad.yaml", values)])
    error = caught.value
    assert (error.code, error.file, error.field) == ("unknown_setting", "bad.yaml", field)
    assert f"Did you mean {meant}?" in str(error)


def test_a_name_like_no_other_gets_no_guess() -> None:
    with pytest.raises(SettingsError) as caught:
        resolve([Layer("bad.yaml", {"zzz": {"qqq": 1}})])
    assert "Did you mean" not in str(caught.value)


def test_a_learning_rate_in_either_yaml_spelling_is_a_number(tmp_path: Path) -> None:
    for text in ("2e-4", "2.0e-4"):
        path = tmp_path / "s.yaml"
        path.write_text(f"training: {{optimizer: {{learning_rate: {text}}}}}")
        assert resolve([read_layer(path)]).settings.training.optimizer.learning_rate == 2e-4


def test_files_that_are_not_settings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("a: [1\n")
    with pytest.raises(SettingsError, match="line"):
        read_layer(path)
    path.write_text("- 1\n")
    with pytest.raises(SettingsError, match="pairs"):
        read_layer(path)
    with pytest.raises(SettingsError, match=r"absent\.yaml: there is no such file"):
        read_layer(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"instructions": {"tasks": ["detect", "segmnt"]}}, "b.yaml: instructions.tasks = 'segmnt': no such task"),
        ({"instructions": {"languages": ["fr"]}}, "b.yaml: instructions.languages = 'fr': no such language"),
        ({"instructions": {"formats": ["yolo"]}}, "b.yaml: instructions.formats = 'yolo': no such format"),
        ({"instructions": {"questions": {"locate": "Where?"}}}, "b.yaml: instructions.questions.locate = 'Where?'"),
        ({"splitting": {"val": 0.2, "test": 0.2}}, "b.yaml: splitting.train + val + test = 1.2: "),
    ],
)
def test_what_no_step_could_follow_is_refused_at_once_naming_file_and_field(values: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        resolve([Layer("a.yaml", {"training": {"epochs": 2}}), Layer("b.yaml", values)])
    assert str(caught.value).startswith(said)


def test_every_setting_has_a_meaning() -> None:
    rows = describe()
    assert len(rows) > 50
    assert not [name for name, _, meaning in rows if not meaning]
