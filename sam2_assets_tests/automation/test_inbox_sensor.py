"""The inbox sensor on a folder and on a real S3 server: partitions, runs, what it says, and what it does not repeat."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from sam2_assets.assets.scope import VIDEO
from sam2_assets.assets.video import UPLOAD_FINGERPRINT
from sam2_assets.automation import intake
from sam2_assets.automation.inbox_sensor import build_inbox_sensor
from sam2_assets.automation.settings import AutomationSettings
from sam2_assets.errors import ExportError
from sam2_assets.inbox import Upload, scan
from sam2_assets.partitions import videos
from sam2_assets.quarantine import quarantine, quarantined
from sam2_assets.resources import StoreResource
from sam2_assets.storage import S3Storage, Storage

AT_ONCE = AutomationSettings(wait_for_video_s=0)


@pytest.fixture(autouse=True)
def nothing_needs_to_settle(monkeypatch: pytest.MonkeyPatch) -> None:
    """The waiting itself is tested in ``test_intake``, where there is a clock to turn."""
    monkeypatch.setattr(intake, "SETTLE_S", -10.0)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def store(storage: Storage) -> StoreResource:
    return StoreResource(root=storage.uri())


def tick(
    instance: dg.DagsterInstance,
    store: StoreResource,
    cursor: str | None = None,
    settings: AutomationSettings = AT_ONCE,
) -> tuple[list[dg.RunRequest], str, str]:
    """One evaluation; what it asks for is done to the instance, as the daemon would. Runs, cursor, what it says."""
    context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"store": store})
    outcome = build_inbox_sensor(settings)(context)
    if isinstance(outcome, dg.SkipReason):
        return [], str(context.cursor), str(outcome.skip_message)
    assert isinstance(outcome, dg.SensorResult)
    for request in outcome.dynamic_partitions_requests or []:
        assert isinstance(request, dg.AddDynamicPartitionsRequest)
        instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
    requests = [request for request in outcome.run_requests or [] if isinstance(request, dg.RunRequest)]
    return requests, str(outcome.cursor), ""


def imported(instance: dg.DagsterInstance, upload: Upload, fingerprint: str) -> None:
    """The event that ``raw_export`` leaves when a person imports an upload."""
    instance.add_dynamic_partitions(str(videos.name), [upload.partition])
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            VIDEO.key("raw_export"), partition=upload.partition, metadata={UPLOAD_FINGERPRINT: fingerprint}
        )
    )


def test_every_export_becomes_a_partition_and_one_run_named_after_the_upload(
    instance: dg.DagsterInstance, store: StoreResource
) -> None:
    inbox = store.open().inbox
    requests, cursor, said = tick(instance, store)
    assert (requests, inbox.shown() in said) == ([], True)
    for name in ("a.zip", "day 1/b.zip", "day 1/b.mp4"):
        inbox.write(name, b"x")
    requests, cursor, _ = tick(instance, store, cursor)
    uploads = scan(inbox)
    assert {r.partition_key for r in requests} == {u.partition for u in uploads}
    assert {r.tags["sam2_assets/export"] for r in requests} == {"a.zip", "day 1/b.zip"}
    assert set(instance.get_dynamic_partitions(str(videos.name))) == {u.partition for u in uploads}
    for request, upload in zip(sorted(requests, key=lambda r: r.tags["sam2_assets/export"]), uploads, strict=True):
        assert str(request.run_key).startswith(f"{upload.partition}:{upload.fingerprint()}:")
    again, cursor, said = tick(instance, store, cursor)
    assert not again
    assert said.startswith("no new among 2 exports")

    inbox.write("a.zip", b"a new version")
    (second,), cursor, _ = tick(instance, store, cursor)
    first = next(r for r in requests if r.tags["sam2_assets/export"] == "a.zip")
    assert (second.partition_key, second.run_key == first.run_key) == (first.partition_key, False)
    assert tick(instance, store, cursor)[0] == []


def test_what_was_imported_by_hand_is_not_imported_again_unless_it_changed(
    instance: dg.DagsterInstance, store: StoreResource
) -> None:
    inbox = store.open().inbox
    inbox.write("a.zip", b"x")
    inbox.write("b.zip", b"x")
    a, b = scan(inbox)
    imported(instance, a, a.fingerprint())
    imported(instance, b, "of an older version")
    requests, cursor, _ = tick(instance, store)
    assert [r.partition_key for r in requests] == [b.partition]
    assert tick(instance, store, cursor)[0] == []


def test_a_sensor_that_lost_its_cursor_finds_the_runs_it_started(
    instance: dg.DagsterInstance, store: StoreResource
) -> None:
    store.open().inbox.write("a.zip", b"x")
    ((request,), _, _) = tick(instance, store)
    instance.create_run_for_job(
        _empty_job(),
        tags={"dagster/run_key": str(request.run_key)},
    )
    assert tick(instance, store, None)[0] == []


def _empty_job() -> dg.JobDefinition:
    @dg.job
    def empty() -> None:
        """Nothing."""

    return empty


def test_a_version_in_quarantine_is_named_with_its_reason_until_another_one_comes(
    instance: dg.DagsterInstance, store: StoreResource
) -> None:
    opened = store.open()
    opened.inbox.write("a.zip", b"no ZIP at all")
    (upload,) = scan(opened.inbox)
    quarantine(opened.files, upload, ExportError("not_a_zip", "is no ZIP", file="a.zip", remedy="Export it again."))
    requests, cursor, said = tick(instance, store)
    assert not requests
    assert "a.zip is in quarantine: a.zip: is no ZIP" in said
    opened.inbox.write("a.zip", b"now it is one")
    requests, cursor, _ = tick(instance, store, cursor)
    assert [r.partition_key for r in requests] == [upload.partition]
    assert "in quarantine" not in tick(instance, store, cursor)[2]


def test_a_bad_upload_that_was_taken_away_is_forgotten(instance: dg.DagsterInstance, store: StoreResource) -> None:
    opened = store.open()
    opened.inbox.write("a.zip", b"no ZIP at all")
    (upload,) = scan(opened.inbox)
    quarantine(opened.files, upload, ExportError("not_a_zip", "is no ZIP", remedy=""))
    opened.inbox.remove("a.zip")
    assert "in quarantine" not in tick(instance, store)[2]
    assert quarantined(opened.files) == {}


def test_the_switch_turns_it_off(instance: dg.DagsterInstance, store: StoreResource) -> None:
    store.open().inbox.write("a.zip", b"x")
    requests, _, said = tick(instance, store, settings=AutomationSettings(enabled=False))
    assert not requests
    assert "SAM2_ASSETS_AUTOMATION" in said


def test_uploads_may_come_to_a_bucket_of_their_own(instance: dg.DagsterInstance, bucket: str, tmp_path: Path) -> None:
    store = StoreResource(root=str(tmp_path / "store"), inbox=f"s3://{bucket}/from/partners")
    S3Storage(bucket, "from/partners").write("day 1/a.zip", b"x")
    S3Storage(bucket, "from").write("elsewhere.zip", b"x")
    requests, _, _ = tick(instance, store)
    assert [r.tags["sam2_assets/export"] for r in requests] == ["day 1/a.zip"]
    assert store.settings(requests[0].partition_key).origins == {}
    S3Storage(bucket, "from/partners").write("day 1/a.settings.yaml", b"splitting: {segments: 2}")
    assert store.settings(requests[0].partition_key).settings.splitting.segments == 2


def test_an_upload_in_parts_on_a_real_server_holds_its_export_back(instance: dg.DagsterInstance, bucket: str) -> None:
    store = StoreResource(root=f"s3://{bucket}/team")
    inbox = store.open().inbox
    assert isinstance(inbox, S3Storage)
    inbox.write("a.zip", b"x")
    parts = {"Bucket": bucket, "Key": "team/inbox/a.mp4"}
    begun = inbox.client.create_multipart_upload(**parts)["UploadId"]
    requests, cursor, said = tick(instance, store)
    assert not requests
    assert "a.zip waits: a.mp4 is being uploaded" in said
    etag = inbox.client.upload_part(**parts, UploadId=begun, PartNumber=1, Body=b"x")["ETag"]
    done = {"Parts": [{"ETag": etag, "PartNumber": 1}]}
    inbox.client.complete_multipart_upload(**parts, UploadId=begun, MultipartUpload=done)
    (request,), _, _ = tick(instance, store, cursor)
    (upload,) = scan(inbox)
    assert upload.video is not None
    assert upload.fingerprint() in str(request.run_key)
