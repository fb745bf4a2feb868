"""A second demo in a store that holds an export of the user's."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam2_assets.cli import demo
from sam2_assets.errors import DatasetError
from sam2_assets.sample import SampleVideo
from sam2_assets_tests.conftest import TrainedHome

pytestmark = pytest.mark.xdist_group("trained")


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_demo_neither_plans_nor_approves_a_corpus_with_an_export_of_the_users(
    trained: TrainedHome,
    sample_videos: list[SampleVideo],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The sample has one video, and the other one is what the user has brought.
    monkeypatch.setattr(demo, "_sample", lambda clock: sample_videos[:1])
    monkeypatch.setattr(demo, "_base_model", lambda clock: None)
    monkeypatch.setenv("DAGSTER_HOME", str(trained.home.folder))
    monkeypatch.setenv("SAM2_ASSETS_ROOT", trained.home.root)
    approved = files(trained.home.store / "approvals")
    artifacts = sorted((trained.home.store / "artifacts").rglob("*"))
    with pytest.raises(DatasetError, match=r"launch plan_corpus.*approve corpus") as refused:
        demo.run(1)
    assert (refused.value.code, refused.value.value) == ("not_the_sample", repr(trained.other))
    assert files(trained.home.store / "approvals") == approved
    assert sorted((trained.home.store / "artifacts").rglob("*")) == artifacts
    assert not (trained.home.store / "corpus.settings.yaml").exists()
    with trained.home.platform() as platform:
        both = {trained.partition, trained.other}
        measured = demo.scores_of(platform, both)
        assert measured is not None
        assert measured["tasks"]
        assert demo.scores_of(platform, {trained.partition}) is None
