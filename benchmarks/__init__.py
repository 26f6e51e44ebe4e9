"""How fast Tenantry is, measured beside bare Django and other libraries: ``make bench``.

An *entry* (``entry.py``) is one question with several *contestants*. The runner (``runner.py``)
lets them take turns, so that a busy machine is busy for all of them, and compares them round by
round. Contestants need different settings, so each runs in processes of its own, on servers and
databases that exist for this run only (``ground.py``).

Nothing here is a test: no figure makes anything fail.
"""
