"""Redis' append-only file loses what was deleted, where that may be requested."""

from pathlib import Path

import pytest

from strava_assets.local.redis import Redis
from strava_assets.state.compaction import compact
from strava_assets.state.connection import connect


def holds(folder: Path, word: bytes) -> bool:
    return any(word in file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_deleted_values_leave_the_append_only_file_and_a_user_who_may_not_ask_is_no_error(tmp_path: Path) -> None:
    with Redis(tmp_path) as server:
        redis = connect(server.url)
        redis.set("token", "refresh-token-of-ada")
        redis.set("other", "stays")
        redis.delete("token")
        assert holds(tmp_path, b"refresh-token-of-ada")
        redis.acl_setuser(
            "plain", enabled=True, passwords="+word", keys="*", categories=["+@all", "-@admin", "-@dangerous"]
        )
        plain = connect(server.url.replace("unix://", "unix://plain:word@"))
        assert compact(plain) is False
        assert holds(tmp_path, b"refresh-token-of-ada")
        assert compact(redis) is True
        assert not holds(tmp_path, b"refresh-token-of-ada")
        assert redis.get("other") == b"stays"


@pytest.mark.usefixtures("redis_url")
def test_a_redis_without_such_a_file_has_nothing_to_rewrite(redis_url: str) -> None:
    assert compact(connect(redis_url)) is False
