"""In CI (environment variable ``CI``) a skipped test fails the run, unless its reason begins as one that is allowed.

A test that is skipped everywhere looks like a passing one. The hooks live in ``conftest.py`` by import; with
pytest-xdist the reports of all workers arrive at the controller, which alone decides.
"""

from __future__ import annotations

import os

import pytest

ALLOWED = ("GPU", "absent ../shared", "absent clamd", "absent docker")
"""What a machine may lack: a graphics card, real exports that may not be redistributed, and a ClamAV daemon or a Docker
Engine where the test command may not start one (``scripts/install_clamav.sh``, ``scripts/install_docker.sh``)."""


def _applies(config: pytest.Config) -> bool:
    return bool(os.environ.get("CI")) and not hasattr(config, "workerinput")


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str | None:
    """Why it was skipped; None if it was not (an expected failure counts as skipped for pytest, not for us)."""
    if not report.skipped or hasattr(report, "wasxfail"):
        return None
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")


class SkipWatch:
    """Collects the skips that are not allowed, and turns a green run with any of them red."""

    def __init__(self) -> None:
        self.refused: list[str] = []

    def _see(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        reason = _reason(report)
        if reason is not None and not reason.startswith(ALLOWED):
            self.refused.append(f"{report.nodeid}: {reason}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One phase of one test ended."""
        self._see(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """One module was collected, or skipped as a whole."""
        self._see(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Decide."""
        if self.refused and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say which and why."""
        if self.refused:
            terminalreporter.section("skipped in CI, which is a failure", red=True)
            for line in sorted(set(self.refused)):
                terminalreporter.write_line(line)


def watch_skips(config: pytest.Config) -> None:
    """Register the watch where it applies; call it from ``pytest_configure``."""
    if _applies(config):
        config.pluginmanager.register(SkipWatch(), "skip-watch")
