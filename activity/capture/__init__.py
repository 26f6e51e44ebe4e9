"""Capture: triggers that write history and events for every change of a recorded table.

Whichever way a row changes, by ``save``, ``update``, in bulk, from the other side of a relation or
by raw SQL, PostgreSQL writes what it was and what happened, in the statement that changes it
(``docs/adr/0029-the-database-records-changes.md``).
"""
