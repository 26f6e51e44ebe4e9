"""What a connection finds on which nobody has said where it is."""

from typing import Any

# The database's own default alone: one of a role's is that role's business.
_STATE = """
SELECT pg_catalog.quote_ident(d.datname),
       pg_catalog.pg_has_role(d.datdba, 'USAGE'),
       EXISTS (
           SELECT FROM pg_catalog.pg_db_role_setting s, unnest(s.setconfig) AS setting
           WHERE s.setdatabase = d.oid AND s.setrole = 0
             AND setting IN ('search_path=', 'search_path=""')
       )
FROM pg_catalog.pg_database d
WHERE d.datname = pg_catalog.current_database()
"""


def close_default_path(connection: Any) -> bool:
    """Make every new session of the database begin with an empty search path.

    Raw connections of the driver, ``psql`` and whatever else never said where it is then find no
    table instead of the platform's. Returns whether the database is so now: only its owner can
    change it. Sessions that are open keep what they have.
    """
    with connection.cursor() as cursor:
        cursor.execute(_STATE)
        name, may_change, is_closed = cursor.fetchone()
        if not is_closed and may_change:
            cursor.execute(f"ALTER DATABASE {name} SET search_path = ''")
            is_closed = True
    return bool(is_closed)
