"""docker-compose.yaml keeps its promises, as far as that shows without Docker."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from strava_assets.settings import VARIABLES

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yaml"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text())["services"]
OWN_IMAGES = {"strava-assets:local", "strava-assets-s3:local"}
EVERY_SERVICE = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES.keys())


@EVERY_SERVICE
def test_a_service_has_few_rights_and_bounded_logs(service: dict[str, Any]):
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}
    assert service["image"] in OWN_IMAGES or re.fullmatch(r"[^:]+:[^:@]+@sha256:[0-9a-f]{64}", service["image"])
    assert service["mem_limit"]


@EVERY_SERVICE
def test_a_service_is_not_root(service: dict[str, Any]):
    assert service["image"] in OWN_IMAGES or service["user"] not in {"", "root", "0"}


@EVERY_SERVICE
def test_a_service_can_only_be_reached_from_this_host(service: dict[str, Any]):
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


@EVERY_SERVICE
def test_a_service_that_stays_says_whether_it_is_well(service: dict[str, Any]):
    assert service["restart"] == "no" or "test" in service["healthcheck"]


def test_every_setting_reaches_the_services():
    assert {each.name for each in VARIABLES} <= set(SERVICES["code"]["environment"])
    for name in ("init", "webserver", "daemon"):
        assert SERVICES[name]["environment"] == SERVICES["code"]["environment"]


def test_what_faces_the_internet_has_a_network_and_two_secrets_of_its_own():
    webhook = SERVICES["webhook"]
    assert set(webhook["environment"]) == {"STRAVA_WEBHOOK_VERIFY_TOKEN", "REDIS_URL"}
    assert "redis://webhook:" in webhook["environment"]["REDIS_URL"]
    (network,) = webhook["networks"]
    assert [name for name, each in SERVICES.items() if network in each.get("networks", ["default"])] == [
        "redis",
        "webhook",
    ]
    assert not any("env_file" in each for each in SERVICES.values())


def test_no_password_has_a_default():
    text = COMPOSE.read_text()
    uses = re.findall(r"\$\{(\w*PASSWORD)(:?[^}]*)\}", text)
    assert {name for name, _ in uses} == {
        "POSTGRES_PASSWORD",
        "POSTGRES_APP_PASSWORD",
        "REDIS_PASSWORD",
        "REDIS_WEBHOOK_PASSWORD",
        "S3_PASSWORD",
        "MINIO_ROOT_PASSWORD",
    }
    # Each is asked for, and where it is put into a URL as well it is not asked for again.
    for name in {name for name, _ in uses} - {"MINIO_ROOT_PASSWORD"}:
        assert any(rest.startswith(":?Run deploy/make-env.sh") for each, rest in uses if each == name)
    assert all(rest in {"", ":-"} or rest.startswith(":?Run deploy/make-env.sh") for _, rest in uses)
    assert {name for name, rest in uses if rest == ":-"} == {"MINIO_ROOT_PASSWORD"}  # only earlier versions had it


def test_what_is_built_runs_without_root_and_from_the_lock_alone():
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert [line for line in lines if line.startswith("USER")] == ["USER 10001"] * 2
    installs = [line for line in lines if "pip install" in line]
    assert installs
    assert all("--require-hashes" in line or "--no-deps --no-build-isolation /build" in line for line in installs)


def test_nothing_starts_before_the_objects_of_an_earlier_version_were_carried_over():
    done = {"condition": "service_completed_successfully"}
    assert SERVICES["init"]["depends_on"]["s3-upgrade"] == done
    assert SERVICES["code"]["depends_on"] == {"init": done}
    assert SERVICES["minio"]["profiles"] == ["minio"]
    assert SERVICES["s3-upgrade"]["restart"] == SERVICES["minio"]["restart"] == "no"


@pytest.mark.parametrize(
    ("there", "program", "code"),
    [
        ([], "exit 9", 0),
        (["minio", "carried-over"], "exit 9", 0),
        (["minio"], "sleep 1; touch carried-over; sleep 60", 0),
        (["minio"], "exit 9", 9),
    ],
    ids=["nothing", "carried over", "carried over meanwhile", "died"],
)
def test_minio_runs_until_its_objects_were_carried_over(tmp_path: Path, there: list[str], program: str, code: int):
    for name in there:
        (tmp_path / name).mkdir()
    minio = tmp_path / "bin/minio"
    minio.parent.mkdir()
    minio.write_text(f"#!/bin/sh\n{program}\n")
    minio.chmod(0o755)
    service = SERVICES["minio"]
    (script,) = [each.replace("$$", "$").replace("/s3/", f"{tmp_path}/") for each in service["command"]]
    environment = {"PATH": f"{minio.parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        [*service["entrypoint"], script],
        env=environment,
        cwd=tmp_path,
        check=False,
        stderr=subprocess.DEVNULL,
        timeout=30,
    )
    assert done.returncode == code


def test_only_what_the_image_needs_is_sent_to_the_builder():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "*"
    assert not any(".env" in line or ".local" in line for line in ignored)
