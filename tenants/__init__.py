"""Tenants: who they are, which host is whose, and the one way to enter one."""
