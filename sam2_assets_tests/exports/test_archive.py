"""Hostile and damaged archives are refused before anything is written."""

from __future__ import annotations

import contextlib
import stat
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sam2_assets.errors import ExportError
from sam2_assets.exports.archive import Archive
from sam2_assets.exports.settings import ImportSettings
from sam2_assets_tests.exports.conftest import Reader
from sam2_assets_tests.exports.export_builder import demo_export, write_zip


@pytest.mark.parametrize(
    "name",
    ["../evil.txt", "images/../../evil.txt", "/etc/evil", "C:/evil.txt", "c:evil", "a\\..\\evil", "\\evil", "a/.."],
)
def test_names_that_lead_outside_are_refused(read: Reader, name: str) -> None:
    export = demo_export((0,))
    export.extra[name] = b"x"
    error = read.refused(export)
    assert (error.code, error.value) == ("path_escape", repr(name))


def test_folders_that_windows_wrote_with_a_backslash_are_refused_as_what_they_are(read: Reader) -> None:
    export = demo_export((0,))
    export.extra["images\\picture.png"] = b"x"
    error = read.refused(export)
    assert error.code == "bad_member_name"
    assert "backslash" in str(error)


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
    assert read.refused(segments).code == "missing_field"


@pytest.mark.parametrize(
    ("one", "other"),
    [("images/A.png", "images/a.png"), ("caf\u00e9.txt", "cafe\u0301.txt"), ("stra\u00dfe", "STRASSE"), ("x", "x/")],
)
def test_names_that_some_file_system_takes_for_one_are_refused(read: Reader, one: str, other: str) -> None:
    export = demo_export((0,))
    export.extra |= {one: b"1", other: b""}
    assert read.refused(export).code == "duplicate_member"


@pytest.mark.parametrize("name", ["images/\x1b[2Jx", "a\nb", "./", "."])
def test_names_without_a_sense_or_with_control_characters_are_refused(read: Reader, name: str) -> None:
    export = demo_export((0,))
    export.extra[name] = b""
    error = read.refused(export)
    assert error.code == "bad_member_name"
    assert "\x1b" not in str(error)


def test_what_finder_adds_is_no_offence(read: Reader) -> None:
    export = demo_export((0,))
    export.extra |= {"Icon\r": b"", "__MACOSX/._annotations.json": b"\0", ".DS_Store": b"\0"}
    assert read(export).summary.frames == 1


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_every_way_of_packing_that_python_knows_is_read(read: Reader, tmp_path: Path, method: int) -> None:
    path = tmp_path / "packed.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, member in demo_export((0,)).members().items():
            archive.writestr(name, member)
    assert read(path).summary.objects == 2


def _annotations_packed(path: Path, method: int, data: bytes) -> bytearray:
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("annotations.json", data)
    return bytearray(path.read_bytes())


def test_an_unknown_way_of_packing_is_refused(read: Reader, tmp_path: Path) -> None:
    data = _annotations_packed(tmp_path / "a.zip", zipfile.ZIP_DEFLATED, b"{}")
    struct.pack_into("<H", data, data.find(b"PK\x01\x02") + 10, 9)
    (tmp_path / "a.zip").write_bytes(data)
    assert read.refused(tmp_path / "a.zip").code == "unsupported_compression"


def test_lzma_that_would_set_aside_gigabytes_is_refused(read: Reader, tmp_path: Path) -> None:
    data = _annotations_packed(tmp_path / "a.zip", zipfile.ZIP_LZMA, b"{}")
    struct.pack_into("<I", data, 30 + len("annotations.json") + 5, 2**32 - 1)
    (tmp_path / "a.zip").write_bytes(data)
    error = read.refused(tmp_path / "a.zip")
    assert error.code == "corrupt_member"
    assert "dictionary" in str(error)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_a_member_that_lies_about_its_size_is_not_unpacked_to_what_it_really_is(
    read: Reader, tmp_path: Path, method: int
) -> None:
    data = _annotations_packed(tmp_path / "a.zip", method, bytes(256 * 1024**2))
    for signature, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        struct.pack_into("<I", data, data.find(signature) + offset, 100)
    (tmp_path / "a.zip").write_bytes(data)
    tracemalloc.start()
    assert read.refused(tmp_path / "a.zip").code == "corrupt_member"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 150 * 1024**2


def test_members_that_share_their_bytes_are_refused(read: Reader, tmp_path: Path) -> None:
    path = tmp_path / "shared.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("annotations.json", "annotations.jsom"):
            archive.writestr(name, bytes(1000))
    data = bytearray(path.read_bytes())
    # the second entry of the table of contents points at the first member's bytes
    struct.pack_into("<I", data, data.rfind(b"PK\x01\x02") + 42, 0)
    path.write_bytes(data)
    assert read.refused(path).code == "overlapping_members"


def test_a_table_of_contents_beyond_its_bound_is_not_read(read: Reader, tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(5000):
            archive.writestr(f"{i:060}", b"")
    error = read.refused(path, settings={"max_directory_bytes": 100_000})
    assert (error.code, error.field) == ("archive_too_large", "max_directory_bytes")


def test_a_table_of_contents_that_claims_to_be_larger_than_the_file_is_refused(read: Reader, tmp_path: Path) -> None:
    data = _annotations_packed(tmp_path / "a.zip", zipfile.ZIP_STORED, b"{}")
    struct.pack_into("<I", data, data.rfind(b"PK\x05\x06") + 12, 2**32 - 2)
    (tmp_path / "a.zip").write_bytes(data)
    assert read.refused(tmp_path / "a.zip").code in ("not_a_zip", "archive_too_large")


@settings(max_examples=150, deadline=None)
@given(
    places=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8), cut=st.booleans()
)
def test_a_damaged_archive_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, places: list[tuple[int, int]], cut: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.zip"
    data = _annotations_packed(path, zipfile.ZIP_DEFLATED, b"[1, 2, 3]" * 5)
    for place, value in places:
        data[place % len(data)] = value
    path.write_bytes(data[: places[0][0] % len(data)] if cut else data)
    with contextlib.suppress(ExportError), Archive(path, ImportSettings()) as archive:
        for name in archive.members:
            assert len(archive.read(name)) == archive.size(name)
