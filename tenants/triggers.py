"""Triggers whose functions know their schema, whoever looks at what path.

django-pgtrigger keeps triggers in migrations and notices when one changed. Its functions find
tables on the path of the session that changes a row, and ask before each row whether the session
wants them ignored. Here neither is up to the session: names of tables are written out with the
schema that the function is made in, types, operators and functions are those of PostgreSQL, and
nothing can be ignored.
"""

from typing import Any, Final

import pgtrigger
from django.db import models
from django.db.migrations import RunSQL
from pgtrigger import compiler

HERE: Final = "@here"
"""Stands in a function for the schema that it is made in."""

OWN_PATH: Final = "SET search_path = pg_catalog, pg_temp"
"""Stands in each function. Types are looked for among temporary ones first, unless those are named
last: https://www.postgresql.org/docs/current/sql-createfunction.html#SQL-CREATEFUNCTION-SECURITY.
"""


def pinned(function: str) -> str:
    """Return the statement that makes a function in whichever schema the path leads to.

    ``function`` is a CREATE FUNCTION, with ``HERE`` where the schema's name belongs.
    """
    return (
        f"DO $install$ BEGIN EXECUTE pg_catalog.replace($function$ {function} $function$,"
        f" '{HERE}', pg_catalog.quote_ident(pg_catalog.current_schema())); END $install$"
    )


class MakeFunctions(RunSQL):
    """Makes functions by statements from ``pinned``: the same words are right in every tenant."""

    replayable = True


class PinnedTriggerSql(compiler.UpsertTriggerSql):  # type: ignore[misc]
    """What makes a trigger and its function, in whichever schema the path leads to.

    Migrations refer to it: changing the template changes no function that is there. Functions of
    this one look for types and operators on the path of the session; those of today's do not.
    """

    def get_template(self) -> str:
        """Return the statements. The function is made in ``DO``, which can name its schema."""
        return """
            DO $install$ BEGIN EXECUTE pg_catalog.replace($function$
            CREATE OR REPLACE FUNCTION @here.{pgid}() RETURNS trigger LANGUAGE plpgsql AS $body$
            {declare}
            BEGIN
            {func}
            END $body$
            $function$, '@here', pg_catalog.quote_ident(pg_catalog.current_schema()));
            END $install$;
            DROP TRIGGER IF EXISTS {pgid} ON {table};
            CREATE {constraint} TRIGGER {pgid} {when} {operation} ON {table}
            {timing} FOR EACH {level} {condition} EXECUTE FUNCTION {execute};
            COMMENT ON TRIGGER {pgid} ON {table} IS '{hash}';
        """


class OwnPathTriggerSql(PinnedTriggerSql):
    """The same for a function with a path of its own. Migrations refer to it."""

    def get_template(self) -> str:
        """Return the statements."""
        return super().get_template().replace("plpgsql AS", f"plpgsql {OWN_PATH} AS", 1)


class PinnedTrigger(pgtrigger.Trigger):  # type: ignore[misc]
    """A trigger as pgtrigger's, with a function that is pinned. ``HERE`` in it is its schema."""

    def compile(self, model: type[models.Model]) -> compiler.Trigger:
        """Return what migrations keep."""
        table: Any = model._meta.db_table
        return compiler.Trigger(
            name=self.name,
            sql=OwnPathTriggerSql(
                pgid=self.get_pgid(model),
                declare=self.render_declare(model),
                func=self.render_func(model),
                table=table,
                constraint="CONSTRAINT" if self.timing else "",
                when=self.when,
                operation=self.operation,
                timing=f"DEFERRABLE INITIALLY {self.timing}" if self.timing else "",
                level=self.level,
                condition=self.render_condition(model),
            ),
        )
