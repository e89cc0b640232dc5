"""Makes the schema's views, and takes them away while the tables below them change.

A view keeps Postgres from changing a column that it reads. So whoever migrates drops the views first and creates them
afterwards, in one transaction: readers wait, and never see the schema without them.
"""

import hashlib
from dataclasses import dataclass

from sqlalchemy import Connection, text

from strava_assets.views.catalog import SCHEMA, functions, views


@dataclass(frozen=True)
class Grant:
    """That a role may do something with a view; both names as SQL writes them."""

    view: str
    privilege: str
    role: str


def are_current(connection: Connection) -> bool:
    """Whether the database has just the views of this version."""
    found = connection.execute(
        text(
            "SELECT obj_description(oid, 'pg_namespace') AS comment, "
            "ARRAY(SELECT relname::text FROM pg_class WHERE relnamespace = pg_namespace.oid AND relkind = 'v') "
            "AS views "
            "FROM pg_namespace WHERE nspname = :schema"
        ),
        {"schema": SCHEMA},
    ).one_or_none()
    return found is not None and found.comment == _comment() and {view.name for view in views()} <= set(found.views)


def drop(connection: Connection) -> list[Grant]:
    """Drop the views and return who was allowed what, for `create`.

    A view of somebody else's that reads one of them makes it fail: that one is not ours to drop.
    """
    if connection.scalar(text("SELECT to_regnamespace(:schema)"), {"schema": SCHEMA}) is None:
        return []
    grants = connection.execute(
        text(
            "SELECT quote_ident(relname) AS view, privilege_type AS privilege, "
            "CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS role "
            "FROM pg_class, aclexplode(relacl) WHERE relnamespace = to_regnamespace(:schema) AND relkind = 'v' "
            "AND relname = ANY (:ours) AND grantee != relowner"
        ),
        {"schema": SCHEMA, "ours": [view.name for view in views()]},
    ).all()
    connection.execute(text(f"DROP VIEW IF EXISTS {', '.join(f'{SCHEMA}.{view.name}' for view in views())}"))
    connection.execute(text(f"DROP AGGREGATE IF EXISTS {SCHEMA}.smoothed(double precision, double precision)"))
    connection.execute(
        text(f"DROP FUNCTION IF EXISTS {SCHEMA}.smoothed_step(double precision, double precision, double precision)")
    )
    return [Grant(*grant) for grant in grants]


def create(connection: Connection, grants: list[Grant]) -> None:
    """Create schema, functions and views with their comments, and give `grants` back."""

    def execute(statement: str) -> None:
        # With no parameters, so that neither `:` nor `%` means one.
        connection.exec_driver_sql(statement, execution_options={"no_parameters": True})

    execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    execute(functions())
    # A search_path in the database's URL puts the tables elsewhere.
    tables = connection.scalar(text("SELECT quote_ident(current_schema())"))
    for view in views():
        name = f"{SCHEMA}.{view.name}"
        # The reader's own rights count, not the owner's: row-level security holds through the view.
        execute(f"CREATE VIEW {name} WITH (security_invoker = true) AS\n{view.query.replace('public.', f'{tables}.')}")
        execute(f"COMMENT ON VIEW {name} IS {_literal(view.description)}")
        for column in view.columns:
            execute(f"COMMENT ON COLUMN {name}.{column.name} IS {_literal(column.comment)}")
    names = {view.name for view in views()}
    for grant in grants:
        if grant.view in names:
            execute(f"GRANT {grant.privilege} ON {SCHEMA}.{grant.view} TO {grant.role}")
    execute(f"COMMENT ON SCHEMA {SCHEMA} IS {_literal(_comment())}")


def _comment() -> str:
    made_of = functions() + "".join(f"{view.name}{view.columns}{view.query}" for view in views())
    return f"Views over strava_activity, made by strava_assets ({hashlib.sha256(made_of.encode()).hexdigest()[:16]})"


def _literal(words: str) -> str:
    return "'" + words.replace("'", "''") + "'"
