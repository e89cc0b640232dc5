"""A DAGSTER_HOME in the environment of `strava-assets up`."""

from pathlib import Path

import pytest

from strava_assets.errors import ConfigurationError
from strava_assets.local.dagster_home import home_folder, require_storage_in_postgres
from strava_assets_tests.running_up import project


def test_none_and_the_projects_own_are_fine(tmp_path: Path) -> None:
    require_storage_in_postgres(None)
    require_storage_in_postgres("")
    require_storage_in_postgres(str(project(tmp_path)))


def test_a_folder_without_one_gets_that_of_the_package_and_the_newer_one_after_an_upgrade(tmp_path: Path) -> None:
    (tmp_path / ".local").mkdir()
    file = tmp_path / "dagster.yaml"
    assert home_folder(tmp_path) == tmp_path
    require_storage_in_postgres(str(tmp_path))
    written = file.read_text()
    file.write_text(written.replace("INFO", "DEBUG"))
    home_folder(tmp_path)
    assert file.read_text() == written


def test_one_that_was_made_ones_own_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / ".local").mkdir()
    home_folder(tmp_path)
    file = tmp_path / "dagster.yaml"
    own = "".join(file.read_text().splitlines(keepends=True)[1:]).replace("INFO", "DEBUG")
    file.write_text(own)
    home_folder(tmp_path)
    assert file.read_text() == own


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
    with pytest.raises(ConfigurationError, match="is not an absolute path of a folder"):
        require_storage_in_postgres(home)
