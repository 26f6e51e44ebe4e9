"""``manage.py account``: what operators do with people's accounts."""

from accounts.factor_verbs import SecondFactor
from accounts.token_verbs import Token
from tenants.commandline import NounCommand


class Command(NounCommand):
    """Look after the accounts of a tenant's people, or of the platform's operators."""

    help = "Look after the accounts of a tenant's people, or of the platform's operators."
    verbs = (SecondFactor, Token)
