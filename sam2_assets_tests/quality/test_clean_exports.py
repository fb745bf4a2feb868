"""On the clean real exports nothing is an error, and of what is warned about a person said that it is so."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam2_assets_tests.quality.clean_verdicts import Warned, read_verdicts, warned_in

MOST_FALSE = 0.05


@pytest.fixture(scope="module")
def warned(shared_exports: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[set[Warned], list[str]]]:
    """Warnings and failing errors of every clean export, by its name."""
    found = {}
    for archive in sorted((shared_exports / "clean").glob("*.zip")):
        warnings, errors = warned_in(archive, tmp_path_factory.mktemp(archive.stem))
        found[archive.stem] = (set(warnings), errors)
    return found


def test_no_clean_export_has_an_error(warned: dict[str, tuple[set[Warned], list[str]]]) -> None:
    assert {name: errors for name, (_, errors) in warned.items() if errors} == {}


def test_every_warning_has_a_verdict_and_every_verdict_its_warning(
    warned: dict[str, tuple[set[Warned], list[str]]],
) -> None:
    found = set().union(*(warnings for warnings, _ in warned.values()))
    judged = set(read_verdicts())
    assert sorted(found - judged) == [], "look at the crops and add a line each"
    assert sorted(judged - found) == [], "stale: nothing warns of these any more"


def test_few_warnings_are_false() -> None:
    verdicts = read_verdicts()
    false = [warning for warning, judged in verdicts.items() if not judged.true]
    assert len(false) < MOST_FALSE * len(verdicts)
    assert all(judged.why.strip() for judged in verdicts.values())
