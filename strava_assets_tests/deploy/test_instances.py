"""One dagster.yaml for development and production: where two files are needed, they differ in a stated few places."""

import tomllib
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from strava_assets.provisioning import initialise
from strava_assets.settings import Settings

ROOT = Path(__file__).parents[2]


def loaded(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / name).read_text())
    return content


def test_in_compose_only_the_places_of_files_and_logs_differ():
    development, compose = loaded("dagster.yaml"), loaded("deploy/compose/dagster.yaml")
    assert list(development) == list(compose)
    assert {key for key in development if development[key] != compose[key]} == {
        "local_artifact_storage",
        "compute_logs",
    }


def test_logs_in_the_bucket_lie_apart_from_the_raw_objects():
    config = loaded("deploy/compose/dagster.yaml")["compute_logs"]["config"]
    assert config["bucket"] == {"env": "S3_BUCKET"}
    assert not config["prefix"].startswith("stravaact")


@pytest.mark.usefixtures("environment")
def test_dagster_accepts_the_file_that_compose_uses(tmp_path: Path):
    list(initialise(Settings.from_environment()))
    (tmp_path / "dagster.yaml").write_text((ROOT / "deploy/compose/dagster.yaml").read_text())
    reference = dg.DagsterInstance.from_config(str(tmp_path)).get_ref()
    assert reference.compute_logs_data.class_name == "S3ComputeLogManager"


@pytest.mark.parametrize("workspace", ["workspace.yaml", "deploy/compose/workspace.yaml"])
def test_a_run_finds_its_location_under_the_same_name_everywhere(workspace: str):
    name = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["dagster"]["code_location_name"]
    (origin,) = loaded(workspace)["load_from"]
    (location,) = origin.values()
    assert location["location_name"] == name
    services = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]
    command = services["code"]["command"]
    assert command[command.index("--location-name") + 1] == name
