"""Hostile and damaged archives are refused before anything is written."""

from __future__ import annotations

import stat
import struct
import zipfile
from pathlib import Path

import pytest

from sam2_assets_tests.exports.conftest import Reader
from sam2_assets_tests.exports.export_builder import demo_export, write_zip


@pytest.mark.parametrize(
    "name", ["../evil.txt", "images/../../evil.txt", "/etc/evil", "C:/evil.txt", "c:evil", "images\\evil.png", "a/.."]
)
def test_names_that_lead_outside_are_refused(read: Reader, name: str) -> None:
    export = demo_export((0,))
    export.extra[name] = b"x"
    error = read.refused(export)
    assert (error.code, error.value) == ("path_escape", repr(name))


def test_a_symbolic_link_is_refused(read: Reader, tmp_path: Path) -> None:
    path = demo_export((0,)).write(tmp_path / "link.zip")
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("images/frame_000001.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert read.refused(path).code == "symlink"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(read: Reader, tmp_path: Path) -> None:
    path = demo_export((0,)).write(tmp_path / "twice.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("annotations.json", "{}")
    assert read.refused(path).code == "duplicate_member"


def test_encrypted_members_are_refused(read: Reader, tmp_path: Path) -> None:
    path = demo_export((0,)).write(tmp_path / "locked.zip")
    data = bytearray(path.read_bytes())
    place = data.find(b"PK\x01\x02")
    data[place + 8] |= 1
    path.write_bytes(data)
    assert read.refused(path).code == "encrypted_member"


def test_a_bomb_is_refused_by_its_ratio_without_being_unpacked(read: Reader) -> None:
    export = demo_export((0,))
    export.extra["bomb.bin"] = bytes(20 * 1024**2)
    error = read.refused(export)
    assert (error.code, error.field) == ("archive_too_large", "max_ratio")


@pytest.mark.parametrize(
    ("bound", "value"), [("max_members", 2), ("max_total_bytes", 50_000), ("max_member_bytes", 30_000)]
)
def test_each_bound_of_the_settings_holds(read: Reader, bound: str, value: int) -> None:
    error = read.refused(demo_export(), settings={bound: value})
    assert (error.code, error.field) == ("archive_too_large", bound)


def test_a_member_that_unpacks_to_more_than_it_states_is_refused(read: Reader, tmp_path: Path) -> None:
    path = demo_export((0,)).write(tmp_path / "liar.zip")
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        place = data.find(signature)
        struct.pack_into("<I", data, place + offset, 100)
    path.write_bytes(data)
    assert read.refused(path).code == "corrupt_member"


def test_a_flipped_bit_is_found_by_the_checksum(read: Reader, tmp_path: Path) -> None:
    export = demo_export()
    path = tmp_path / "flipped.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, member in export.members().items():
            archive.writestr(name, member)
    data = bytearray(path.read_bytes())
    last = export.pictures["images/frame_000018.png"]
    data[data.find(last) + len(last) // 2] ^= 1
    path.write_bytes(data)
    error = read.refused(path)
    assert error.code == "corrupt_member"
    assert error.file == "flipped.zip/images/frame_000018.png"


def test_truncated_and_other_files_are_no_archives(read: Reader, tmp_path: Path) -> None:
    whole = demo_export((0,)).write(tmp_path / "whole.zip").read_bytes()
    for name, data in (("cut.zip", whole[: len(whole) // 2]), ("text.zip", b"hello"), ("empty.zip", b"")):
        (tmp_path / name).write_bytes(data)
        assert read.refused(tmp_path / name).code == "not_a_zip"
    assert read.refused(tmp_path / "absent.zip").code == "archive_missing"


def test_archives_without_one_export_are_refused(read: Reader, tmp_path: Path) -> None:
    members = demo_export((0,)).members()
    none = write_zip(tmp_path / "none.zip", {"readme.txt": b""})
    two = write_zip(
        tmp_path / "two.zip", {f"{folder}/{name}": data for folder in "ab" for name, data in members.items()}
    )
    segments = write_zip(tmp_path / "segments.zip", {"segments_index.json": b"{}", **members})
    assert read.refused(none).code == "no_annotations"
    assert read.refused(two).code == "several_exports"
    assert read.refused(segments).code == "unsupported_layout"
