"""Uploads find their companions, and partition keys are readable, stable and distinct."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam2_assets.errors import ExportError, GateError
from sam2_assets.inbox import find_upload, partition_key, scan, submit


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


def test_scan_pairs_companions_and_ignores_droppings(tmp_path: Path) -> None:
    for name in ("a.zip", "a.mp4", "a.settings.yaml", "sub/b.ZIP", ".hidden.zip", "__MACOSX/a.zip", "c.txt"):
        write(tmp_path / name)
    uploads = scan(tmp_path)
    assert [u.object_key for u in uploads] == ["a.zip", "sub/b.ZIP"]
    assert uploads[0].video == tmp_path / "a.mp4"
    assert uploads[0].settings.exists()
    assert uploads[1].video is None


def test_submit_copies_and_can_be_found_by_partition(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    upload = submit(inbox, write(tmp_path / "My Cats.zip"), video=write(tmp_path / "v.mov"))
    assert upload.video == inbox / "My Cats.mov"
    assert find_upload(inbox, upload.partition) == upload
    assert sorted(p.name for p in inbox.iterdir()) == ["My Cats.mov", "My Cats.zip"]


def test_a_resubmission_is_the_same_partition_with_another_fingerprint(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    first = submit(inbox, write(tmp_path / "a.zip", "1")).fingerprint()
    again = submit(inbox, write(tmp_path / "a.zip", "22"))
    assert again.fingerprint() != first


def test_a_new_version_without_its_video_is_refused_rather_than_paired_with_the_old_one(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    submit(inbox, write(tmp_path / "a.zip"), video=write(tmp_path / "a.mp4"))
    with pytest.raises(GateError) as caught:
        submit(inbox, tmp_path / "a.zip")
    assert caught.value.code == "name_taken"


def test_another_video_suffix_replaces_the_old_video(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    submit(inbox, write(tmp_path / "a.zip"), video=write(tmp_path / "a.mp4"))
    assert submit(inbox, tmp_path / "a.zip", video=write(tmp_path / "a.mov")).video == inbox / "a.mov"
    assert not (inbox / "a.mp4").exists()


@pytest.mark.parametrize(("name", "code"), [("missing.zip", "not_a_file"), ("a.txt", "not_a_zip")])
def test_what_is_not_an_export_is_refused(tmp_path: Path, name: str, code: str) -> None:
    write(tmp_path / "a.txt")
    with pytest.raises(ExportError) as caught:
        submit(tmp_path / "inbox", tmp_path / name)
    assert caught.value.code == code


def test_a_gone_upload_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(ExportError) as caught:
        find_upload(tmp_path, "gone-123456")
    assert caught.value.code == "no_such_upload"
