"""What is shipped for other machines agrees with what is tested here."""

from pathlib import Path
from typing import Any

import yaml

from strava_assets.settings import VARIABLES

PROJECT = Path(__file__).parent.parent


def read(file: str) -> Any:
    return yaml.safe_load((PROJECT / file).read_text())


def test_composes_dagster_yaml_differs_only_in_where_files_and_logs_go():
    ours, theirs = read("dagster.yaml"), read("deploy/compose/dagster.yaml")
    for elsewhere in ("local_artifact_storage", "compute_logs"):
        assert ours.pop(elsewhere) != theirs.pop(elsewhere)
    assert theirs == ours


def test_every_workspace_gives_the_location_the_name_that_runs_know():
    local = read("workspace.yaml")["load_from"][0]["python_module"]
    compose = read("deploy/compose/workspace.yaml")["load_from"][0]["grpc_server"]
    assert local["location_name"] == compose["location_name"] == "strava_assets"


def test_compose_hands_every_setting_to_every_service_of_ours():
    services = read("docker-compose.yaml")["services"]
    needed = {variable.name for variable in VARIABLES} - {"DAGSTER_POSTGRES_URL"}  # derived from DATABASE_URL
    for name in ("init", "code", "webserver", "daemon", "webhook"):
        assert needed <= set(services[name]["environment"]), name


def test_compose_publishes_on_loopback_only_and_drops_rights():
    for name, service in read("docker-compose.yaml")["services"].items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        assert service["logging"]["options"]["max-size"], name
        if service.get("build"):
            assert service["read_only"], name
            assert service["cap_drop"] == ["ALL"], name


def test_no_password_has_a_default():
    for line in (PROJECT / "docker-compose.yaml").read_text().splitlines():
        if "PASSWORD" in line and "${" in line:
            assert ":?" in line, line
