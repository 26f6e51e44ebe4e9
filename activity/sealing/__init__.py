"""Sealing: what makes the record provable to somebody who trusts neither us nor the database."""
