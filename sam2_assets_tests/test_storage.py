"""A folder and a bucket do the same; the cache of a bucket stays within its limit; a bad address is said plainly."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sam2_assets.errors import SettingsError, StoreError
from sam2_assets.storage import FolderStorage, S3Storage, Storage, open_storage
from sam2_assets.storage.cache import evict

NOW = 2_000_000_000.0


def test_files_are_listed_by_name_at_any_depth_with_a_version_that_changes(storage: Storage) -> None:
    for name in ("b", "a/2", "a/1", "ab"):
        storage.write(name, b"x")
    assert [file.name for file in storage.list()] == ["a/1", "a/2", "ab", "b"]
    assert [file.name for file in storage.list("a")] == ["a/1", "a/2"]
    before = storage.stat("b")
    assert before is not None
    assert before.size == 1
    storage.write("b", b"yy")
    assert storage.stat("b") != before
    assert [file for file in storage.list() if file.name == "b"] == [storage.stat("b")]


@pytest.mark.parametrize("most", [1, 2, 100])
def test_pages_hold_every_file_once_with_the_clock_that_dates_them(storage: Storage, most: int) -> None:
    names = ["a.zip", "a/x.zip", "a-b/x.zip", "a.b.zip", "A.zip", "é d/f.zip", "z"]
    for name in names:
        storage.write(name, b"x")
    found: list[str] = []
    after: str | None = ""
    while after is not None:
        page = storage.page(after, most)
        assert len(page.files) <= most
        assert all(page.files[i] == storage.stat(page.files[i].name) for i in range(len(page.files)))
        assert all(-2 < page.now - file.modified < 30 for file in page.files)
        found += [file.name for file in page.files]
        after = page.last
    assert sorted(found) == sorted(names)
    if isinstance(storage, FolderStorage):
        assert found == sorted(names)
    assert {file.name for file in storage.page("zz", most).files} <= {"é d/f.zip"}
    assert storage.below("nowhere").page("", most).files == ()


def test_a_part_of_a_storage_is_one_too(storage: Storage) -> None:
    part = storage.below("sub")
    part.write("x/y", b"1")
    assert storage.read("sub/x/y") == b"1"
    assert [file.name for file in part.list()] == ["x/y"]
    assert part.uri("x/y") == storage.uri("sub/x/y")


def test_what_is_absent_is_none_and_may_be_removed(storage: Storage) -> None:
    assert storage.read("nothing/here") is None
    assert storage.stat("nothing") is None
    storage.remove("nothing")
    assert list(storage.list()) == []


def test_a_file_of_many_parts_arrives_whole(bucket: str, tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(os.urandom(40 * 1024**2))
    storage = S3Storage(bucket, "p")
    storage.put(large, "large")
    found = storage.stat("large")
    assert found is not None
    assert "-" in found.version, "it did not go up in parts"
    assert storage.local(found).read_bytes() == large.read_bytes()


def test_more_objects_than_a_page_are_all_listed(bucket: str) -> None:
    storage = S3Storage(bucket, "p")
    names = [f"{i:04}" for i in range(1100)]
    for name in names:
        storage.client.put_object(Bucket=bucket, Key=f"p/{name}", Body=b"")
    assert [file.name for file in storage.list()] == names


def test_only_one_writer_gets_an_absent_object_and_only_who_knows_its_version_replaces_it(bucket: str) -> None:
    storage = S3Storage(bucket, "")
    first = storage.write_if("x", b"1", None)
    assert first is not None
    assert storage.write_if("x", b"2", None) is None
    second = storage.write_if("x", b"3", first)
    assert second is not None
    assert storage.write_if("x", b"4", first) is None
    assert storage.read("x") == b"3"


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("AWS_SECRET_ACCESS_KEY", "wrong", "SignatureDoesNotMatch|signature"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9", "127.0.0.1:9"),
    ],
)
def test_a_server_that_refuses_or_does_not_answer_is_quoted(
    bucket: str, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    monkeypatch.setenv(variable, value)
    # Six attempts with pauses would take a quarter of a minute.
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(StoreError, match=words) as caught:
        S3Storage(bucket, "store").read("x")
    assert (caught.value.code, caught.value.file) == ("storage_unreachable", f"s3://{bucket}/store/x")


def test_a_bucket_that_is_not_there_is_no_empty_store(bucket: str) -> None:
    with pytest.raises(StoreError, match="NoSuchBucket"):
        list(S3Storage(f"{bucket}-x", "").list())


def test_an_address_says_which_kind_of_root(tmp_path: Path) -> None:
    assert isinstance(open_storage(str(tmp_path)), FolderStorage)
    assert open_storage(tmp_path.as_uri()).shown() == str(tmp_path)
    assert open_storage("s3://bucket/team/store/").uri("x") == "s3://bucket/team/store/x"
    assert open_storage("s3://bucket").uri("x") == "s3://bucket/x"


@pytest.mark.parametrize("root", ["gs://bucket", "s3://", "s3://bucket/x?y=1", "http://host/x"])
def test_another_address_is_refused(root: str) -> None:
    with pytest.raises(SettingsError) as caught:
        open_storage(root)
    assert caught.value.code == "unknown_root"


def copies(folder: Path, ages_h: dict[str, float]) -> Path:
    for name, age in ages_h.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "data").write_bytes(b"x" * 1024)
        os.utime(folder / name, (NOW - age * 3600, NOW - age * 3600))
    return folder


def test_the_cache_drops_what_was_asked_for_longest_ago_and_nothing_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copies(tmp_path, {"old": 100, "older": 200, "fresh": 1, "new": 2})
    monkeypatch.setenv("SAM2_ASSETS_CACHE_GIB", str(3 * 1024 / 1024**3))
    assert [p.name for p in evict(folder, NOW)] == ["older"]
    monkeypatch.setenv("SAM2_ASSETS_CACHE_GIB", str(1 / 1024**3))
    assert [p.name for p in evict(folder, NOW)] == ["old"]
    assert sorted(p.name for p in folder.iterdir()) == ["fresh", "new"]


@pytest.mark.parametrize("limit", ["much", "0", "-1", "nan"])
def test_a_cache_limit_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setenv("SAM2_ASSETS_CACHE_GIB", limit)
    with pytest.raises(SettingsError, match="SAM2_ASSETS_CACHE_GIB"):
        evict(tmp_path)
