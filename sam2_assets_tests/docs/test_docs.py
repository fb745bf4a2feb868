"""The pages say what the code does: tables, options, examples, links; and name no machine."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
import typer
import yaml

from sam2_assets.assets.scope import LEAKAGE_GATE, PLAN_GATES, SIZE_GATE
from sam2_assets.cli.app import app
from sam2_assets.cli.inspection import inspect_export
from sam2_assets.cli.local_run import read_run_file
from sam2_assets.instructions import VIEWS
from sam2_assets.quality import CHECKS
from sam2_assets.sample import SampleVideo
from sam2_assets.settings import describe, read_layer, resolve

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def tracked(pattern: str = "*.md") -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", pattern],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]
    return [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]


PAGES = sorted(tracked())


def identity(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(path: Path, info: str) -> list[str]:
    return [m["body"] for m in FENCE.finditer(path.read_text(encoding="utf-8")) if m["info"].strip() == info]


def section(page: str, title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert found is not None, f"no section {title}"
    return found[1]


def anchors(path: Path) -> set[str]:
    """The names of a page's headings as hubs make them."""
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.fixture(scope="module")
def writer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_docs", ROOT / "scripts" / "write_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def commands() -> dict[str, click.Command]:
    group: Any = typer.main.get_command(app)
    found: dict[str, click.Command] = group.commands
    return found


def options(command: click.Command) -> set[str]:
    return {name for p in command.params for name in (*p.opts, *p.secondary_opts) if name.startswith("--")}


@pytest.mark.parametrize("name", ["settings.md", "checks.md", "defects.md", "models.md", "training.md"])
def test_a_generated_table_is_that_of_the_code(writer: ModuleType, name: str) -> None:
    page = (DOCS / name).read_text(encoding="utf-8")
    assert writer.renewed(page, writer.TABLES[name]()) == page, "run scripts/write_docs.py"


def cells(page: str) -> Iterator[list[str]]:
    for line in page.splitlines():
        if line.startswith("| `"):
            yield [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_every_setting_is_listed_with_its_default() -> None:
    listed = {row[0].strip("`"): row[1].strip("`") for row in cells((DOCS / "settings.md").read_text(encoding="utf-8"))}
    assert listed == {name: "empty" if default == "None" else default for name, default, _ in describe()}


def test_every_check_and_gate_is_listed_with_what_it_stops() -> None:
    listed = {row[0].strip("`"): row for row in cells((DOCS / "checks.md").read_text(encoding="utf-8"))}
    assert set(listed) == {check.id for check in CHECKS} | {LEAKAGE_GATE, SIZE_GATE, *PLAN_GATES}
    for check in CHECKS:
        assert listed[check.id][1:3] == [str(check.severity), f"`{check.gates}`" if check.gates else "nothing"]


def test_every_setting_a_page_names_exists() -> None:
    sections = "|".join(sorted({name.split(".")[0] for name, _, _ in describe()}))
    known = {name for name, _, _ in describe()}
    for page in PAGES:
        for name in re.findall(rf"`((?:{sections})\.[a-z_.]+[a-z])`", page.read_text(encoding="utf-8")):
            assert name in known, f"{identity(page)}: {name}"


def test_every_sub_command_is_documented_with_all_its_options() -> None:
    page = (DOCS / "command.md").read_text(encoding="utf-8")
    for name, command in commands().items():
        text = section(page, name)
        missing = {option for option in options(command) if f"`{option}`" not in text} - {"--help"}
        assert not missing, f"{name}: {missing}"
        assert f"sam2-assets {name}" in text


def test_every_format_is_documented_with_its_boxes() -> None:
    text = section((DOCS / "command.md").read_text(encoding="utf-8"), "convert")
    assert {row[0].strip("`") for row in cells(text) if not row[0].startswith("`--")} == set(VIEWS)


@pytest.mark.parametrize("page", PAGES, ids=identity)
def test_every_command_line_names_commands_options_and_targets_that_exist(page: Path) -> None:
    known, targets = commands(), set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"(?:^|`)make ([a-z]+)", text, re.MULTILINE):
        assert target in targets
    for block in blocks(page, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            words = line.split()
            if words and words[0].endswith("sam2-assets"):
                assert words[1] in known
                assert {w for w in words if w.startswith("--")} <= options(known[words[1]]), line
    for name in re.findall(r"`sam2-assets ([a-z]+)", text):
        assert name in known


@pytest.mark.parametrize("page", PAGES, ids=identity)
def test_relative_links_and_images_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path), target


# Parts, so that this file does not name them itself.
_MACHINE = [r"(?<![\w.>])/" + name + r"/" for name in ("work", "tmp", "root", "home", "Users", "mnt")]
_REGISTRY = ["index[-_]url", "artifactory", "nexus", r"pypi\.(?!org)", r"\.internal\b", r"\.corp\b"]


@pytest.mark.parametrize("page", PAGES, ids=identity)
def test_no_page_names_a_path_of_a_machine_or_a_registry(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not re.findall("|".join([*_MACHINE, *_REGISTRY]), text)


@pytest.mark.parametrize("page", PAGES, ids=identity)
def test_lines_are_wrapped(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines if len(line) > 120 and not line.startswith(("|", "!["))]


def test_every_error_code_that_the_exports_page_names_is_raised_somewhere() -> None:
    refused = section((DOCS / "exports.md").read_text(encoding="utf-8"), "Refused")
    codes = {code for line in refused.splitlines() if line.startswith("|") for code in re.findall(r"`(\w+)`", line)}
    codes -= {"objects", "segments_index", "mask_order"}
    source = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "sam2_assets" / "exports").glob("*.py"))
    assert len(codes) > 20
    assert not [code for code in sorted(codes) if f'"{code}"' not in source]


def test_the_run_file_and_settings_examples_are_accepted(tmp_path: Path) -> None:
    (run,) = blocks(DOCS / "command.md", "yaml run-file")
    path = tmp_path / "run.yaml"
    path.write_text(run, encoding="utf-8")
    exports, out, settings = read_run_file(path)
    assert [e.archive.name for e in exports] == ["cats.zip", "dogs.zip"]
    assert (out, settings.training.epochs) == (tmp_path / "runs/animals", 2)
    (example,) = blocks(DOCS / "command.md", "yaml settings-file")
    (tmp_path / "settings.yaml").write_text(example, encoding="utf-8")
    assert set(resolve([read_layer(tmp_path / "settings.yaml")]).origins) >= {"splitting.segments"}
    assert set(yaml.safe_load(example)["quality"]["waivers"]) <= {check.id for check in CHECKS}


def shape(value: Any) -> Any:
    """Keys of objects, and of the first element of a list."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items() if key not in ("evidence", "examples")}
    return [shape(value[0])] if isinstance(value, list) and value and isinstance(value[0], dict) else None


def test_the_json_example_of_inspect_has_the_shape_that_is_printed(sample_videos: list[SampleVideo]) -> None:
    (example,) = blocks(DOCS / "command.md", "json")
    report, *_ = inspect_export(sample_videos[0].export, sample_videos[0].source, None)
    assert shape(json.loads(example)) == shape(report)


def test_the_readme_shows_the_screens() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in ("graph", "metadata", "loss", "report"):
        assert f"docs/images/ui/{name}.png" in text
