"""A line that went to the end once, on a tiny model with the real architecture; and homes to start from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from sam2_assets import inbox
from sam2_assets.approvals import approve
from sam2_assets.assets.lineage import current
from sam2_assets.assets.scope import CORPUS, VIDEO, Scope
from sam2_assets.cli.instance import Platform
from sam2_assets.sample import SampleVideo
from sam2_assets.training.plan import PLAN_FILE, Plan
from sam2_assets_tests.conftest import Home, new_home
from sam2_assets_tests.training.tiny_models import build_tiny_llava

TINY_SETTINGS = (Path(__file__).parent / "tiny_settings.yaml").read_text(encoding="utf-8")
Submit = Callable[..., str]


@pytest.fixture(scope="session")
def tiny_llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_llava(tmp_path_factory.mktemp("tiny-llava"))


@pytest.fixture(scope="session")
def tiny_settings(tiny_llava: Path) -> str:
    return TINY_SETTINGS.replace("training:\n", f"training:\n  base_model: {tiny_llava}\n")


def submit(platform: Platform, video: SampleVideo, *, with_source: bool = True) -> str:
    folder = platform.store.open().inbox
    return inbox.submit(folder, video.export, video=video.source if with_source else None).partition


def approve_plan(platform: Platform, scope: Scope, partition: str | None) -> Plan:
    found = current(platform.instance, scope.key("training_plan"), partition)
    assert found is not None
    store = platform.store.open()
    plan = Plan.read(store.open(found.ref) / PLAN_FILE)
    approve(store.root, plan.plan_hash, "a test")
    return plan


@dataclass(frozen=True)
class TrainedHome:
    """Two videos, one of them and the corpus trained to the end."""

    home: Home
    partition: str
    other: str


@pytest.fixture(scope="session")
def trained(
    tmp_path_factory: pytest.TempPathFactory, sample_videos: list[SampleVideo], tiny_settings: str
) -> TrainedHome:
    home = new_home(tmp_path_factory.mktemp("trained") / "home")
    home.write_settings(tiny_settings)
    with home.platform() as platform:
        partitions = [submit(platform, video) for video in sample_videos]
        for partition in partitions:
            assert home.run(platform, "ingest", partition).success
        approve_plan(platform, VIDEO, partitions[0])
        outcome = home.run(platform, "train_video", partitions[0])
        assert outcome.success, outcome.reasons
        assert home.run(platform, "plan_corpus", None).success
        approve_plan(platform, CORPUS, None)
        outcome = home.run(platform, "train_corpus", None)
        assert outcome.success, outcome.reasons
    return TrainedHome(home, partitions[0], partitions[1])
