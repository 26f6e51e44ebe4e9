"""How the platform's command opens and ends support access."""

from accounts.support.ending import end
from accounts.support.opening import open_named
from tenants.support import Desk

DESK = Desk(open=open_named, end=end)
