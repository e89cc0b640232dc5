"""The layers of docs/design.md, read from the code's own imports."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "strava_assets"
WITHOUT_DAGSTER = ("strava", "mirror", "raw.py", "hours.py", "raw_activity.py", "settings.py", "errors.py",
                   "fetching.py", "mirroring.py", "comparing.py", "importing.py", "asked.py",
                   "postponed.py", "hints.py", "noticing.py", "purging.py", "pruning.py",
                   "raw_deletion.py")  # fmt: skip


def imports(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def files(part: str) -> list[Path]:
    path = PACKAGE / part
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


@pytest.mark.parametrize("part", WITHOUT_DAGSTER)
def test_the_logic_does_not_know_dagster(part: str):
    for file in files(part):
        found = {name for name in imports(file) if name.split(".")[0].startswith("dagster")}
        assert not found, f"{file.name} imports {found}"


def test_only_commands_import_the_simulator_and_the_embedded_servers():
    for file in PACKAGE.rglob("*.py"):
        if file.relative_to(PACKAGE).parts[0] in {"cli", "simulator", "local"}:
            continue
        found = {name for name in imports(file) if name.startswith(("strava_assets.simulator", "strava_assets.local"))}
        assert not found, f"{file.name} imports {found}"


def test_the_ground_floor_imports_nothing_above_it():
    ground = {"hours", "raw_activity", "settings", "errors"}
    for name in ground:
        above = {
            each for each in imports(PACKAGE / f"{name}.py")
            if each.startswith("strava_assets.") and each.split(".")[1] not in ground
        }  # fmt: skip
        assert not above, f"{name}.py imports {above}"
