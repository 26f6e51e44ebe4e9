"""Announced support access: an operator acts as one person of a tenant, who can see that they do.

``opening`` and ``ending`` change the rows, ``entering`` makes the session, ``serving`` looks at
each request whether it still may be one, ``refusals`` keeps back what nobody may do for others.
"""
