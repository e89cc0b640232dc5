"""Every command that README and docs tell people to type is run by a test, or it is listed here why it cannot be."""

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
TESTS = Path(__file__).parent
PAGES = [*PROJECT.glob("*.md"), *PROJECT.glob("docs/*.md"), *PROJECT.glob("deploy/**/*.md")]

UP = "cli/test_up.py::test_one_command_leads_to_activities_in_postgres"
HOUR = "test_secrets.py::test_no_secret_is_in_any_log_event_object_or_table"
RANGE = "test_upgrade.py::test_what_0_1_0_wrote_is_there_after_init_and_costs_no_refresh"
BACKUP = "cli/test_backup.py::test_a_backup_restored_into_empty_servers_is_the_same_mirror"
PARTS = "cli/test_backup.py::test_databases_can_be_dumped_and_restored_by_the_servers_own_tools"
ARCHIVE = "cli/test_archive.py::test_a_zip_becomes_rows_and_objects_without_application_or_login"

RUN_BY = {
    r"make up": UP,
    r"make up ARCHIVE=\S+": "cli/test_up.py::test_an_export_alone_is_enough_and_the_next_start_needs_not_even_that",
    r"pip install '\S+\.whl\[embedded\]' && strava-assets up": (
        "cli/test_up.py::test_without_a_checkout_an_empty_folder_is_enough_and_stays_tidy"
    ),
    r"(\.venv/bin/)?strava-assets psql -c .+": "cli/test_psql.py::test_a_query_is_answered_by_psql",
    r"(\.venv/bin/)?strava-assets import": (
        "cli/test_import_history.py::test_an_import_that_lost_a_service_fetches_only_what_is_missing"
    ),
    r"(\.venv/bin/)?strava-assets archive import \S+": ARCHIVE,
    r"(\.venv/bin/)?strava-assets archive import \S+ --with-files": (
        "cli/test_archive.py::test_recordings_are_copied_if_requested_and_only_once"
    ),
    r"(\.venv/bin/)?strava-assets archive import \S+ --dry-run": (
        "cli/test_archive.py::test_a_dry_run_says_the_same_and_writes_nothing"
    ),
    r"strava-assets webhook serve": (
        "webhooks/test_receiver_under_load.py::test_a_burst_of_a_thousand_events_is_answered_in_time_and_none_is_lost"
    ),
    r"strava-assets webhook (path|subscribe --callback-url \S+)": (
        "webhooks/test_subscription.py::test_a_subscription_is_made_shown_and_deleted"
    ),
    r"dagster asset materialize .+ --partition \S+": HOUR,
    r"dagster asset materialize .+ --partition-range \S+": RANGE,
    r"strava-assets (backup|restore) \S+": BACKUP,
    r"strava-assets reconcile": RANGE,
    r"(\.venv/bin/)?strava-assets report --open": (
        "cli/test_report.py::test_the_report_is_shown_in_a_browser_where_there_is_one"
    ),
    r"strava-assets athlete (show|set (--hr-max|--ftp) .+)": (
        "cli/test_report.py::test_first_settings_hold_for_the_whole_history_and_later_ones_from_today"
    ),
    r"strava-assets athlete set --units .+": (
        "cli/test_report.py::test_preferences_change_one_by_one_and_nonsense_is_refused"
    ),
    r"docker compose run .+ init strava-assets archive import \S+": ARCHIVE,
    r"docker compose run .+ strava-assets (backup|restore) --without-databases /backup": PARTS,
    r"docker compose exec -T postgres (pg_dump|pg_restore) .+": PARTS,
    r"deploy/make-env.sh": ("deploy/test_make_env.py::test_every_password_that_compose_asks_for_is_there_and_random"),
}
"""Whole commands, as regular expressions, and the test that runs each, or what the command runs."""

NOT_RUN = {
    r"make (test|test-all|lint)": "it is what runs this test, or stands beside it in .ci/run",
    r"make test-long": "half an hour; the same tests run here with fewer steps",
    r"make bench": "measuring takes long, and says nothing on a busy machine",
    r"make screenshots": "the tests that take them run here; only the keeping of the pictures is left out",
    r"dagster dev": "its two parts, webserver and daemon, are run with the same workspace by test_up and test_daemon",
    r"docker compose up -d( --build| --wait postgres redis s3)?": "needs a Docker engine and an image registry",
    r"git clone <URL of this repository> \S+ && cd \S+|git pull": "needs the address of the repository",
    r"kubectl .+": "needs a cluster",
    r"uvx --from '\S+\.whl\[embedded\]' strava-assets up": "needs uv and a package index; the rest is pip's line above",
    r"umask 077; mkdir -p backup|for name in strava dagster; do|done": "the shell's own",
}
"""The others, and why."""


def documented() -> set[str]:
    commands = set()
    for page in PAGES:
        for block in re.findall(r"```(?:sh|bash)\n(.*?)```", page.read_text(), re.DOTALL):
            lines = re.sub(r"\s*\\\n\s*", " ", block).splitlines()
            commands |= {re.sub(r"\s+#\s.*", "", line).strip() for line in lines}
    return commands - {""}


@pytest.mark.parametrize("command", sorted(documented()))
def test_a_documented_command_is_run_by_a_test_or_known_to_be_none(command: str):
    assert [pattern for pattern in [*RUN_BY, *NOT_RUN] if re.fullmatch(pattern, command)], command


@pytest.mark.parametrize("pattern", [*RUN_BY, *NOT_RUN])
def test_each_entry_is_about_a_documented_command(pattern: str):
    assert any(re.fullmatch(pattern, command) for command in documented())


@pytest.mark.parametrize("test", sorted(set(RUN_BY.values())))
def test_each_test_that_is_named_exists(test: str):
    file, _, name = test.partition("::")
    assert re.search(rf"^def {name}\(", (TESTS / file).read_text(), re.MULTILINE)
