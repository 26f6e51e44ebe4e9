"""What the events of support access mean and hold: a part of ``activity.catalogue``."""

from typing import Final

from activity.describing import FLOOD, Description, Folding
from activity.schemas import COUNT, FLAG, MOMENT, ROW, TEXT, Schema, one_of

_ACCESS: Final[dict[str, Schema]] = {
    "access": TEXT,
    # By their ids: names are in columns that an erasure empties.
    "operator": TEXT,
    # On the platform alone, whose target is the tenant.
    "person?": TEXT,
}

HOW: Final = (
    *("operator", "platform", "tenant", "person", "expired", "unused"),
    *("forbidden", "closed"),
    *("operator lost", "person lost"),
)
"""How an access ends, as ``tenants.models.SupportAccess.How`` has it."""

SUPPORT: Final[dict[str, Description]] = {
    "tenant.support_allowed": Description(
        "An administrator of the tenant lets operators open support access again.",
        changes={"allows_support": FLAG},
    ),
    "tenant.support_forbidden": Description(
        "An administrator of the tenant keeps operators from opening support access; what ran"
        " ended at once.",
        changes={"allows_support": FLAG},
    ),
    "support.opened": Description(
        "An operator may act as one person of the tenant, for the reason given and until the"
        " moment given. In the tenant's record the target is that person, in the platform's the"
        " tenant.",
        details={**_ACCESS, "minutes": COUNT, "ends_at": MOMENT},
    ),
    "support.entered": Description(
        "The operator used the one-time link and is in the tenant. Whatever is done from here on"
        " has the operator as actor and the person as on whose behalf.",
        details={**_ACCESS, "ends_at": MOMENT},
    ),
    "support.viewed": Description(
        "An operator was shown a page under support access. The target is the object that the page"
        " is of, or the page. What has an action of its own, such as looking through the record, is"
        " told as that.",
        details={"page": TEXT},
        folding=Folding(singles=1, seconds=900, apart=("target", "page")),
    ),
    "support.ended": Description(
        "The operator is out: they, another operator, an administrator of the tenant or the person"
        " ended it, its time was over or its link was not used, the tenant forbade it or was"
        " closed, or operator or person may no longer come. Acts are the events of the tenant's"
        " record that were caused.",
        details={
            **_ACCESS,
            "how": one_of(*HOW),
            "begun_at": MOMENT,
            "entered_at?": MOMENT,
            "acts": COUNT,
        },
    ),
    "support.refused": Description(
        "Support access was not opened, or a link to begin it was not taken.",
        details={
            "why": one_of(
                *("forbidden", "not served", "wrong password", "wrong code", "unknown person"),
                "too many attempts",
                *("unknown link", "used link", "expired link", "ended", "operator", "person"),
            ),
            "access?": TEXT,
        },
        folding=FLOOD,
    ),
    "support.row_added": Description(
        "The row of a support access was written without the application.", changes=ROW
    ),
    "support.changed": Description(
        "The row of a support access was changed without the application.", changes=ROW
    ),
    "support.row_removed": Description(
        "The row of a support access was removed without the application.", changes=ROW
    ),
}
