"""deploy/kubernetes says the same as dagster.yaml, holds no secret, and fits the chart's own schema."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from strava_assets_tests.deploy.json_schema import misfits

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
VALUES: dict[str, Any] = yaml.safe_load((FOLDER / "values.yaml").read_text())
INSTANCE: dict[str, Any] = yaml.safe_load((ROOT / "dagster.yaml").read_text())
CODE = VALUES["dagster-user-deployments"]["deployments"][0]


def test_runs_are_queued_watched_and_retried_as_everywhere():
    daemon, monitoring = VALUES["dagsterDaemon"], INSTANCE["run_monitoring"]
    queue = daemon["runCoordinator"]["config"]["queuedRunCoordinator"]
    assert queue["maxConcurrentRuns"] == INSTANCE["concurrency"]["runs"]["max_concurrent_runs"]
    assert queue["dequeueIntervalSeconds"] == INSTANCE["run_queue"]["dequeue_interval_seconds"]
    assert snake(daemon["runRetries"]) == INSTANCE["run_retries"]
    assert monitoring.items() <= snake(daemon["runMonitoring"]).items()
    assert VALUES["retention"]["schedule"] == {"purgeAfterDays": INSTANCE["retention"]["schedule"]["purge_after_days"]}
    ticks = VALUES["retention"]["sensor"]["purgeAfterDays"]
    assert INSTANCE["retention"]["sensor"]["purge_after_days"].items() <= ticks.items()


def test_one_image_without_root_for_everything():
    manifests = [document for name in ("init.yaml", "webhook.yaml") for document in documents(name)]
    pods = [each["spec"]["template"]["spec"] for each in manifests if each["kind"] in {"Job", "Deployment"}]
    images = {f"{each['image']['repository']}:{each['image']['tag']}" for each in (CODE, VALUES["dagsterWebserver"])}
    images |= {pod["containers"][0]["image"] for pod in pods}
    assert len(images) == 1
    places = [CODE, VALUES["dagsterWebserver"], VALUES["dagsterDaemon"]]
    contexts = [place["securityContext"] for place in places] + [
        pod["containers"][0]["securityContext"] for pod in pods
    ]
    assert all(context["readOnlyRootFilesystem"] and not context["allowPrivilegeEscalation"] for context in contexts)
    users = [place["podSecurityContext"] for place in places] + [pod["securityContext"] for pod in pods]
    assert all(user["runAsNonRoot"] and user["runAsUser"] == 10001 for user in users)


def test_secrets_are_only_named():
    for file in FOLDER.glob("*.yaml"):
        assert not re.search(r"(?i)(password|secret_access_key|client_secret|_url)\"?: *[\"'\w]", file.read_text())
    assert VALUES["global"]["postgresqlSecretName"]
    assert all(VALUES[each]["envSecrets"] == CODE["envSecrets"] for each in ("dagsterWebserver", "dagsterDaemon"))


def test_the_chart_named_is_of_the_locked_dagster():
    locked = re.search(r"^dagster==(\S+)", (ROOT / "locks/kubernetes.txt").read_text(), re.MULTILINE)
    assert locked
    for name in ("values.yaml", "README.md"):
        assert f"--version {locked[1]}" in (FOLDER / name).read_text()


def test_the_lock_with_kubernetes_is_the_other_lock_and_more():
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^([\w.-]+==\S+)", (ROOT / "locks" / name).read_text(), re.MULTILINE))

    assert pins("runtime.txt") < pins("kubernetes.txt")


@pytest.mark.skipif(
    "DAGSTER_HELM_SCHEMA" not in os.environ,
    reason="DAGSTER_HELM_SCHEMA does not name helm/dagster/values.schema.json of Dagster's repository",
)
def test_the_values_fit_the_charts_schema():
    schema = json.loads(Path(os.environ["DAGSTER_HELM_SCHEMA"]).read_text())
    assert list(misfits(VALUES, schema, schema.get("definitions") or schema["$defs"])) == []


def test_a_value_that_the_schema_does_not_know_is_found():
    schema = {
        "definitions": {"Run": {"type": "object", "properties": {"limit": {"type": "integer"}}}},
        "properties": {
            "run": {"$ref": "#/definitions/Run"},
            "level": {"anyOf": [{"enum": ["INFO"]}, {"type": "null"}]},
        },
        "additionalProperties": False,
    }
    good = {"run": {"limit": 1}, "level": None}
    assert list(misfits(good, schema, schema["definitions"])) == []  # type: ignore[arg-type]
    bad = {"run": {"limit": "1"}, "level": "LOUD", "more": 1}
    assert list(misfits(bad, schema, schema["definitions"])) == [  # type: ignore[arg-type]
        "run.limit is no integer",
        "level fits nothing that is allowed",
        "more is not known",
    ]


def snake(values: dict[str, Any]) -> dict[str, Any]:
    """The chart's camelCase names as dagster.yaml spells them."""
    return {re.sub(r"[A-Z]", lambda found: "_" + found[0].lower(), name): value for name, value in values.items()}


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / name).read_text()))
