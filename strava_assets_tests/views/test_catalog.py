import pytest
from sqlalchemy import Engine, text

from strava_assets.views.catalog import View, views


@pytest.mark.parametrize("view", views(), ids=lambda view: view.name)
def test_a_view_has_just_the_columns_types_and_comments_that_its_file_says(engine: Engine, view: View):
    with engine.connect() as connection:
        found = connection.execute(
            text(
                "SELECT attname, format_type(atttypid, atttypmod), col_description(attrelid, attnum) FROM pg_attribute "
                "WHERE attrelid = ('strava_analytics.' || :name)::regclass AND attnum > 0 ORDER BY attnum"
            ),
            {"name": view.name},
        ).all()
    assert [tuple(row) for row in found] == [(column.name, column.type, column.comment) for column in view.columns]
