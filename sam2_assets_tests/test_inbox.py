"""Uploads find their companions, and partition keys are readable, stable and distinct."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam2_assets.errors import ExportError, GateError, StoreError
from sam2_assets.inbox import find_upload, partition_key, scan, submit, unused
from sam2_assets.storage import Storage


@given(st.text(min_size=1, max_size=80))
def test_partition_keys_are_safe_in_the_ui(name: str) -> None:
    key = partition_key(f"{name}.zip")
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*-[0-9a-f]{6}", key)
    assert key == partition_key(f"{name}.zip")


def test_names_that_slug_alike_stay_apart() -> None:
    assert len({partition_key(n) for n in ("a b.zip", "a_b.zip", "a-b.zip", "A b.zip")}) == 4
    assert partition_key("day 1/Überraschung.zip").startswith("day-1-uberraschung-")


def write(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def names(inbox: Storage) -> list[str]:
    return [file.name for file in inbox.list()]


def test_scan_pairs_companions_and_ignores_droppings(storage: Storage) -> None:
    for name in ("a.zip", "a.mp4", "a.settings.yaml", "sub/b.ZIP", ".hidden.zip", "__MACOSX/a.zip", "c.txt"):
        storage.write(name, b"x")
    uploads = scan(storage)
    assert [u.object_key for u in uploads] == ["a.zip", "sub/b.ZIP"]
    assert [file.name for file in uploads[0].files] == ["a.zip", "a.mp4", "a.settings.yaml"]
    assert (uploads[1].video, uploads[1].settings) == (None, None)
    assert uploads[1].settings_name == "sub/b.settings.yaml"


def test_files_that_were_meant_for_something_and_are_not_read_are_named(storage: Storage) -> None:
    for name in ("a.zip", "a.mp4", "a.settings.yaml", "sub/b.ZIP", "sub/b.MOV", ".hidden.mp4", "notes.txt"):
        storage.write(name, b"x")
    assert unused(storage) == []
    for name in ("A.mp4", "a.settings.yml", "a.settings.yaml.txt", "c/annotations.json", "d.settings.yaml", "e.7z"):
        storage.write(name, b"x")
    assert unused(storage) == [
        "A.mp4 belongs to no export: there is no A.zip",
        "a.settings.yaml.txt is not read: settings are in NAME.settings.yaml, beside NAME.zip",
        "a.settings.yml is not read: settings are in NAME.settings.yaml, beside NAME.zip",
        "c/annotations.json is of an unpacked export: put its ZIP here",
        "d.settings.yaml belongs to no export: there is no d.zip",
        "e.7z is not read: an export is a .zip file",
    ]


def test_submit_copies_and_can_be_found_by_partition(storage: Storage, tmp_path: Path) -> None:
    upload = submit(storage, write(tmp_path / "My Cats.zip"), video=write(tmp_path / "v.mov", "film"))
    assert upload.video is not None
    assert storage.local(upload.video).read_text() == "film"
    assert storage.local(upload.video).name == "My Cats.mov"
    assert find_upload(storage, upload.partition) == upload
    assert names(storage) == ["My Cats.mov", "My Cats.zip"]


def test_a_resubmission_is_the_same_partition_with_another_fingerprint(storage: Storage, tmp_path: Path) -> None:
    first = submit(storage, write(tmp_path / "a.zip", "1"))
    again = submit(storage, write(tmp_path / "a.zip", "22"))
    assert again.partition == first.partition
    assert again.fingerprint() != first.fingerprint()


def test_an_upload_that_was_replaced_is_not_read_as_the_version_that_was_listed(
    storage: Storage, tmp_path: Path
) -> None:
    first = submit(storage, write(tmp_path / "a.zip", "1"))
    again = submit(storage, write(tmp_path / "a.zip", "22"))
    with pytest.raises(StoreError) as caught:
        storage.local(first.archive)
    assert caught.value.code == "file_changed"
    assert storage.local(again.archive).read_text() == "22"


def test_a_new_version_without_its_video_is_refused_rather_than_paired_with_the_old_one(
    storage: Storage, tmp_path: Path
) -> None:
    submit(storage, write(tmp_path / "a.zip"), video=write(tmp_path / "a.mp4"))
    with pytest.raises(GateError) as caught:
        submit(storage, tmp_path / "a.zip")
    assert caught.value.code == "name_taken"


def test_another_video_suffix_replaces_the_old_video(storage: Storage, tmp_path: Path) -> None:
    submit(storage, write(tmp_path / "a.zip"), video=write(tmp_path / "a.mp4"))
    submit(storage, tmp_path / "a.zip", video=write(tmp_path / "a.mov"))
    assert names(storage) == ["a.mov", "a.zip"]


def test_a_video_with_its_suffix_in_capitals_is_found_and_replaced(storage: Storage, tmp_path: Path) -> None:
    for name in ("a.zip", "a.MOV", "ab.mp4"):
        storage.put(write(tmp_path / name), name)
    video = scan(storage)[0].video
    assert video is not None
    assert video.name == "a.MOV"
    submit(storage, write(tmp_path / "a.zip"), video=write(tmp_path / "clip.MTS"))
    assert names(storage) == ["a.mts", "a.zip", "ab.mp4"]


@pytest.mark.parametrize(("name", "code"), [("missing.zip", "not_a_file"), ("a.txt", "not_a_zip")])
def test_what_is_not_an_export_is_refused(storage: Storage, tmp_path: Path, name: str, code: str) -> None:
    write(tmp_path / "a.txt")
    with pytest.raises(ExportError) as caught:
        submit(storage, tmp_path / name)
    assert caught.value.code == code
    assert names(storage) == []


def test_a_gone_upload_is_a_typed_error(storage: Storage) -> None:
    with pytest.raises(ExportError) as caught:
        find_upload(storage, "gone-123456")
    assert caught.value.code == "no_such_upload"
