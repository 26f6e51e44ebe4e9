"""Reading the record: what may be asked of it, and pages of the answer."""
