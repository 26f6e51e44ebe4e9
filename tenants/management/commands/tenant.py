"""``manage.py tenant``: provision and run tenants."""

from tenants.commandline import NounCommand
from tenants.verbs.appointing import Superuser
from tenants.verbs.archiving import Export, Import
from tenants.verbs.creating import Create
from tenants.verbs.deleting import CertificateOf, Delete, Purge, Undelete
from tenants.verbs.doctoring import Doctor
from tenants.verbs.domains import Domains
from tenants.verbs.migrating import Migrate
from tenants.verbs.operating import Operations
from tenants.verbs.pausing import Resume, Suspend
from tenants.verbs.reading import List, Show
from tenants.verbs.renaming import Rename
from tenants.verbs.supporting import Support


class Command(NounCommand):
    """Provision and run tenants."""

    help = "Provision and run tenants."
    verbs = (
        Create,
        List,
        Show,
        Suspend,
        Resume,
        Delete,
        Undelete,
        Purge,
        CertificateOf,
        Export,
        Import,
        Superuser,
        Rename,
        Domains,
        Support,
        Migrate,
        Operations,
        Doctor,
    )
