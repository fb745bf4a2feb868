"""The same video annotated and exported twice: people are told, and the corpus trains on it once."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import dagster as dg
import pytest

from sam2_assets import inbox
from sam2_assets.assets.repeats import APPEARANCE, SAME_VIDEO_AS, known_twins
from sam2_assets.assets.scope import CORPUS, VIDEO
from sam2_assets.cli.instance import Platform
from sam2_assets.cli.status import status
from sam2_assets.sample import SampleVideo
from sam2_assets.store import ArtifactRef
from sam2_assets_tests.conftest import Home, submit


def annotated_again(video: SampleVideo, folder: Path) -> Path:
    """Another export of the video: other names, and five frames fewer."""
    path = folder / "again.zip"
    with zipfile.ZipFile(video.export) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for member in source.infolist():
            data = source.read(member)
            if member.filename == "annotations.json":
                document = json.loads(data)
                del document["annotations"][5:10]
                for frame in document["annotations"]:
                    for found in frame["objects"]:
                        found["label"] += " again"
                data = json.dumps(document).encode()
            target.writestr(member, data)
    return path


def recorded_as_twin(platform: Platform, partition: str) -> str | None:
    event = platform.instance.fetch_materializations(VIDEO.key("raw_export"), limit=10).records
    newest = next(r.asset_materialization for r in event if r.partition_key == partition)
    assert newest is not None
    value = newest.metadata.get(SAME_VIDEO_AS)
    return None if value is None else str(value.value)


def test_a_video_annotated_twice_is_shown_by_status_and_report_and_the_corpus_uses_it_once(
    home: Home,
    tmp_path: Path,
    sample_videos: list[SampleVideo],
    tiny_settings: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    home.write_settings(tiny_settings)
    video = sample_videos[0]
    with home.platform() as platform:
        first = submit(platform, video)
        files = platform.store.open().inbox
        second = inbox.submit(files, annotated_again(video, tmp_path), video=video.source).partition
        for partition in (first, second):
            assert home.run(platform, "ingest_to_splits", partition).success
        assert recorded_as_twin(platform, first) is None, "the first of its kind"
        assert recorded_as_twin(platform, second) == first
        assert known_twins(platform.instance) == {first: [second], second: [first]}

        report = home.artifact(platform, VIDEO, "quality_report", second)
        words = f"Shows the same video as {first}; the corpus uses the one with more frames."
        assert words in (report / "report.html").read_text(encoding="utf-8")
        assert json.loads((report / "quality.json").read_text())["remarks"] == [words]
        # What the report says depends on the other export, so it names it among its inputs.
        manifest = json.loads((report / "manifest.json").read_text())
        twin = manifest["inputs"][f"{SAME_VIDEO_AS}:{first}"]
        assert home.artifact(platform, VIDEO, "raw_export", first) == platform.store.open().open(ArtifactRef(**twin))

        assert home.run(platform, "plan_corpus", None).success
        record = json.loads((home.artifact(platform, CORPUS, "splits", None) / "splits.json").read_text())
        assert [source["partition"] for source in record["sources"]] == [first]
        (left_out,) = record["rejected"]
        assert left_out["partition"] == second
        assert f"shows the same video as {first}" in left_out["reason"]

        monkeypatch.setenv("COLUMNS", "200")
        status(None)
        listed = capsys.readouterr().out
        for one, other in ((first, second), (second, first)):
            (row,) = (line for line in listed.splitlines() if f"│ {one} " in line)
            assert f"same video as {other}" in row
        status(first)
        assert f"shows the same video as {second}" in capsys.readouterr().out
        status("corpus")
        assert f"left out: {second}: shows the same video as {first}" in capsys.readouterr().out

        # Another video under the second name: it is no twin any longer, whatever the older imports recorded.
        looks = {"0": "ffffffffffffffff", "1": "0000000000000000"}
        key = VIDEO.key("raw_export")
        event = dg.AssetMaterialization(key, partition=second, metadata={APPEARANCE: json.dumps(looks)})
        platform.instance.report_runless_asset_event(event)
        assert known_twins(platform.instance) == {}
