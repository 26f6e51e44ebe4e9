"""That somebody has support access now, on the panel's first page: a mail can be overlooked."""

from collections.abc import Iterable

from django.urls import reverse

from activity.overview.attention import Look, Notice
from tenants import support
from tenants.context import current_tenant


def support_access(look: Look) -> Iterable[Notice]:
    """Notice each access that runs, with its reason and until when."""
    tenant = current_tenant()
    for access in support.running(tenant) if tenant else ():
        what = "is here under support access" if access.entered_at else "may come for support"
        yield Notice(
            sentence=f"{access.operator_label}, operator, {what}: {access.reason}",
            advice="An administrator can end it on Support access.",
            link=reverse("report", args=["support-access"]),
            link_text="What operators did here",
            is_wrong=False,
        )
