"""`login`, `logout` and `athletes`, run as a user runs them: real processes, and a script as the browser."""

import json
import os
import pty
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis
import requests

from strava_assets.state.access_evidence import EvidenceStore
from strava_assets.strava.clock import REAL
from strava_assets_tests.strava.scripted_strava import CLIENT_SECRET, ScriptedStrava

BROWSER = """
import sys, requests
requests.get(sys.argv[1].split("?")[0].replace("/oauth/authorize", "/elsewhere"))
landing = requests.get(sys.argv[1], allow_redirects=False).headers["Location"]
assert requests.get(landing.replace("state=", "state=wrong")).status_code == 400
print(requests.get(landing).text, file=open(sys.argv[2], "w"))
"""


@pytest.fixture
def strava() -> Iterator[ScriptedStrava]:
    with ScriptedStrava(REAL.now) as server:
        server.athletes[7] = [
            {"id": n, "start_date": (datetime(2021, 3, 4, tzinfo=UTC) + timedelta(days=n)).isoformat()}
            for n in range(30)
        ]
        yield server


@pytest.fixture
def environment(strava: ScriptedStrava, redis_url: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
    return {
        **kept,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "STRAVA_CLIENT_ID": "1",
        "STRAVA_CLIENT_SECRET": CLIENT_SECRET,
        "STRAVA_BASE_URL": strava.url,
        "REDIS_URL": redis_url,
    }


@pytest.fixture
def stored(redis_url: str) -> redis.Redis:
    return redis.Redis.from_url(redis_url)


def command(*arguments: str) -> Sequence[str]:
    return (sys.executable, "-c", "from strava_assets.cli.main import main; main()", *arguments)


def run(environment: dict[str, str], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), env=environment, cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )


def put_tokens(strava: ScriptedStrava, stored: redis.Redis, *athletes: int) -> None:
    for athlete_id, key in zip(athletes, ["STRAVA_TOKEN", *(f"STRAVA_TOKEN:{n}" for n in athletes[1:])], strict=True):
        stored.set(key, json.dumps({**strava.issue(athlete_id), "athlete": {"id": athlete_id, "firstname": "Ana"}}))


def test_login_opens_the_browser_stores_the_token_and_says_what_covers_the_history(
    strava: ScriptedStrava, environment: dict[str, str], stored: redis.Redis, tmp_path: Path
) -> None:
    script, page = tmp_path / "browser.py", tmp_path / "page.html"
    script.write_text(BROWSER)
    environment["BROWSER"] = f"{sys.executable} {script} %s {page}"
    result = run(environment, tmp_path, "login")
    assert result.stderr == ""
    assert result.returncode == 0
    assert "You are about to let strava-assets read your Strava activities" in result.stdout
    assert "strava.com" not in result.stdout
    assert f"\n\n  {strava.url}/oauth/authorize?client_id=1&redirect_uri=" in result.stdout
    assert result.stdout.splitlines()[-3:] == [
        "Logged in: Ana Díaz (7), token in STRAVA_TOKEN.",
        "30 activities since 2021-03-04.",
        (
            "30 activities start before STRAVA_START_DATE=2024-01-01 and are left out of imports and comparisons. To "
            "include everything, set STRAVA_START_DATE=2021-03-04 in .env, restart, and run: strava-assets import. "
            "Dagster then has 24,792 more hours of each asset; an import records those of years with activities."
        ),
    ]
    assert "Thank you. Close this window" in page.read_text()
    assert json.loads(stored.get("STRAVA_TOKEN") or "")["scope"] == ["activity:read_all", "read"]
    assert len(strava.requests_to("/api/v3/athlete/activities")) == 2


def test_login_without_a_browser_takes_the_pasted_address(
    environment: dict[str, str], stored: redis.Redis, tmp_path: Path
) -> None:
    with subprocess.Popen(
        command("login", "--no-browser"),
        env={**environment, "STRAVA_START_DATE": "2020-01-01"},
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        url = next(line.strip() for line in process.stdout if "/oauth/authorize" in line)
        landing = requests.get(url, allow_redirects=False, timeout=10).headers["Location"]
        process.stdin.write(f"{landing}\n")
        process.stdin.flush()
        output = process.stdout.read()
    assert process.returncode == 0
    assert output.endswith("30 activities since 2021-03-04. STRAVA_START_DATE=2020-01-01 covers them all.\n")
    assert stored.exists("STRAVA_TOKEN")


@pytest.mark.parametrize(("answer", "written"), [("y", "2021-03-04"), ("n", "2024-01-01")])
def test_login_on_a_terminal_offers_to_write_the_date_that_includes_everything(
    answer: str, written: str, environment: dict[str, str], tmp_path: Path
) -> None:
    script, file = tmp_path / "browser.py", tmp_path / ".env"
    script.write_text(BROWSER)
    file.write_text("STRAVA_START_DATE=2024-01-01\nSTRAVA_LOOKBACK_DAYS=20\n")
    environment["BROWSER"] = f"{sys.executable} {script} %s {tmp_path / 'page.html'}"
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command("login"), env=environment, cwd=tmp_path, stdin=theirs, stdout=subprocess.PIPE, text=True
    ) as process:
        os.write(ours, f"{answer}\n".encode())  # a terminal keeps what is typed before it is asked for
        output, _ = process.communicate(timeout=300)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == 0
    assert f"Write STRAVA_START_DATE=2021-03-04 into {file}? [y/N]" in output
    assert file.read_text() == f"STRAVA_START_DATE={written}\nSTRAVA_LOOKBACK_DAYS=20\n"
    assert ("Written. Restart `" in output) == (answer == "y")


def test_login_with_an_unticked_box_stores_nothing_and_does_not_use_the_code(
    strava: ScriptedStrava, environment: dict[str, str], stored: redis.Redis, tmp_path: Path
) -> None:
    strava.granted = "read"
    script = tmp_path / "browser.py"
    script.write_text(BROWSER)
    environment["BROWSER"] = f"{sys.executable} {script} %s {tmp_path / 'page.html'}"
    result = run(environment, tmp_path, "login")
    assert result.returncode == 1
    assert result.stderr == (
        "error: activity:read_all was not granted, so private activities would be missing; nothing was stored. Run "
        "strava-assets login again and leave its box ticked.\n"
    )
    assert not stored.exists("STRAVA_TOKEN")
    assert strava.requests_to("/oauth/token") == []


def test_login_learns_that_redis_is_away_before_anybody_grants_anything(
    environment: dict[str, str], tmp_path: Path
) -> None:
    result = run({**environment, "REDIS_URL": "redis://:hush@127.0.0.1:1/0"}, tmp_path, "login")
    assert result.returncode == 75
    assert result.stdout == ""
    assert result.stderr == "error: Redis at 127.0.0.1:1 does not answer; check that it runs, and REDIS_URL.\n"


def test_logout_of_several_needs_to_know_whom(
    strava: ScriptedStrava, environment: dict[str, str], stored: redis.Redis, tmp_path: Path
) -> None:
    put_tokens(strava, stored, 7, 8)
    unclear = run(environment, tmp_path, "logout")
    assert unclear.returncode == 2
    assert "Several athletes are logged in (7, 8): choose one with --athlete ID." in unclear.stderr
    undecided = run(environment, tmp_path, "logout", "--athlete", "8")
    assert undecided.returncode == 1
    assert undecided.stdout.startswith("End the access of Ana (8) on Strava, and delete the token? [y/N]:")
    assert strava.requests == []
    clear = run(environment, tmp_path, "logout", "--athlete", "8", "--yes")
    assert clear.stdout == "Ana (8) is logged out. What was collected stays; strava-assets purge deletes it.\n"
    assert clear.returncode == 0
    assert stored.keys() == [b"STRAVA_TOKEN"]


@pytest.mark.slow
@pytest.mark.parametrize("force", [False, True])
def test_logout_without_strava_keeps_the_token_unless_forced(
    strava: ScriptedStrava, environment: dict[str, str], stored: redis.Redis, tmp_path: Path, *, force: bool
) -> None:
    put_tokens(strava, stored, 7)
    environment["STRAVA_BASE_URL"] = "http://127.0.0.1:1"
    result = run(environment, tmp_path, "logout", "--yes", *(["--force"] if force else []))
    away = "POST /oauth/revoke failed after 4 attempts; last error: no connection to Strava, or it was reset."
    if force:
        assert result.stdout == (
            f"{away} So Strava still lists this application.\n"
            "Ana (7) is logged out. What was collected stays; strava-assets purge deletes it.\n"
        )
    else:
        assert result.stderr == f"error: {away} The token is kept; --force deletes it without telling Strava.\n"
    assert (result.returncode, stored.exists("STRAVA_TOKEN")) == ((0, 0) if force else (75, 1))


def test_athletes_are_shown_without_asking_strava(
    strava: ScriptedStrava, environment: dict[str, str], stored: redis.Redis, tmp_path: Path
) -> None:
    assert run(environment, tmp_path, "athletes").stdout == "Nobody is logged in. Run: strava-assets login\n"
    until = datetime(2100, 1, 2, 3, 4, tzinfo=UTC).timestamp()
    token = {"access_token": "x", "expires_at": until, "athlete": {"id": 7, "firstname": "Ana", "lastname": "Díaz"}}
    stored.set("STRAVA_TOKEN", json.dumps(token))
    stored.set("STRAVA_TOKEN:8", json.dumps({"access_token": "y", "scope": "read,activity:read_all", "expires_at": 0}))
    expected = """\
        id  name      token until (UTC)         scopes                  Redis key
        7   Ana Díaz  2100-01-02 03:04          unknown                 STRAVA_TOKEN
        8             1970-01-01 00:00 (ended)  activity:read_all read  STRAVA_TOKEN:8
        """
    assert run(environment, tmp_path, "athletes").stdout == textwrap.dedent(expected)
    assert strava.requests == []


def test_a_login_that_strava_refuses_is_reported_with_both_ways_out(
    strava: ScriptedStrava, environment: dict[str, str], stored: redis.Redis, tmp_path: Path
) -> None:
    put_tokens(strava, stored, 7)
    EvidenceStore(stored).record_refusal("STRAVA_TOKEN", "refresh-1-of-7", datetime(2026, 11, 22, 13, 2, tzinfo=UTC))
    assert run(environment, tmp_path, "athletes").stdout.splitlines()[-1] == (
        "Strava has refused the refresh token of athlete 7 since 2026-11-22 13:02 UTC: access was withdrawn, or a "
        "login was lost. Log in again: strava-assets login; or delete the data: strava-assets purge --athlete 7"
    )
    checked = run(environment, tmp_path, "doctor", "--offline").stdout
    assert "FAIL tokens: Strava has refused the refresh token of athlete 7" in checked


@pytest.mark.parametrize("name", ["login", "logout", "athletes"])
def test_the_help_fits_a_terminal_and_shows_no_markup(environment: dict[str, str], tmp_path: Path, name: str) -> None:
    shown = run(environment, tmp_path, name, "--help").stdout
    assert re.match(rf"Usage: .*{name}", shown)
    assert max(map(len, shown.splitlines())) <= 80


def test_a_name_reaches_the_terminal_without_escape_sequences(
    strava: ScriptedStrava, environment: dict[str, str], stored: redis.Redis, tmp_path: Path
) -> None:
    name = "Ana\x1b[2J\x07\u202e 👩\u200d🚀"
    stored.set("STRAVA_TOKEN", json.dumps({**strava.issue(7), "athlete": {"id": 7, "firstname": name}}))
    for command in (["athletes"], ["logout", "--yes"]):
        output = run(environment, tmp_path, *command).stdout
        assert "Ana\\x1b[2J\\x07\\u202e 👩\u200d🚀" in output
        assert not any(each in output for each in "\x1b\x07\u202e")
