"""A test that is skipped in CI fails the run, unless the machine may lack what it needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = """
from sam2_assets_tests.skips import watch_skips


def pytest_configure(config):
    watch_skips(config)
"""


def run(folder: Path, body: str, *options: str, ci: str | None = "true") -> subprocess.CompletedProcess[str]:
    """A suite of its own, in a process of its own."""
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_it.py").write_text(f"import pytest\n\n\n{body}\n\n\ndef test_passes():\n    pass\n")
    environment = {name: value for name, value in os.environ.items() if name != "CI" and not name.startswith("PYTEST")}
    environment["PYTHONPATH"] = str(Path(__file__).parents[1])
    if ci is not None:
        environment["CI"] = ci
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), *options]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


SKIPPED = "def test_skipped():\n    pytest.skip({reason!r})"
DECORATED = "@pytest.mark.skipif(True, reason={reason!r})\ndef test_skipped():\n    pass"
WHOLE_MODULE = "pytest.skip({reason!r}, allow_module_level=True)"
WORKERS = ("-n", "2")


@pytest.mark.parametrize("options", [(), WORKERS], ids=["one process", "workers"])
@pytest.mark.parametrize("body", [SKIPPED, DECORATED, WHOLE_MODULE], ids=["inside", "mark", "module"])
def test_a_skip_fails_ci_and_is_named(tmp_path: Path, body: str, options: tuple[str, ...]) -> None:
    done = run(tmp_path, body.format(reason="not in the mood"), *options)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "skipped in CI, which is a failure" in done.stdout
    assert "not in the mood" in done.stdout.split("skipped in CI")[1]


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("GPU: no CUDA device", 0),
        ("absent ../shared: real exports are not redistributable", 0),
        ("absent weight packages", 1),
        ("needs a GPU", 1),
        ("", 1),
    ],
)
def test_only_reasons_on_the_list_are_allowed(tmp_path: Path, reason: str, code: int) -> None:
    assert run(tmp_path, SKIPPED.format(reason=reason)).returncode == code


@pytest.mark.parametrize("ci", [None, ""])
def test_outside_ci_a_skip_is_a_skip(tmp_path: Path, ci: str | None) -> None:
    done = run(tmp_path, SKIPPED.format(reason="not in the mood"), ci=ci)
    assert (done.returncode, "1 skipped" in done.stdout) == (0, True)


def test_an_expected_failure_is_no_skip_and_a_real_failure_stays_one(tmp_path: Path) -> None:
    assert run(tmp_path, "@pytest.mark.xfail\ndef test_known():\n    assert False").returncode == 0
    assert run(tmp_path, "def test_broken():\n    assert False").returncode == 1


def test_this_suite_watches(pytestconfig: pytest.Config) -> None:
    """The hook is wired into the suite's own conftest: in CI the plugin is there, in the process that decides."""
    decides = not hasattr(pytestconfig, "workerinput")
    expected = bool(os.environ.get("CI")) and decides
    assert pytestconfig.pluginmanager.has_plugin("skip-watch") is expected
