from collections.abc import Callable, Iterable, Iterator
from datetime import UTC
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from strava_assets.errors import ServiceUnavailable
from strava_assets.mirror.bulk_copy import ROWS_PER_BLOCK, copy_rows
from strava_assets.mirror.database import transaction

Row = tuple[Any, ...]
VALUES = st.tuples(
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
    st.none()
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
    | st.sampled_from(["null", "\\.", '\\"', "\\n\n", "a\r\n\\.\r\nb"]),
    st.none() | st.datetimes(timezones=st.just(UTC)),
    st.none() | st.datetimes(),
    st.none() | st.booleans(),
)


def row_of(number: int) -> Row:
    return (number, None, None, None, None, None)


def copied(engine: Engine, rows_of: Callable[[int], Iterable[Row]]) -> list[Row]:
    """What is in a new table after copying the rows, which are told the id of the server's process."""
    columns = "whole bigint, fraction double precision, words text, moment timestamptz, clock timestamp, flag boolean"
    with transaction(engine) as connection:
        connection.execute(text(f"CREATE TEMPORARY TABLE copied ({columns}) ON COMMIT DROP"))
        backend = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        copy_rows(connection, "copied (whole, fraction, words, moment, clock, flag)", iter(rows_of(backend)))
        return [tuple(row) for row in connection.execute(text("SELECT * FROM copied"))]


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=st.lists(VALUES, max_size=5))
def test_any_value_that_a_column_can_hold_arrives_as_it_was(engine: Engine, rows: list[Row]):
    assert copied(engine, lambda _: rows) == rows


def test_the_clients_encoding_makes_no_difference(engine: Engine):
    with engine.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {engine.url.database} SET client_encoding = 'LATIN1'"))
        connection.commit()
    engine.dispose()
    rows = [(1, None, "Zürich", None, None, None)]
    assert copied(engine, lambda _: rows) == rows


def test_more_rows_than_a_block_arrive_in_their_order(engine: Engine):
    rows = [row_of(number) for number in range(2 * ROWS_PER_BLOCK + 1)]
    assert copied(engine, lambda _: rows) == rows


@pytest.mark.parametrize("error", [ServiceUnavailable("S3 is away"), KeyboardInterrupt()])
def test_what_the_rows_raise_is_what_the_caller_sees(engine: Engine, error: BaseException):
    def rows(_: int) -> Iterator[Row]:
        yield from [row_of(1)] * ROWS_PER_BLOCK
        raise error

    with pytest.raises(type(error)) as raised:
        copied(engine, rows)
    assert raised.value is error


def test_a_server_that_hangs_up_in_the_middle_is_named(engine: Engine):
    def rows(backend: int) -> Iterator[Row]:
        yield from [row_of(1)] * ROWS_PER_BLOCK
        with engine.connect() as other:
            other.execute(text("SELECT pg_terminate_backend(:backend)"), {"backend": backend})
        yield from [row_of(2)] * 100 * ROWS_PER_BLOCK

    with pytest.raises(ServiceUnavailable, match="does not answer"):
        copied(engine, rows)
