"""Ports for servers, which nothing else takes before they do."""

import socket

import pytest

from strava_assets.local import free_ports as module
from strava_assets.local.free_ports import free_ports, is_free


def test_they_differ_are_free_and_are_none_that_a_client_gets_meanwhile() -> None:
    ports = free_ports(50)
    assert len(set(ports)) == 50
    assert all(is_free(port) for port in ports)
    assert all(1024 < port < 32_768 for port in ports)


def test_preferred_ones_are_taken_where_they_are_free() -> None:
    free, used = free_ports(2)
    with socket.create_server(("127.0.0.1", used)):
        first, second, third = free_ports(3, preferred=[free, used])
    assert first == free
    assert used not in {second, third}


def test_where_all_those_are_used_any_other_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    (used,) = free_ports(1)
    monkeypatch.setattr(module, "_OF_SERVERS", [used])
    with socket.create_server(("127.0.0.1", used)):
        (port,) = free_ports(1)
    assert port >= 32_768
