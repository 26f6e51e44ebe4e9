"""``tenant export`` and ``tenant import``."""
from tenants.commandline import Verb
class Export(Verb):
    """."""
    name="export"
    help="."
class Import(Verb):
    """."""
    name="import"
    help="."
