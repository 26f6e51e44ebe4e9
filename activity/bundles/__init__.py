"""The sealed record as one file that an outsider checks without us: ``docs/record-format.md``."""
