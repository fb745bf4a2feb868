"""Fixtures that every part of the suite shares."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import docker.errors
import hypothesis
import pytest

from sam2_assets import inbox
from sam2_assets.approvals import approve
from sam2_assets.assets.lineage import current
from sam2_assets.assets.scope import CORPUS, VIDEO, Scope
from sam2_assets.cli.instance import Outcome, Platform, Say, add_partition, open_platform, run_here
from sam2_assets.sample import SampleVideo, write_sample
from sam2_assets.storage import FolderStorage, S3Storage, Storage, open_storage
from sam2_assets.training.plan import PLAN_FILE, Plan
from sam2_assets_tests.s3_server import S3Server, running_s3_server
from sam2_assets_tests.skips import watch_skips

TINY_SETTINGS = (Path(__file__).parent / "assets" / "tiny_settings.yaml").read_text(encoding="utf-8")
BASE_IMAGE = "python:3.11-slim-bookworm"
COVERAGE = "COVERAGE_PROCESS_CONFIG"
"""By this variable coverage measures child processes."""
SHARED_EXPORTS = Path(__file__).resolve().parents[2] / "shared" / "exports"


def pytest_configure(config: pytest.Config) -> None:
    """In CI a skip is a failure."""
    # On a loaded machine an example may take a second, and drawing one too: neither says anything about the code.
    slow = hypothesis.HealthCheck.too_slow
    hypothesis.settings.register_profile("loaded", deadline=None, suppress_health_check=[slow])
    hypothesis.settings.load_profile("loaded")
    # Started in the background or under nohup, a shell has us ignore these, and every process we start would too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    watch_skips(config)


_GROUPS = {
    "s3_server": "s3",
    "storage": "s3",
    "trained": "trained",
    "sample_videos": "trained",
    "line": "measured",
    "demo_base": "demo_base",
}
"""Expensive session fixtures, and the group of tests that one pytest-xdist worker runs so that each is made once."""

_LONG = ("trained", "docker", "image", "s3", "measured")
"""The groups that take minutes, the longest first."""


def _group_of(item: pytest.Item) -> str:
    marker = next(item.iter_markers("xdist_group"))
    return str(marker.args[0] if marker.args else marker.kwargs["name"])


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests that share an expensive fixture, or a module's own one, in one worker."""
    for item in items:
        if any(item.iter_markers("xdist_group")):
            continue
        names = getattr(item, "fixturenames", ())
        group = next((_GROUPS[name] for name in names if name in _GROUPS), item.nodeid.partition("::")[0])
        item.add_marker(pytest.mark.xdist_group(group))
    # A long group that begins last runs alone, while the other worker has nothing to do. This order holds only with
    # --no-loadscope-reorder (pyproject.toml): else pytest-xdist begins with the group of most tests.
    items.sort(key=lambda item: _LONG.index(group) if (group := _group_of(item)) in _LONG else len(_LONG))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse to go on where the groups are lost: pytest 9.2.0 did that to pytest-xdist 3.8.0 and said nothing."""
    if session.config.getoption("loadgroup", False) and any("@" not in item.nodeid for item in session.items):
        raise pytest.UsageError("pytest-xdist did not take the groups: shared fixtures would be built in every worker")


@pytest.fixture(scope="session")
def shared_exports() -> Path:
    """Real exports that lie beside the checkout; they may not be redistributed, so elsewhere the test is skipped."""
    if not SHARED_EXPORTS.is_dir():
        pytest.skip("absent ../shared: real exports are not redistributable")
    return SHARED_EXPORTS


@dataclass(frozen=True)
class Home:
    """A Dagster home of its own with a store: ``run`` executes a job in this process, ``command`` the real command."""

    folder: Path
    url: str | None = None
    """Where the store is, if it is no folder of this home."""

    @property
    def store(self) -> Path:
        return self.folder / "var" / "store"

    @property
    def root(self) -> str:
        return self.url or str(self.store)

    def environment(self, *, covered: bool = True) -> dict[str, str]:
        """Of a process that works in this home.

        Not ``covered``: without the measurement of coverage, which a process pays with a third of its time. For those
        whose lines other tests reach anyway, such as a web server and all that it starts.
        """
        inherited = {name: value for name, value in os.environ.items() if covered or name != COVERAGE}
        return {**inherited, "DAGSTER_HOME": str(self.folder), "SAM2_ASSETS_ROOT": self.root}

    def write_settings(self, text: str, name: str = "settings.yaml") -> None:
        open_storage(self.root).write(name, text.encode())

    def command(self, *arguments: object, check: bool = False) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "sam2_assets", *map(str, arguments)],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    @contextmanager
    def platform(self) -> Iterator[Platform]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DAGSTER_HOME", str(self.folder))
            patch.setenv("SAM2_ASSETS_ROOT", self.root)
            with open_platform() as platform:
                yield platform

    def run(self, platform: Platform, job: str, partition: str | None) -> Outcome:
        if partition is not None:
            add_partition(platform.instance, partition)
        return run_here(platform, job, partition, Say("  "))

    def artifact(self, platform: Platform, scope: Scope, name: str, partition: str | None) -> Path:
        found = current(platform.instance, scope.key(name), partition)
        assert found is not None, name
        return platform.store.open().open(found.ref)


def new_home(folder: Path) -> Home:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(Path(__file__).parents[1] / "dagster.yaml", folder / "dagster.yaml")
    return Home(folder)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running_s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def bucket(s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A fresh bucket on a real server, which boto3 finds by the environment; with a cache of its own."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SAM2_ASSETS_CACHE", str(tmp_path / "cache"))
    name = f"b-{uuid.uuid4().hex[:12]}"
    s3_server.client().create_bucket(Bucket=name)
    return name


@pytest.fixture(params=["folder", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """Both kinds of root: what holds for one holds for the other."""
    if request.param == "folder":
        return FolderStorage(tmp_path / "root")
    return S3Storage(request.getfixturevalue("bucket"), "team/store")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return new_home(tmp_path / "home")


@pytest.fixture(scope="session")
def docker_engine() -> Any:
    """A Docker Engine that answers; ``make test`` starts one as root (``scripts/install_docker.sh``)."""
    try:
        client = docker.from_env()
        client.ping()
    except docker.errors.DockerException as error:
        pytest.skip(f"absent docker: no engine answers, see scripts/install_docker.sh ({error})")
    return client


@pytest.fixture(scope="session")
def base_image(docker_engine: Any) -> str:
    """The image that our Dockerfiles start from, pulled or made."""
    script = Path(__file__).parents[1] / "docker" / "base_image.sh"
    done = subprocess.run([str(script), BASE_IMAGE], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return BASE_IMAGE


@pytest.fixture(scope="session")
def sample_videos(tmp_path_factory: pytest.TempPathFactory) -> list[SampleVideo]:
    """Two videos of the built-in sample, every sixth frame annotated."""
    return write_sample(tmp_path_factory.mktemp("sample"), seed=3, videos=2, target_fps=5, workers=1)


@pytest.fixture(scope="session")
def tiny_llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real architecture with a few hundred thousand random parameters."""
    from sam2_assets_tests.training.tiny_models import build_tiny_llava

    return build_tiny_llava(tmp_path_factory.mktemp("tiny-llava"))


@pytest.fixture(scope="session")
def tiny_settings(tiny_llava: Path) -> str:
    """A project file with which the whole line takes seconds on that model."""
    return TINY_SETTINGS.replace("training:\n", f"training:\n  base_model: {tiny_llava}\n")


def submit(platform: Platform, video: SampleVideo, *, with_source: bool = True) -> str:
    folder = platform.store.open().inbox
    return inbox.submit(folder, video.export, video=video.source if with_source else None).partition


def approve_plan(platform: Platform, scope: Scope, partition: str | None) -> Plan:
    found = current(platform.instance, scope.key("training_plan"), partition)
    assert found is not None
    store = platform.store.open()
    plan = Plan.read(store.open(found.ref) / PLAN_FILE)
    approve(store.files, plan.plan_hash, "a test")
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
