"""Calling a tenant otherwise.

The slug and the default host change, nothing else does: UUID, schema and files are not named after
it. The old slug stays the tenant's for good, and its host redirects, so nobody who kept a link
meets a stranger there.
"""

from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from tenants import operations
from tenants.context import enter_platform
from tenants.errors import Conflict
from tenants.hosts import default_host
from tenants.lifecycle import announce, lock
from tenants.models import Domain, FormerSlug, Operation, Tenant
from tenants.names import check_name, check_slug


@dataclass(frozen=True, kw_only=True)
class Renamed:
    """The tenant as it is now, or would be; what it was called; whether that is another name."""

    tenant: Tenant
    former_slug: str
    changed: bool


def refuse_taken_slug(slug: str, *, for_tenant: Tenant | None = None) -> None:
    """Raise ``Conflict`` when a slug is, or once was, that of a tenant other than ``for_tenant``.

    To be right when two ask at once, write first and ask then, in one transaction: the unique index
    lets the second writer wait until the first has committed, and this statement then sees it.
    """
    with enter_platform():
        now = Tenant.objects.filter(slug=slug)
        once = FormerSlug.objects.filter(slug=slug).select_related("tenant")
        if for_tenant is not None:
            now, once = now.exclude(pk=for_tenant.pk), once.exclude(tenant=for_tenant)
        holder, former = now.first(), once.first()
    if holder is not None:
        raise slug_taken(holder)
    if former is not None:
        raise slug_reserved(former)


def slug_taken(by: Tenant) -> Conflict:
    """Return the refusal of a slug that a tenant has."""
    return Conflict(
        f'the slug "{by.slug}" is taken by the tenant "{by.name}".', "Choose another one."
    )


def slug_reserved(former: FormerSlug) -> Conflict:
    """Return the refusal of a slug that a tenant once had."""
    return Conflict(
        f'the slug "{former.slug}" was that of the tenant "{former.tenant.slug}" and stays reserved'
        " for it.",
        "Choose another one.",
    )


def rename(tenant: Tenant, slug: str, *, name: str = "", dry_run: bool = False) -> Renamed:
    """Give a tenant another slug, and another name if one is given.

    A slug that the tenant once had may be taken back. Raises ``InvalidInput`` for what is no usable
    slug or name, ``Conflict`` for a slug that is, or was, another tenant's.
    """
    slug = check_slug(slug.strip())
    name = check_name(name) if name else ""
    with enter_platform(), transaction.atomic():
        locked = lock(tenant)
        before = {"slug": locked.slug, "name": locked.name}
        after = {"slug": slug, "name": name or locked.name}
        changes = {key: (before[key], after[key]) for key in before if before[key] != after[key]}
        if not changes:
            return Renamed(tenant=locked, former_slug=slug, changed=False)
        _write(locked, **after)
        refuse_taken_slug(slug, for_tenant=locked)
        if "slug" in changes:
            _keep(locked, before["slug"])
            _move_host(locked, default_host(before["slug"]), default_host(slug))
        announce(locked, "renamed", changes=changes)
        operations.finished(Operation.Kind.RENAME, locked, {"before": before, "after": after})
        if dry_run:
            transaction.set_rollback(True)
    return Renamed(tenant=locked, former_slug=before["slug"], changed=True)


def _write(tenant: Tenant, slug: str, name: str) -> None:
    tenant.slug, tenant.name = slug, name
    try:
        with transaction.atomic():
            tenant.save(update_fields=["slug", "name"])
    except IntegrityError:
        refuse_taken_slug(slug, for_tenant=tenant)
        raise


def _keep(tenant: Tenant, former: str) -> None:
    """Reserve the slug that was given up; the one that was taken back is the tenant's anyway."""
    FormerSlug.objects.filter(slug=tenant.slug).delete()
    FormerSlug.objects.update_or_create(
        slug=former, defaults={"tenant": tenant, "given_up_at": Now()}
    )


def _move_host(tenant: Tenant, before: str, after: str) -> None:
    """Let the old default host redirect, and the new one be what it was."""
    domains = Domain.objects.filter(tenant=tenant)
    was_primary = False
    for old in domains.filter(domain=before):
        was_primary = old.is_primary
        old.is_primary, old.redirects = False, True
        old.save(update_fields=["is_primary", "redirects"])
    new = domains.filter(domain=after).first() or Domain(tenant=tenant, domain=after)
    new.is_primary, new.redirects = was_primary, False
    new.verified_at = new.verified_at or Now()
    new.save()
