"""The corpus through Dagster: what it reads when a video arrives, and what it does when its own memory is damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.corpus import Corpus, measure, platform_of_its_own
from sam2_assets.assets.lineage import current
from sam2_assets.assets.scope import CORPUS
from sam2_assets.cli.instance import add_partition
from sam2_assets.settings import CORPUS_FILE
from sam2_assets.store import MANIFEST


def test_one_more_video_costs_that_one_only_and_a_damaged_memory_deals_nothing_anew(tmp_path: Path) -> None:
    with platform_of_its_own(tmp_path) as platform:
        corpus = Corpus(platform, tmp_path, 100, [])
        add_partition(platform.instance, "bats-000000")
        found = measure(corpus, 1)
        # When the second one came, nothing that was published of the first was there any more.
        assert found["folders_taken_away"] == 4
        assert [found[step]["videos_read"] for step in ("first", "again", "grown")] == [1, 0, 1]
        assert [found[step]["frames_moved"] for step in ("again", "grown")] == [0, 0]
        assert found["frames"] == 200
        assert all(ratio["cpu_s"] > 0 for ratio in found["ratio"].values())
        store = platform.store.open()
        newest = current(platform.instance, CORPUS.key("splits"), None)
        assert newest is not None
        splits = json.loads((store.open(newest.ref) / "splits.json").read_text(encoding="utf-8"))
        assert {source["partition"] for source in splits["sources"]} == set(corpus.partitions)
        assert set(store.inputs(newest.ref)) >= {f"splits:{name}" for name in corpus.partitions}

        (record,) = platform.instance.fetch_materializations(CORPUS.key("splits"), limit=1).records
        event = record.asset_materialization
        assert event is not None
        assert event.metadata["without_splits"].value == "- `sam2-assets status bats-000000`"

        (tmp_path / "store" / newest.ref.path / MANIFEST).unlink()
        with pytest.raises(RuntimeError, match=r"splitting\.resplit = 0: the version before cannot be read"):
            corpus.merge()
        # Asked to deal anew, it reads all of them again.
        for place in (tmp_path / "aside").glob("*/*"):
            place.rename(tmp_path / "store" / "artifacts" / place.relative_to(tmp_path / "aside"))
        store.files.write(CORPUS_FILE, b"splitting: {resplit: 1}")
        assert corpus.merge()["videos_read"] == 2
