"""Every real export goes through Dagster to its splits, and exactly the named gates keep it from being trained on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import leakage
from sam2_assets import inbox
from sam2_assets.assets.lineage import current
from sam2_assets.assets.scope import VIDEO
from sam2_assets.checks.gates import verdict
from sam2_assets.cli.instance import Platform
from sam2_assets.splitting import read_members
from sam2_assets_tests.conftest import Home, new_home

pytestmark = pytest.mark.xdist_group("exports")

PAGE = Path(__file__).resolve().parents[2] / "docs" / "splits.md"
STRATEGIES = ("temporal", "video", "stratified", "custom", "random")

# Twenty annotated frames, or fewer: after the guards nothing is left to test on.
SHORT_CLIPS = [
    "blackswan",
    "bmx-trees",
    "breakdance",
    "camel",
    "car-roundabout",
    "cows",
    "dance-twirl",
    "dog",
    "drift-chicane",
    "drift-straight",
    "goat",
    "horsejump-high",
    "kite-surf",
    "motocross-jump",
    "paragliding-launch",
    "soapbox",
]
CLOSED_GATES: dict[str, set[str]] = {
    "demo/camvid_0001TP_a": {"burnt_in_overlay"},  # painted pictures, and no source video of it
    "demo/davis_blackswan": {"enough_samples"},
    "demo/davis_bmx-trees": {"enough_samples"},
    "demo/davis_dog": {"enough_samples"},
    "clean/camvid_0001TP_a": set(),
    "clean/camvid_0006R0": set(),
    **{f"clean/davis_{name}": {"enough_samples"} for name in SHORT_CLIPS},
}


@pytest.fixture(scope="module")
def real_home(tmp_path_factory: pytest.TempPathFactory, tiny_llava: Path) -> Home:
    """One home for all; default settings but for a base model that exists here, and few pictures in the reports."""
    home = new_home(tmp_path_factory.mktemp("real") / "home")
    few = "quality: {contact_sheet_frames: 1, max_examples: 1}"
    home.write_settings(f"{few}\ntraining: {{base_model: {tiny_llava}, precision: fp32}}")
    return home


@pytest.fixture(scope="module")
def platform(real_home: Home) -> Iterator[Platform]:
    with real_home.platform() as opened:
        yield opened


def brought(name: str, shared_exports: Path, platform: Platform) -> str:
    """The partition of an export that lies in the inbox, with its source video if there is one."""
    source = shared_exports / "sources" / f"{Path(name).name}.mp4"
    video = source if name.startswith("demo/") and source.exists() else None
    # Both versions of a video carry one file name; a partition is named after the path in the inbox.
    folder = platform.store.open().inbox.below(Path(name).parent.as_posix())
    inbox.submit(folder, shared_exports / f"{name}.zip", video=video)
    return inbox.partition_key(f"{name}.zip")


@pytest.mark.parametrize("name", CLOSED_GATES)
def test_a_real_export_reaches_its_splits_and_its_gates_tell_what_stops_the_training(
    name: str, shared_exports: Path, real_home: Home, platform: Platform
) -> None:
    partition = brought(name, shared_exports, platform)
    outcome = real_home.run(platform, "ingest", partition)
    splits = current(platform.instance, VIDEO.key("splits"), partition)
    assert splits is not None, outcome.reasons
    evaluated = {gate.name: verdict(platform.instance, gate, splits) for gate in VIDEO.split_gates}
    closed = {n for n, r in evaluated.items() if r is not None and r.evaluation is not None and not r.evaluation.passed}
    assert all(evaluated.values()), "a gate was not evaluated"
    assert closed == CLOSED_GATES[name]
    planned = current(platform.instance, VIDEO.key("training_plan"), partition)
    assert outcome.success is (planned is not None) is (not closed)


def test_the_leakage_table_is_that_of_these_exports_and_only_random_splits_leak(
    shared_exports: Path, real_home: Home, platform: Platform
) -> None:
    members = {}
    for name in CLOSED_GATES:
        splits = current(platform.instance, VIDEO.key("splits"), inbox.partition_key(f"{name}.zip"))
        if splits is None:  # this test was chosen alone
            real_home.run(platform, "ingest_to_splits", brought(name, shared_exports, platform))
            splits = current(platform.instance, VIDEO.key("splits"), inbox.partition_key(f"{name}.zip"))
        assert splits is not None
        (members[name],) = read_members(platform.store.open().open(splits.ref)).values()
    table = leakage.leakage_table(members)
    page = PAGE.read_text(encoding="utf-8")
    assert f"{leakage.BEGIN}\n{table}\n{leakage.END}" in page, "run python -m benchmarks.leakage"
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    assert len(rows) == 3 * len(CLOSED_GATES) + 15
    leaks = {strategy: sum(int(n) for row in rows if row[1] == strategy for n in row[6:10]) for strategy in STRATEGIES}
    assert leaks.pop("random") > 0
    assert set(leaks.values()) == {0}
    assert sum(int(row[10].split(" of ")[0]) for row in rows) > 0


def test_every_export_beside_the_checkout_is_in_the_table(shared_exports: Path) -> None:
    found = {f"{p.parent.name}/{p.stem}" for kind in ("demo", "clean") for p in (shared_exports / kind).glob("*.zip")}
    assert found == set(CLOSED_GATES)
