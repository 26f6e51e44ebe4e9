"""How passwords are stored."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class Argon2idHasher(Argon2PasswordHasher):
    """argon2id with the first parameters of the OWASP Password Storage Cheat Sheet.

    46 MiB (``memory_cost`` is in KiB), one pass, one lane: about 30 ms of one core.
    """

    time_cost = 1
    memory_cost = 47_104
    parallelism = 1
