"""The rules of the tree: dependencies point downward, the core knows no Dagster, importing stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "sam2_assets"
LAYERS = [
    {"cli", "__main__"},
    {"definitions"},
    {"assets", "checks", "automation", "resources", "launcher", "partitions"},
    {"settings"},
    {"packaging"},
    {"evaluation"},
    {"training"},
    {"splitting"},
    {"quality"},
    {"instructions"},
    {"exports", "sample"},
    {"quarantine"},
    {"inbox", "approvals", "notifications"},
    {"store"},
    {"workmirror"},
    {"tables", "coordinates", "labels", "storage", "workarea", "errors", "compiled", "threads", "pixels"},
]
SKIN = LAYERS[0] | LAYERS[1] | LAYERS[2]


def layer_of(part: str) -> int:
    return next(i for i, layer in enumerate(LAYERS) if part in layer)


def imports_of(path: Path) -> list[tuple[str, int]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append((node.module, node.lineno))
    return found


def modules() -> list[Path]:
    return [p for p in PACKAGE.rglob("*.py") if p.parent != PACKAGE or p.stem != "__init__"]


def test_dependencies_point_downward() -> None:
    upward = []
    for path in modules():
        part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for name, line in imports_of(path):
            parts = name.split(".")
            if parts[0] == "sam2_assets" and len(parts) > 1 and layer_of(parts[1]) < layer_of(part):
                upward.append(f"{path.relative_to(PACKAGE)}:{line} imports {name}")
    assert not upward


def test_the_core_does_not_import_dagster() -> None:
    offending = [
        f"{path.relative_to(PACKAGE)}:{line}"
        for path in modules()
        if path.relative_to(PACKAGE).parts[0].removesuffix(".py") not in SKIN
        for name, line in imports_of(path)
        if name == "dagster" or name.startswith("dagster.")
    ]
    assert not offending


@pytest.mark.parametrize("module", ["sam2_assets.definitions", "sam2_assets.cli"])
def test_importing_is_light_and_loads_no_torch(module: str) -> None:
    code = (
        f"import sys, time; t = time.perf_counter(); import {module}; "
        "heavy = {'torch', 'transformers', 'peft', 'datasets', 'numba'} & set(sys.modules); "
        "print(time.perf_counter() - t); assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_names_say_what_they_hold() -> None:
    vague = {"utils", "helpers", "misc", "manager", "common"}
    assert not [p for p in PACKAGE.rglob("*") if p.stem in vague]


def test_every_module_says_what_belongs_there() -> None:
    silent = [p for p in PACKAGE.rglob("*.py") if not ast.get_docstring(ast.parse(p.read_text(encoding="utf-8")))]
    assert not silent
