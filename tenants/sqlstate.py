"""What PostgreSQL calls an error: five characters, whatever language it speaks.

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""


def sqlstate_of(error: Exception) -> str | None:
    """Return the SQLSTATE of an error that PostgreSQL has answered with, through Django."""
    cause = error.__cause__
    return getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
