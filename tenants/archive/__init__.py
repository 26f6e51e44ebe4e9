"""One tenant as one file: everything that is in its schema, and what the platform says of it.

``docs/tenant-archive-format.md`` describes the file well enough to read or write it without this
code. ``writing`` makes one, ``reading`` verifies one, ``loading`` brings a tenant back from one.
"""
