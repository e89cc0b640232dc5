"""Ctrl-C, SIGTERM and Dagster's "terminate" in the second of a renewal: the token is saved, then the process ends."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from strava_assets.state.connection import connect
from strava_assets.strava.clock import REAL
from strava_assets.strava.held_back_signals import SIGNALS, uninterrupted
from strava_assets.strava.tokens import Token, TokenStore
from strava_assets_tests.strava.scripted_strava import CLIENT_SECRET, Request, ScriptedStrava

KEY = "STRAVA_TOKEN"

RENEW = """
from strava_assets.services import open_client
from strava_assets.settings import Settings

with open_client(Settings.from_environment()) as client:
    client.profile(client.athletes()[0])
    input()
"""

AS_DAGSTER_DOES = """
from dagster._utils.interrupts import capture_interrupts, raise_interrupts_as

class Terminated(BaseException):
    pass

with capture_interrupts(), raise_interrupts_as(Terminated):
"""


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("program", [RENEW, AS_DAGSTER_DOES + RENEW.replace("\n", "\n    ")], ids=["plain", "Dagster"])
def test_a_signal_in_the_second_of_a_renewal_waits_until_the_token_is_saved(
    redis_url: str, number: signal.Signals, program: str
) -> None:
    store = TokenStore(connect(redis_url))
    reached, answer = threading.Event(), threading.Event()

    def hold_the_renewal(request: Request) -> None:
        if request.path == "/oauth/token":
            reached.set()
            answer.wait(300)

    with ScriptedStrava(REAL.now) as strava:
        store.save(KEY, Token({**strava.issue(7, 1), "athlete": {"id": 7}}))
        strava.script = hold_the_renewal
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "STRAVA_CLIENT_ID": "1",
            "STRAVA_CLIENT_SECRET": CLIENT_SECRET,
            "STRAVA_BASE_URL": strava.url,
            "REDIS_URL": redis_url,
        }
        with subprocess.Popen(
            [sys.executable, "-c", program], env=environment, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            assert reached.wait(300)
            process.send_signal(number)
            time.sleep(0.3)
            assert process.poll() is None
            answer.set()
            assert process.wait(300) != 0
        strava.script = lambda _: None
        saved = store.load(KEY)
        assert saved
        assert saved.refresh_token in strava.refresh
        assert [request.path for request in strava.requests] == ["/oauth/token"]
    assert json.loads(saved.to_json())["access_token"] == "access-2-of-7"


def test_handlers_are_as_before_and_each_signal_takes_effect_once() -> None:
    received: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: received.append(number))
    try:
        handlers = [signal.getsignal(number) for number in SIGNALS]
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
            assert received == []
        assert received == [signal.SIGTERM]
        assert [signal.getsignal(number) for number in SIGNALS] == handlers
    finally:
        signal.signal(signal.SIGTERM, before)


def test_an_interruption_and_an_error_at_once_both_show_and_no_handler_stays() -> None:
    def fail_while_interrupted() -> None:
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
            raise ValueError("what went wrong meanwhile")

    with pytest.raises(KeyboardInterrupt) as interruption:
        fail_while_interrupted()
    assert isinstance(interruption.value.__context__, ValueError)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_in_another_thread_nothing_is_held_back() -> None:
    seen: list[object] = []

    def look() -> None:
        with uninterrupted():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]
