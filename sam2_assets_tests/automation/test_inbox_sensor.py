"""What lies in the inbox is imported once: planned as a pure function, as a sensor tick, and by a real daemon."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from sam2_assets.assets.scope import VIDEO
from sam2_assets.assets.video import UPLOAD_FINGERPRINT
from sam2_assets.automation.inbox_sensor import MOST_PER_TICK, SETTLE_S, TickPlan, inbox_sensor, plan_tick
from sam2_assets.inbox import Upload, scan
from sam2_assets.partitions import videos
from sam2_assets.resources import StoreResource
from sam2_assets.storage import FolderStorage

NOW = 2_000_000_000.0


def put(path: Path, text: str = "x", *, age: float = 100.0, now: float = NOW) -> Path:
    """A file that was last touched ``age`` seconds before ``now``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (now - age, now - age))
    return path


def plan(inbox: Path, cursor: dict[str, str] | None = None, most: int = MOST_PER_TICK) -> TickPlan:
    return plan_tick(scan(FolderStorage(inbox)), cursor or {}, now=NOW, most=most)


def keys(launches: tuple[Upload, ...]) -> list[str]:
    return [upload.object_key for upload in launches]


def test_a_new_export_is_launched_once(tmp_path: Path) -> None:
    put(tmp_path / "a.zip")
    first = plan(tmp_path)
    assert keys(first.launches) == ["a.zip"]
    second = plan(tmp_path, first.cursor)
    assert (second.launches, second.waiting, second.cursor) == ((), 0, first.cursor)


@pytest.mark.parametrize("touched", ["a.zip", "a.mp4", "a.settings.yaml"])
def test_a_change_of_the_export_or_of_what_belongs_to_it_is_news(tmp_path: Path, touched: str) -> None:
    for name in ("a.zip", "a.mp4", "a.settings.yaml", "b.zip"):
        put(tmp_path / name)
    cursor = plan(tmp_path).cursor
    put(tmp_path / touched, "another text", age=50)
    again = plan(tmp_path, cursor)
    assert keys(again.launches) == ["a.zip"]
    assert plan(tmp_path, again.cursor).launches == ()


@pytest.mark.parametrize("growing", ["a.zip", "a.mp4", "a.settings.yaml"])
def test_an_upload_still_being_copied_waits_and_is_not_forgotten(tmp_path: Path, growing: str) -> None:
    for name in ("a.zip", "a.mp4", "a.settings.yaml", "b.zip"):
        put(tmp_path / name)
    put(tmp_path / growing, age=SETTLE_S - 0.1)
    tick = plan(tmp_path)
    assert (keys(tick.launches), tick.waiting) == (["b.zip"], 1)
    put(tmp_path / growing, age=SETTLE_S)
    assert keys(plan(tmp_path, tick.cursor).launches) == ["a.zip"]


def test_a_flood_is_taken_in_portions_in_order_without_gap_or_repetition(tmp_path: Path) -> None:
    names = [f"{i:03}.zip" for i in range(MOST_PER_TICK + 7)]
    for name in names:
        put(tmp_path / name)
    first = plan(tmp_path)
    assert keys(first.launches) == names[:MOST_PER_TICK]
    assert first.waiting == 7
    second = plan(tmp_path, first.cursor)
    assert keys(second.launches) == names[MOST_PER_TICK:]
    assert plan(tmp_path, second.cursor).launches == ()


def test_a_file_that_vanishes_and_returns_unchanged_is_not_news_but_a_changed_one_is(tmp_path: Path) -> None:
    put(tmp_path / "a.zip")
    cursor = plan(tmp_path).cursor
    (tmp_path / "a.zip").unlink()
    gone = plan(tmp_path, cursor)
    assert (gone.launches, gone.waiting, gone.cursor) == ((), 0, cursor)
    put(tmp_path / "a.zip")
    assert plan(tmp_path, gone.cursor).launches == ()
    put(tmp_path / "a.zip", "changed", age=90)
    assert keys(plan(tmp_path, gone.cursor).launches) == ["a.zip"]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def tick(instance: dg.DagsterInstance, store: Path, cursor: str | None = None) -> dg.SensorResult | dg.SkipReason:
    """One evaluation; what it asks for is done to the instance, as the daemon would."""
    context = dg.build_sensor_context(
        instance=instance, cursor=cursor, resources={"store": StoreResource(root=str(store))}
    )
    outcome = inbox_sensor(context)
    assert isinstance(outcome, dg.SensorResult | dg.SkipReason)
    if isinstance(outcome, dg.SensorResult):
        for request in outcome.dynamic_partitions_requests or []:
            assert isinstance(request, dg.AddDynamicPartitionsRequest)
            instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
    return outcome


def requests(outcome: dg.SensorResult | dg.SkipReason) -> list[dg.RunRequest]:
    assert isinstance(outcome, dg.SensorResult), outcome
    return [request for request in outcome.run_requests or [] if isinstance(request, dg.RunRequest)]


def put_old(path: Path, text: str = "x", age: float = 1000.0) -> Path:
    """As ``put``, by the clock that the sensor reads."""
    import time

    return put(path, text, age=age, now=time.time())


def test_an_empty_inbox_and_one_that_is_not_there_are_skipped_with_the_reason(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    skipped = tick(instance, tmp_path)
    assert isinstance(skipped, dg.SkipReason)
    assert str(tmp_path / "inbox") in str(skipped.skip_message)
    put(tmp_path / "inbox" / "a.zip", now=NOW)  # touched in the future: still being copied, by any clock
    skipped = tick(instance, tmp_path)
    assert isinstance(skipped, dg.SkipReason)
    assert "1 still being copied" in str(skipped.skip_message)


def test_every_export_becomes_a_partition_and_a_run_of_it_named_after_the_upload(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    for name in ("a.zip", "day 1/b.zip"):
        put_old(tmp_path / "inbox" / name)
    outcome = tick(instance, tmp_path)
    uploads = scan(FolderStorage(tmp_path / "inbox"))
    assert [r.partition_key for r in requests(outcome)] == [u.partition for u in uploads]
    assert [r.tags["sam2_assets/export"] for r in requests(outcome)] == ["a.zip", "day 1/b.zip"]
    assert set(instance.get_dynamic_partitions(str(videos.name))) == {u.partition for u in uploads}


def test_a_reupload_gets_another_run_of_the_same_partition_and_nothing_is_launched_twice(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    put_old(tmp_path / "inbox" / "a.zip")
    put_old(tmp_path / "inbox" / "b.zip")
    first = tick(instance, tmp_path)
    assert isinstance(first, dg.SensorResult)
    assert isinstance(tick(instance, tmp_path, first.cursor), dg.SkipReason)
    put_old(tmp_path / "inbox" / "a.zip", "a new version", age=500)
    second = tick(instance, tmp_path, first.cursor)
    (again,) = requests(second)
    before = next(r for r in requests(first) if r.partition_key == again.partition_key)
    assert again.run_key != before.run_key
    assert isinstance(second, dg.SensorResult)
    assert not second.dynamic_partitions_requests
    assert isinstance(tick(instance, tmp_path, second.cursor), dg.SkipReason)


def test_a_sensor_that_lost_its_cursor_asks_for_the_same_run_keys_which_dagster_launches_once(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    put_old(tmp_path / "inbox" / "a.zip")
    (first,), (again,) = requests(tick(instance, tmp_path)), requests(tick(instance, tmp_path))
    assert first.run_key == again.run_key


def imported(instance: dg.DagsterInstance, upload: Upload, fingerprint: str) -> None:
    """The event that ``raw_export`` leaves when a person imports an upload."""
    instance.add_dynamic_partitions(str(videos.name), [upload.partition])
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            VIDEO.key("raw_export"), partition=upload.partition, metadata={UPLOAD_FINGERPRINT: fingerprint}
        )
    )


def test_what_was_imported_by_hand_is_not_imported_again_unless_it_changed(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    put_old(tmp_path / "inbox" / "a.zip")
    put_old(tmp_path / "inbox" / "b.zip")
    a, b = scan(FolderStorage(tmp_path / "inbox"))
    imported(instance, a, a.fingerprint())
    imported(instance, b, "of an older version")
    outcome = tick(instance, tmp_path)
    assert [r.partition_key for r in requests(outcome)] == [b.partition]
    assert isinstance(outcome, dg.SensorResult)
    assert not outcome.dynamic_partitions_requests
    assert json.loads(str(outcome.cursor)) == {a.partition: a.fingerprint(), b.partition: b.fingerprint()}


def test_a_version_imported_by_hand_after_an_earlier_one_was_launched_is_not_imported_again(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    put_old(tmp_path / "inbox" / "a.zip", "first", age=900)
    first = tick(instance, tmp_path)
    assert isinstance(first, dg.SensorResult)
    put_old(tmp_path / "inbox" / "a.zip", "second", age=500)
    (upload,) = scan(FolderStorage(tmp_path / "inbox"))
    imported(instance, upload, upload.fingerprint())
    assert isinstance(tick(instance, tmp_path, first.cursor), dg.SkipReason)


def test_a_tick_that_launches_nothing_still_remembers_what_was_imported_by_hand(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    put_old(tmp_path / "inbox" / "a.zip")
    (upload,) = scan(FolderStorage(tmp_path / "inbox"))
    imported(instance, upload, upload.fingerprint())
    store = {"store": StoreResource(root=str(tmp_path))}
    context = dg.build_sensor_context(instance=instance, cursor=None, resources=store)
    assert isinstance(inbox_sensor(context), dg.SkipReason)
    assert json.loads(str(context.cursor)) == {upload.partition: upload.fingerprint()}


def test_going_back_to_a_version_that_was_launched_before_is_news(tmp_path: Path) -> None:
    put(tmp_path / "a.zip", "first", age=900)
    launched = plan(tmp_path).cursor
    put(tmp_path / "a.zip", "second", age=500)
    (upload,) = scan(FolderStorage(tmp_path))
    by_hand = {upload.partition: upload.fingerprint()}
    seen = plan_tick([upload], launched, by_hand, now=NOW)
    assert seen.launches == ()
    put(tmp_path / "a.zip", "first", age=900)
    assert keys(plan_tick(scan(FolderStorage(tmp_path)), seen.cursor, by_hand, now=NOW).launches) == ["a.zip"]


def test_a_launch_whose_run_failed_is_not_repeated_every_tick(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    put_old(tmp_path / "inbox" / "a.zip")
    (upload,) = scan(FolderStorage(tmp_path / "inbox"))
    imported(instance, upload, "of the good version before")
    first = tick(instance, tmp_path)
    assert isinstance(first, dg.SensorResult)
    assert isinstance(tick(instance, tmp_path, first.cursor), dg.SkipReason)
