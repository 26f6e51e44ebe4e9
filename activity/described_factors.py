"""What the events of second factors mean and hold: a part of ``activity.catalogue``."""

from typing import Final

from activity.describing import FLOOD, Description
from activity.schemas import ROW, one_of

FACTORS: Final[dict[str, Description]] = {
    "factor.added": Description(
        "A person switched on a second factor, or got recovery codes for it. Neither secret nor"
        " codes are in the event.",
        changes=ROW,
    ),
    "factor.removed": Description(
        "A second factor or its recovery codes were removed, by the person, by somebody who took it"
        " away, or with the person; these were the last values.",
        changes=ROW,
    ),
    "factor.changed": Description(
        "What is stored of a second factor was changed, which no page does.", changes=ROW
    ),
    "factor.codes_renewed": Description(
        "A person has new recovery codes; those before are void. They are not in the event."
    ),
    "factor.reset": Description(
        "Somebody took the second factor of a person away, for the reason given; their sessions"
        " end."
    ),
    "factor.asked": Description(
        "At a sign-in the password was right, and the code of the second factor was asked for."
        " There is no session yet.",
        folding=FLOOD,
    ),
    "factor.passed": Description("A code that the person's app made was taken, and is used up."),
    "factor.recovery_code_used": Description(
        "One of a person's recovery codes was taken, and is used up."
    ),
    "factor.failed": Description(
        "A code was not taken, at a sign-in or where a change of the second factor asks for one: it"
        " was wrong or used before, what is stored could not be read, or there were too many.",
        details={
            "why": one_of("wrong code", "used before", "unreadable", "too many attempts"),
            "at": one_of("sign-in", "change"),
        },
        folding=FLOOD,
    ),
}
