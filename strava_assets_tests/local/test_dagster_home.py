"""A DAGSTER_HOME in the environment of `strava-assets up`."""

from pathlib import Path

import pytest

from strava_assets.errors import ConfigurationError
from strava_assets.local.dagster_home import require_storage_in_postgres
from strava_assets_tests.running_up import project


def test_none_and_the_projects_own_are_fine(tmp_path: Path) -> None:
    require_storage_in_postgres(None)
    require_storage_in_postgres("")
    require_storage_in_postgres(str(project(tmp_path)))


def test_stock_storage_in_postgres_is_fine(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text("storage: {postgres: {postgres_url: {env: DAGSTER_POSTGRES_URL}}}\n")
    require_storage_in_postgres(str(tmp_path))


@pytest.mark.parametrize(
    "config",
    [
        None,
        "",
        "telemetry: {enabled: false}",
        "storage: {sqlite: {base_dir: /data}}",
        "storage: {custom: {module: other.storage, class: Storage, config: {}}}",
        "storage: yes",
        "- a list",
    ],
)
def test_another_projects_is_reported_with_what_to_do(tmp_path: Path, config: str | None) -> None:
    if config is not None:
        (tmp_path / "dagster.yaml").write_text(config)
    with pytest.raises(ConfigurationError, match=r"belongs to another project\. Unset it \(unset DAGSTER_HOME\), and"):
        require_storage_in_postgres(str(tmp_path))


def test_a_file_that_is_no_yaml_is_reported_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_bytes(b"a: [\xff")
    with pytest.raises(ConfigurationError, match=r"^[^\n]*dagster\.yaml in DAGSTER_HOME cannot be read [^\n]*$"):
        require_storage_in_postgres(str(tmp_path))


@pytest.mark.parametrize("home", ["relative", "/no/such/folder"])
def test_what_is_no_folder_is_reported(home: str) -> None:
    with pytest.raises(ConfigurationError, match="is no absolute path of a folder"):
        require_storage_in_postgres(home)
