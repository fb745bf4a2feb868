"""What must not happen does not: bad input publishes nothing, and no manual run goes around a gate."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path

import dagster as dg
import pytest

from sam2_assets import inbox
from sam2_assets.assets.lineage import current
from sam2_assets.assets.scope import VIDEO
from sam2_assets.sample import SampleVideo
from sam2_assets_tests.conftest import Home, approve_plan, submit


def corrupted(export: Path, out: Path) -> Path:
    """The export with one byte in the middle of a picture changed."""
    data = bytearray(export.read_bytes())
    data[len(data) // 2] ^= 0xFF
    out.write_bytes(data)
    return out


def escaping(export: Path, out: Path) -> Path:
    out.write_bytes(export.read_bytes())
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("../../escaped.txt", "x")
    return out


def negative_run(export: Path, out: Path) -> Path:
    with zipfile.ZipFile(export) as source, zipfile.ZipFile(out, "w") as target:
        for member in source.infolist():
            data = source.read(member)
            if member.filename == "annotations.json":
                document = json.loads(data)
                frame = next(f for f in document["annotations"] if f["objects"])
                frame["objects"][0]["mask_rle"] = "65540 -4"
                data = json.dumps(document).encode()
            target.writestr(member, data)
    return out


@pytest.mark.parametrize(
    ("spoil", "words"),
    [(corrupted, "crc"), (escaping, "../../escaped.txt"), (negative_run, "mask_rle")],
)
def test_a_bad_export_is_refused_by_name_publishes_nothing_and_the_partition_shows_why(
    home: Home, tmp_path: Path, sample_videos: list[SampleVideo], spoil: object, words: str
) -> None:
    assert callable(spoil)
    bad = spoil(sample_videos[0].export, tmp_path / "bad.zip")
    inspected = home.command("inspect", bad, "--json")
    assert inspected.returncode == 2
    assert inspected.stderr.count("\n") == 1
    assert words in inspected.stderr.lower()
    assert json.loads(inspected.stdout)["error"]["code"]
    # The command refuses it at the door ...
    submitted = home.command("submit", bad)
    assert (submitted.returncode, submitted.stderr) == (2, inspected.stderr)
    with home.platform() as platform:
        assert inbox.scan(platform.store.open().inbox) == []
        assert platform.instance.get_dynamic_partitions("videos") == []
        # ... and one that was dropped into the folder by hand fails with the same sentence.
        upload = inbox.submit(platform.store.open().inbox, bad)
        assert not home.run(platform, "ingest", upload.partition).success
        assert current(platform.instance, VIDEO.key("raw_export"), upload.partition) is None
        assert not [p for p in (home.store / "artifacts").rglob("*") if p.is_file()]
        assert not list(tmp_path.parent.rglob("escaped.txt"))
        shown = home.command("status", upload.partition).stdout
        assert words in " ".join(shown.lower().split())


def test_bad_input_never_loses_the_good_version(home: Home, tmp_path: Path, sample_videos: list[SampleVideo]) -> None:
    with home.platform() as platform:
        partition = submit(platform, sample_videos[0])
        assert home.run(platform, "ingest_to_splits", partition).success
        before = current(platform.instance, VIDEO.key("splits"), partition)
        bad = negative_run(sample_videos[0].export, tmp_path / sample_videos[0].export.name)
        files = platform.store.open().inbox
        uploaded = {file.name: file.version for file in files.list()}
        other_video = sample_videos[1].source
        for arguments in [(bad, "--video", sample_videos[0].source), (sample_videos[0].export, "--video", other_video)]:
            refused = home.command("submit", *arguments)
            assert refused.returncode == 2, refused.stdout
            assert refused.stderr.startswith("sam2-assets: ")
            assert {file.name: file.version for file in files.list()} == uploaded
        files.remove(sample_videos[0].source.name)
        inbox.submit(files, bad)
        assert not home.run(platform, "ingest_to_splits", partition).success
        after = current(platform.instance, VIDEO.key("splits"), partition)
        assert before is not None
        assert after == before
        assert platform.store.open().open(before.ref).is_dir()


def run_one(
    definitions: dg.Definitions, instance: dg.DagsterInstance, name: str, partition: str, *, checks: bool = True
) -> list[str]:
    """Materialize one asset alone, as the UI's Materialize button does; why its step failed."""
    whole = definitions.resolve_implicit_global_asset_job_def()
    selection = {VIDEO.key(name)}
    job = whole.get_subset(asset_selection=selection, asset_check_selection=None if checks else set())
    result = job.execute_in_process(instance=instance, partition_key=partition, raise_on_error=False)
    return [
        event.step_failure_data.user_failure_data.description or ""
        for event in result.all_events
        if event.is_step_failure and event.step_failure_data.user_failure_data
    ]


# The estimate of a training on this card is the minute of its start; the pace that is measured takes hours.
TOO_LONG = {
    "max_steps: 6": "max_steps: 1000000",
    "peak_tflops: 0.2}": "peak_tflops: 1000.0}\n  budget: {max_gpu_hours: 0.1}",
}


def test_a_manual_run_over_a_failed_gate_an_unapproved_plan_or_the_budget_is_refused_with_the_reason(
    home: Home, sample_videos: list[SampleVideo], tiny_settings: str
) -> None:
    for short, long in TOO_LONG.items():
        assert short in tiny_settings
        tiny_settings = tiny_settings.replace(short, long)
    home.write_settings(tiny_settings)
    with home.platform() as platform:
        partition = submit(platform, sample_videos[0])
        assert home.run(platform, "ingest", partition).success
        (why,) = run_one(platform.definitions, platform.instance, "lora_adapter", partition)
        assert "nobody has approved it" in why
        assert f"sam2-assets approve {partition}" in why

        approve_plan(platform, VIDEO, partition)
        # The plan's own gate let it pass; the first steps are measured.
        (why,) = run_one(platform.definitions, platform.instance, "lora_adapter", partition)
        assert re.search(
            r"budget\.max_gpu_hours = 0\.1: 1000000 steps of \d+\.\d\d s as measured take [\d.]+ hours", why
        )

        # The upload is replaced by one without its video: its overlay gate fails, the old plan stays.
        store = platform.store.open()
        store.inbox.remove(sample_videos[0].source.name)
        assert not home.run(platform, "ingest", partition).success
        (why,) = run_one(platform.definitions, platform.instance, "training_plan", partition)
        assert "gate burnt_in_overlay failed" in why

        # A plan whose own gate fails: it would not fit the card.
        waived, small = "quality.waivers.burnt_in_overlay=trial", "training.card.memory_gib=0.001"
        home.command("settings", partition, "--set", waived, "--set", small, check=True)
        assert not home.run(platform, "ingest", partition).success
        approve_plan(platform, VIDEO, partition)
        (why,) = run_one(platform.definitions, platform.instance, "lora_adapter", partition)
        assert "gate fits_card failed" in why
        assert current(platform.instance, VIDEO.key("lora_adapter"), partition) is None


def test_a_gate_that_never_ran_on_this_data_is_closed(home: Home, sample_videos: list[SampleVideo]) -> None:
    with home.platform() as platform:
        partition = submit(platform, sample_videos[0])
        platform.instance.add_dynamic_partitions("videos", [partition])
        assert not run_one(platform.definitions, platform.instance, "raw_export", partition, checks=False)
        (why,) = run_one(platform.definitions, platform.instance, "instruction_dataset", partition)
        assert "never ran on this data" in why


def test_an_archive_without_annotations_says_what_is_missing(home: Home, tmp_path: Path) -> None:
    empty = tmp_path / "empty.zip"
    buffer = io.BytesIO()
    zipfile.ZipFile(buffer, "w").close()
    empty.write_bytes(buffer.getvalue())
    done = home.command("inspect", empty)
    assert done.returncode == 2
    assert "annotations.json" in done.stderr
