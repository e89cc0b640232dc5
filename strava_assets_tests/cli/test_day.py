from pathlib import Path

import pytest
from click.testing import CliRunner

from strava_assets.cli.main import main

FIRST = {"STRAVA_START_DATE": "2024-01-01"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--from", "01.02.2025"], "'01.02.2025' is not a date. Write it like 2024-01-01."),
        (["--from", "2025-03-01", "--to", "2025-02-01"], "--from 2025-03-01 lies after --to 2025-02-01."),
        (["--from", "9998-01-01"], "--from 9998-01-01 lies in the future."),
        (["--to", "2020-01-01"], "The first partition is 2024-01-01; STRAVA_START_DATE moves it."),
        (["--help"], "--from YYYY-MM-DD"),
    ],
)
def test_a_wrong_day_is_reported_as_what_it_is(options: list[str], sentence: str):
    assert sentence in CliRunner().invoke(main, ["import", *options], env=FIRST).output


def test_a_client_id_without_its_secret_is_reported_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["up"], env={"STRAVA_CLIENT_ID": "1", "STRAVA_CLIENT_SECRET": None})
    assert result.exit_code != 0
    assert "STRAVA_CLIENT_SECRET is not set" in result.output
    assert not list(tmp_path.iterdir())
