"""The layers of docs/design.md, read from the code's own imports, deferred ones included."""

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "strava_assets"

BASE = {"hours", "errors", "loopback"}
MAY_IMPORT = {
    "hours": set[str](),
    "errors": set[str](),
    "loopback": set[str](),
    "bounded_server": set[str](),
    "settings": BASE,
    "state": BASE,
    "raw": BASE,
    "strava": BASE | {"raw.activity", "state"},
    "postgres": BASE,
    "mirror": BASE | {"postgres", "raw.activity", "raw.snapshot"},
    "archive": BASE | {"raw", "mirror", "state"},
    "sync": BASE | {"strava", "raw", "mirror", "state"},
    "webhooks": BASE | {"bounded_server", "sync", "strava", "state", "mirror", "settings"},
    "deletion": BASE | {"raw", "mirror", "state", "strava.tokens", "webhooks.pending_events"},
    "instance": BASE | {"postgres", "settings"},
    "services": BASE | {"settings", "strava", "raw", "state", "mirror"},
    "views": BASE | {"mirror.table"},
    "report": BASE | {"views", "mirror.database", "raw.report_store"},
    "provisioning": BASE | {"settings", "raw", "postgres", "mirror", "services", "views"},
    "web": BASE | {"bounded_server", "settings", "services", "raw.report_store", "state.report_links"},
    "local": BASE | {"settings", "instance", "defs", "web"},
    "simulator": {"loopback", "raw.activity", "strava.tokens", "settings", "services", "local.atomic_file"},
}
"""What each room may import of this package besides itself. `defs` and `cli` may import all that is below them."""

WITHOUT_DAGSTER = {*MAY_IMPORT} - {"instance", "provisioning", "web", "local"}


def room(file: Path) -> str:
    return file.relative_to(PACKAGE).with_suffix("").parts[0]


def modules() -> dict[str, Path]:
    return {
        ".".join(file.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): file
        for file in sorted(PACKAGE.rglob("*.py"))
    }


def imports(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def own_imports(file: Path) -> set[str]:
    known = modules()
    return {
        name.removeprefix("strava_assets.")
        for name in imports(file)
        if name.startswith("strava_assets.") and name.removeprefix("strava_assets.") in known
    }


def test_every_room_is_in_the_table_or_stands_above_all():
    above = {"__init__", "__main__", "definitions", "defs", "cli", "event_log", "run_launcher"}
    assert {room(file) for file in PACKAGE.rglob("*.py")} == MAY_IMPORT.keys() | above


@pytest.mark.parametrize("name", MAY_IMPORT)
def test_a_room_imports_only_what_the_table_allows(name: str):
    files = [file for file in PACKAGE.rglob("*.py") if room(file) == name]
    assert files
    for file in files:
        for imported in own_imports(file):
            allowed = imported.split(".")[0] == name or any(
                imported == each or imported.startswith(f"{each}.") or each.startswith(f"{imported}.")
                for each in MAY_IMPORT[name]
            )
            assert allowed, f"{file.relative_to(PACKAGE)} imports {imported}"


@pytest.mark.parametrize("name", sorted(WITHOUT_DAGSTER))
def test_the_logic_does_not_know_dagster(name: str):
    for file in (file for file in PACKAGE.rglob("*.py") if room(file) == name):
        found = {each for each in imports(file) if each.split(".")[0].startswith("dagster")}
        assert not found, f"{file.name} imports {found}"


def test_private_names_of_dagster_are_used_in_instance_alone():
    for file in PACKAGE.rglob("*.py"):
        if room(file) != "instance":
            found = {each for each in imports(file) if each.startswith(("dagster._", "dagster_shared"))}
            assert not found, f"{file.relative_to(PACKAGE)} imports {found}"


def test_only_commands_import_the_simulator_and_the_embedded_servers():
    for file in PACKAGE.rglob("*.py"):
        if room(file) not in {"cli", "simulator", "local"}:
            found = {each for each in own_imports(file) if each.split(".")[0] in {"simulator", "local"}}
            assert not found, f"{file.relative_to(PACKAGE)} imports {found}"


def test_of_webhooks_only_the_receiver_reads_settings():
    found = {file.stem for file in (PACKAGE / "webhooks").glob("*.py") if "settings" in own_imports(file)}
    assert found == {"receiver"}


READS_ENVIRONMENT = {
    "settings": "every setting",
    "instance.event_log": "sets no_proxy and two of Dagster's variables, these unless they are set",
    "cli.doctor": "DAGSTER_HOME, which is Dagster's own",
    "cli.console": "whether there is a browser",
    "cli.login": "whether .env or the shell names STRAVA_START_DATE",
    "cli.postgres_tools": "libpq's programs get the whole environment",
    "cli.psql": "whether DATABASE_URL is set at all, or `up` runs in this folder",
    "cli.up": "what is set, before it starts what is not, and names it to its processes",
    "local.compaction": "PATH, for programs",
    "local.dagster_processes": "Dagster's processes get the whole environment",
    "local.machine": "which names are set, before anything is installed",
    "local.own_command": "how this command was started, to name it so in messages",
    "local.postgres": "PATH, for programs",
    "local.redis": "PATH, for programs",
    "local.s3": "PATH, for programs",
    "local.settings_file": "reads what `up` has written into the environment, and unsets what is of other servers",
    "local.simulated_strava": "its process gets the whole environment",
    "local.supervisor": "its process gets the whole environment",
}
"""The modules that touch the environment, and what for. Nothing of the platform does but its settings; the others here
start processes, or run before settings exist."""


def test_nothing_but_the_settings_and_what_starts_processes_touches_the_environment():
    found = {
        name
        for name, file in modules().items()
        for node in ast.walk(ast.parse(file.read_text()))
        if (isinstance(node, ast.Attribute | ast.Name | ast.alias))
        and (getattr(node, "attr", "") or getattr(node, "id", "") or getattr(node, "name", ""))
        in {"environ", "environb", "getenv", "putenv", "unsetenv"}
    }
    assert found == READS_ENVIRONMENT.keys()


CHANGES_THE_PROCESS = {
    *{"addFilter", "addHandler", "setLevel", "basicConfig", "dictConfig"},
    *{"simplefilter", "filterwarnings", "set_threshold", "freeze", "environ", "putenv", "setrecursionlimit"},
}


def at_import(node: ast.AST) -> Iterator[ast.AST]:
    """What runs when a module is imported: not the bodies of functions."""
    yield node
    for name, field in ast.iter_fields(node):
        if not (name == "body" and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)):
            for child in field if isinstance(field, list) else [field]:
                if isinstance(child, ast.AST):
                    yield from at_import(child)


def test_only_dagsters_storage_changes_the_process_that_imports_it():
    """A host that imports build_definitions keeps its logs, warnings, garbage collector and environment as they are."""
    found = {
        name
        for name, file in modules().items()
        for node in at_import(ast.parse(file.read_text()))
        if {getattr(node, "attr", ""), getattr(node, "id", "")} & CHANGES_THE_PROCESS
    }
    assert found == {"instance.event_log"}


def test_every_key_in_redis_is_named_in_one_list():
    for name, file in modules().items():
        if name != "state.keys" and room(file) not in {"local", "simulator"}:
            constants = [each.value for each in ast.walk(ast.parse(file.read_text())) if isinstance(each, ast.Constant)]
            found = [each for each in constants if isinstance(each, str) and each.startswith("strava:")]
            assert not found, f"{name} names {found}"


def test_labels_that_a_purge_looks_for_are_made_by_one_function():
    """A label that ends in an id, formed by hand, would be found only as long as both are spelled alike."""
    for file in (PACKAGE / "defs").glob("*.py"):
        found = re.findall(r"""_\{[^{}]*_id\b[^{}]*\}["']""", file.read_text())
        assert not found, f"{file.name} forms {found}"


def test_no_import_goes_in_a_circle():
    graph = {
        name: {each for each in own_imports(file) if each != name and not name.startswith(f"{each}.")}
        for name, file in modules().items()
    }
    assert list(TopologicalSorter(graph).static_order())
