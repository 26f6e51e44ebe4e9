"""Sealing the record: the keys that sign it, and the notes that say what was sealed."""
