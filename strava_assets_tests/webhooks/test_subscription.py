"""The application's subscription: made, shown, replaced and deleted by commands, at the simulated Strava."""

import logging
import time

import pytest
import requests
from click.testing import CliRunner
from redis import Redis

from strava_assets.cli.main import main
from strava_assets.local.free_ports import free_ports
from strava_assets.simulator.simulation import Simulation
from strava_assets.state import keys
from strava_assets.webhooks.identity import WebhookIdentity
from strava_assets_tests.webhooks.receiving import STRAVA_WAITS, event


def test_a_subscription_is_made_shown_and_deleted(
    callback: str, redis: Redis, simulation: Simulation, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    path = WebhookIdentity(redis).path()
    assert callback.endswith(f"/{path}")
    assert len(path) >= 32
    assert CliRunner().invoke(main, ["webhook", "path"]).output == f"/{path}\n"
    assert simulation.subscription
    number = str(simulation.subscription["id"])
    assert redis.hget(keys.WEBHOOK, "subscription_id") == number.encode()
    for arguments in (["list"], ["subscribe", "--callback-url", callback], ["delete"]):
        result = CliRunner().invoke(main, ["webhook", *arguments])
        assert result.exit_code == 0, result.output
        assert number in result.output
        assert path not in result.output
        assert simulation.client_secret not in result.output
    assert any("urllib3" in record.name for record in caplog.records)
    assert simulation.client_secret not in caplog.text
    assert simulation.subscription is None
    assert redis.hget(keys.WEBHOOK, "subscription_id") is None


def test_a_path_that_somebody_else_knows_is_replaced(callback: str, redis: Redis, simulation: Simulation):
    posted = event(simulation)
    result = CliRunner().invoke(main, ["webhook", "delete", "--delete-path"])
    assert result.exit_code == 0, result.output
    assert WebhookIdentity(redis).path() not in callback
    time.sleep(1.1)  # for so long the receiver believes what it has read
    assert requests.post(callback, json=posted, timeout=STRAVA_WAITS).status_code == 404


@pytest.mark.usefixtures("callback")
def test_an_id_that_redis_lost_comes_back_with_the_list(redis: Redis):
    redis.hdel(keys.WEBHOOK, "subscription_id")
    assert CliRunner().invoke(main, ["webhook", "list"]).exit_code == 0
    assert redis.hget(keys.WEBHOOK, "subscription_id")


@pytest.mark.usefixtures("environment")
def test_a_callback_that_cannot_be_verified_is_one_line():
    [port] = free_ports(1)
    result = CliRunner().invoke(main, ["webhook", "subscribe", "--callback-url", f"http://127.0.0.1:{port}"])
    assert result.exit_code == 1
    assert result.stderr.startswith("error: Strava could not verify the callback URL")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.usefixtures("callback")
def test_a_second_subscription_is_refused_with_what_to_do():
    result = CliRunner().invoke(main, ["webhook", "subscribe", "--callback-url", "https://example.org"])
    assert result.exit_code == 1
    assert "webhook delete" in result.stderr
