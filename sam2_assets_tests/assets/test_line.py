"""The whole line through Dagster, on the sample and a tiny model: what it publishes and how it is traced."""

from __future__ import annotations

import json
from typing import Any

import dagster as dg
import pytest

from sam2_assets.assets.lineage import current
from sam2_assets.assets.scope import CORPUS, VIDEO
from sam2_assets.checks.gates import verdict
from sam2_assets.cli.targets import STATIONS
from sam2_assets.sample import SampleVideo
from sam2_assets.store import MANIFEST
from sam2_assets_tests.conftest import Home, TrainedHome, submit

pytestmark = pytest.mark.xdist_group("trained")


def recorded_tags(instance: dg.DagsterInstance, name: str, partition: str) -> dict[str, str]:
    event = instance.get_latest_data_version_record(VIDEO.key(name), partition_key=partition)
    assert event is not None
    assert event.asset_materialization is not None
    return dict(event.asset_materialization.tags or {})


def test_every_station_published_what_dagster_recorded(trained: TrainedHome) -> None:
    with trained.home.platform() as platform:
        store = platform.store.open()
        for name in STATIONS:
            found = current(platform.instance, VIDEO.key(name), trained.partition)
            assert found is not None, name
            tags = recorded_tags(platform.instance, name, trained.partition)
            assert tags["dagster/data_version"] == found.ref.sha256
            assert (store.open(found.ref) / MANIFEST).is_file()


def test_an_artifact_leads_back_to_the_upload(trained: TrainedHome) -> None:
    with trained.home.platform() as platform:
        store = platform.store.open()
        found = current(platform.instance, CORPUS.key("deploy_image"), None)
        assert found is not None
        used = store.inputs(found.ref)
        assert {"model_card", "evaluation", "lora_adapter", "training_plan", "splits"} <= set(used)
        members = store.inputs(used["splits"])
        raw = store.inputs(members[f"splits:{trained.partition}"])["raw_export"]
        record = json.loads((store.open(raw) / "import.json").read_text(encoding="utf-8"))
        assert record["archive"]["name"].endswith(".zip")


def test_the_next_step_shows_as_fresh_because_the_versions_really_read_are_recorded(trained: TrainedHome) -> None:
    with trained.home.platform() as platform:
        read = current(platform.instance, VIDEO.key("raw_export"), trained.partition)
        assert read is not None
        tags = recorded_tags(platform.instance, "instruction_dataset", trained.partition)
        assert tags["dagster/input_data_version/raw_export"] == read.ref.sha256


def test_the_corpus_holds_every_video_and_its_test_frames_come_from_all(trained: TrainedHome) -> None:
    with trained.home.platform() as platform:
        folder = trained.home.artifact(platform, CORPUS, "splits", None)
        record = json.loads((folder / "splits.json").read_text(encoding="utf-8"))
        assert {source["partition"] for source in record["sources"]} == {trained.partition, trained.other}
        scores = json.loads((trained.home.artifact(platform, CORPUS, "evaluation", None) / "scores.json").read_text())
        assert "main_object" in scores["tasks"]


def test_a_second_import_of_the_same_bytes_changes_no_data_version(trained: TrainedHome) -> None:
    with trained.home.platform() as platform:
        names = ("raw_export", "instruction_dataset", "quality_report", "splits", "training_plan")
        before = {n: current(platform.instance, VIDEO.key(n), trained.other) for n in names}
        assert trained.home.run(platform, "ingest_to_splits", trained.other).success
        for name in names[:-1]:
            after, was = current(platform.instance, VIDEO.key(name), trained.other), before[name]
            assert after is not None
            assert was is not None
            assert after.ref.path != was.ref.path
            assert after.ref.sha256 == was.ref.sha256, name


def test_the_metadata_panel_shows_pictures_tables_and_the_report(trained: TrainedHome) -> None:
    with trained.home.platform() as platform:

        def metadata(name: str) -> dict[str, dg.MetadataValue[Any]]:
            event = platform.instance.get_latest_data_version_record(VIDEO.key(name), partition_key=trained.partition)
            assert event is not None
            assert event.asset_materialization is not None
            return dict(event.asset_materialization.metadata)

        assert str(metadata("raw_export")["preview"].value).startswith("![masks and boxes](data:image/jpeg;base64,")
        assert isinstance(metadata("raw_export")["labels"], dg.TableMetadataValue)
        assert "# " in str(metadata("quality_report")["report"].value)
        assert metadata("quality_report")["frames"].value == 40
        assert "data:image/jpeg" in str(metadata("lora_adapter")["loss_curve"].value)
        assert "majority" in str(metadata("evaluation")["scoreboard"].value).lower()


def test_progress_of_the_child_is_visible_as_observations(trained: TrainedHome) -> None:
    with trained.home.platform() as platform:
        records = platform.instance.fetch_observations(VIDEO.key("lora_adapter"), limit=50).records
        phases = {
            str(r.asset_observation.metadata["phase"].value)
            for r in records
            if r.asset_observation is not None and "phase" in r.asset_observation.metadata
        }
        assert "finished" in phases


def test_an_overlay_export_without_its_video_reaches_splits_and_stops_there(
    home: Home, sample_videos: list[SampleVideo], tiny_settings: str
) -> None:
    home.write_settings(tiny_settings)
    with home.platform() as platform:
        partition = submit(platform, sample_videos[0], with_source=False)
        outcome = home.run(platform, "ingest", partition)
        assert not outcome.success
        splits = current(platform.instance, VIDEO.key("splits"), partition)
        assert splits is not None
        gate = verdict(platform.instance, VIDEO.gate("splits", "burnt_in_overlay"), splits)
        assert gate is not None
        assert gate.evaluation is not None
        assert not gate.evaluation.passed
        assert current(platform.instance, VIDEO.key("training_plan"), partition) is None
        assert "burnt_in_overlay" in home.command("status", partition).stdout

        # A waiver with a reason opens the gate, and is written down with the splits.
        home.command("settings", partition, "--set", "quality.waivers.burnt_in_overlay=a trial", check=True)
        assert home.run(platform, "ingest", partition).success
        record = json.loads((home.artifact(platform, VIDEO, "splits", partition) / "splits.json").read_text())
        assert [(w["gate"], w["reason"]) for w in record["waivers"]] == [("burnt_in_overlay", "a trial")]
        report = home.artifact(platform, VIDEO, "quality_report", partition) / "report.md"
        assert "Accepted because: a trial" in report.read_text(encoding="utf-8")

        # It goes into the corpus under the name of its video; a waiver that a clean video does not need does not.
        other = submit(platform, sample_videos[1])
        home.command("settings", other, "--set", "quality.waivers.burnt_in_overlay=just in case", check=True)
        assert home.run(platform, "ingest_to_splits", other).success
        assert home.run(platform, "plan_corpus", None).success
        record = json.loads((home.artifact(platform, CORPUS, "splits", None) / "splits.json").read_text())
        assert {source["partition"] for source in record["sources"]} == {partition, other}
        waived = [(w["partition"], w["gate"], w["reason"]) for w in record["waivers"]]
        assert waived == [(partition, "burnt_in_overlay", "a trial")]


def test_the_image_of_one_export_is_asked_for_by_its_job_and_without_an_engine_the_metadata_says_so(
    trained: TrainedHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    with trained.home.platform() as platform:
        said = []
        for asked in (False, True):
            if asked:
                outcome = trained.home.run(platform, "image_video", trained.partition)
                assert outcome.success, outcome.reasons
            record = platform.instance.fetch_materializations(
                dg.AssetRecordsFilter(VIDEO.key("deploy_image"), asset_partitions=[trained.partition]), limit=1
            ).records[0]
            made = record.asset_materialization
            assert made is not None
            said.append(str(made.metadata["image"].value))
            assert made.metadata["served_by"].value == "process"
    assert said[0] == "not built: deployment.build asks for no image here"
    assert said[1].startswith("not built: ")
    assert "no Docker Engine answers" in said[1]
