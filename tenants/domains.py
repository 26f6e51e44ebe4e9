"""Host names of tenants: claimed, proven, made primary, given up.

Anybody may claim a host for a tenant; it is served when it is proven that the customer controls it,
or when an operator vouches for that. Each act is one transaction with its operation and its event.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models import Case, CharField, Q, QuerySet, Value, When
from django.db.models.functions import Now

from tenants import operations
from tenants.context import enter_platform
from tenants.errors import Conflict, InvalidInput, NotFound, TenantryError
from tenants.hosts import default_host, is_platforms_own
from tenants.lifecycle import announce, lock
from tenants.models import Domain, Operation, Tenant
from tenants.names import normalize_host, shown
from tenants.proofs import By, Proof, Resolver, Unproven, Unreachable

CLAIM_LIFETIME: Final = timedelta(days=14)
"""How long a claim can be proven, by the database's clock. Afterwards it is made anew."""

MOST_CLAIMS: Final = 20
"""Of one tenant at a time."""

_VOUCHED: Final = "vouched"
"""The proof of a host that an operator vouches for."""

_ALIVE: Final = Q(created_at__gt=Now() - CLAIM_LIFETIME)


@dataclass(frozen=True, kw_only=True)
class Done:
    """The domain after an act, and whether the act changed anything, or would."""

    domain: Domain
    changed: bool


def with_state(domains: QuerySet[Domain]) -> QuerySet[Domain]:
    """Let each of ``domains`` have a ``state``.

    ``primary``, ``served``, ``redirects`` (to the primary one), ``claimed`` (not proven yet) or
    ``expired`` (a claim that is too old to be proven).
    """
    return domains.annotate(
        state=Case(
            When(is_primary=True, then=Value("primary")),
            When(redirects=True, then=Value("redirects")),
            When(verified_at__isnull=False, then=Value("served")),
            When(_ALIVE, then=Value("claimed")),
            default=Value("expired"),
            output_field=CharField(),
        )
    )


def domains_of(tenant: Tenant) -> list[Domain]:
    """Return all domains of a tenant, the primary one first, each with its ``state``."""
    with enter_platform():
        return list(with_state(Domain.objects.filter(tenant=tenant)))


def state_of(domain: Domain) -> str:
    """Return the ``state`` of a domain that ``with_state`` read."""
    return str(domain.state)  # type: ignore[attr-defined]


def proof_of(domain: Domain) -> Proof:
    """Return what has to be published for a domain that is claimed."""
    return Proof(domain.domain, domain.challenge)


def expires_at(domain: Domain) -> datetime:
    """Return until when a claim can be proven."""
    return domain.created_at + CLAIM_LIFETIME


def customers_host(domain: str) -> str:
    """Return a host of a customer's own in its one spelling.

    Raises ``InvalidInput`` for what is no host name, and for the platform's own.
    """
    host = normalize_host(domain.strip())
    if is_platforms_own(host):
        raise InvalidInput(
            f'the domain "{host}" is the platform\'s own.',
            f"Each tenant has {default_host('<slug>')} already; add domains of the customer's.",
        )
    return host


def add(tenant: Tenant, domain: str, *, vouched: bool = False, dry_run: bool = False) -> Done:
    """Claim a host for a tenant; ``vouched``: it is verified, on the operator's word.

    A claim that is there is left as it is; one that has expired begins anew, with a new challenge.
    Raises ``InvalidInput`` for what is no domain of a customer's, ``Conflict`` for one that is
    another tenant's, and when the tenant has too many claims.
    """
    host = customers_host(domain)
    with _act(tenant, dry_run=dry_run) as locked:
        _refuse_anothers(locked, host)
        claims = Domain.objects.filter(tenant=locked, verified_at__isnull=True)
        claims.exclude(_ALIVE).delete()
        found = Domain.objects.filter(tenant=locked, domain=host).first()
        if found and (found.verified_at or not vouched):
            return Done(domain=_as_it_is(found), changed=False)
        if found is None:
            if not vouched and claims.count() >= MOST_CLAIMS:
                raise Conflict(
                    f'the tenant "{locked.slug}" claims {MOST_CLAIMS} domains already.',
                    "Verify or remove some of them first.",
                )
            found = Domain.objects.create(tenant=locked, domain=host)
            announce(locked, "domain_added", details={"host": host})
        if vouched:
            _make_verified(locked, found, _VOUCHED)
        _finished(locked, "add", host, vouched=vouched)
        return Done(domain=_as_it_is(found), changed=True)


def announce_given(tenant: Tenant, hosts: Iterable[str]) -> None:
    """Record the hosts that a tenant is made with, each on the word of whoever asked for it."""
    for host in hosts:
        announce(tenant, "domain_added", details={"host": host})
        _announce_verified(tenant, host, _VOUCHED)


def verify(
    tenant: Tenant,
    domain: str,
    *,
    by: By = By.DNS,
    resolver: Resolver | None = None,
    dry_run: bool = False,
) -> Done:
    """Look whether a claim is proven, and serve the host if it is.

    Not to be called in a transaction: it waits for servers elsewhere. Raises ``NotFound`` for what
    is not claimed, ``Conflict`` for an expired claim and for a host that is another tenant's,
    ``Unproven`` and ``Unreachable``, which are recorded.
    """
    host = normalize_host(domain.strip())
    with _act(tenant) as locked:
        claim = _own(locked, host)
        if claim.verified_at:
            return Done(domain=claim, changed=False)
        _refuse_unprovable(locked, claim)
    try:
        proof_of(claim).look_for(by, resolver or _real_resolver())
    except (Unproven, Unreachable) as error:
        if not dry_run:
            _record_failure(tenant, host, by, error)
        raise
    with _act(tenant, dry_run=dry_run) as locked:
        claim = _own(locked, host, challenge=claim.challenge)
        if claim.verified_at:
            return Done(domain=claim, changed=False)
        _refuse_unprovable(locked, claim)
        _make_verified(locked, claim, by)
        _finished(locked, "verify", host, by=by)
        return Done(domain=_as_it_is(claim), changed=True)


def make_primary(tenant: Tenant, domain: str, *, dry_run: bool = False) -> Done:
    """Let links name this host.

    Raises ``NotFound``, and ``Conflict`` for a host that is not served.
    """
    host = normalize_host(domain.strip())
    with _act(tenant, dry_run=dry_run) as locked:
        chosen = _own(locked, host)
        if chosen.is_primary:
            return Done(domain=chosen, changed=False)
        if not chosen.verified_at:
            raise Conflict(
                f'the domain "{host}" is not verified.',
                f"Verify it first: manage.py tenant domain verify {locked.slug} {host}",
            )
        if chosen.redirects:
            raise Conflict(
                f'"{host}" is a former address and only redirects.',
                "Rename the tenant back to its former slug to use it again.",
            )
        before = _move_primary(locked, chosen)
        announce(
            locked,
            "domain_made_primary",
            changes={"primary": (before, host)},
            details={"host": host},
        )
        _finished(locked, "primary", host, before=before)
        return Done(domain=_as_it_is(chosen), changed=True)


def remove(tenant: Tenant, domain: str, *, dry_run: bool = False) -> Done:
    """Give a host up, or a claim. After the primary one, the default host is primary.

    Raises ``NotFound``, and ``Conflict`` for hosts that follow from a slug, today's or a former.
    """
    host = normalize_host(domain.strip())
    with _act(tenant, dry_run=dry_run) as locked:
        gone = _own(locked, host)
        if is_platforms_own(host):
            raise Conflict(
                f'"{host}" follows from the slug of the tenant "{locked.slug}".',
                "Only domains of the customer's own can be removed. To change the slug: "
                f"manage.py tenant rename {locked.slug} NEW",
            )
        changes = {}
        if gone.is_primary:
            default = _own(locked, default_host(locked.slug))
            changes["primary"] = (_move_primary(locked, default), default.domain)
        gone.delete()
        announce(locked, "domain_removed", changes=changes, details={"host": host})
        _finished(locked, "remove", host)
        return Done(domain=gone, changed=True)


@contextmanager
def _act(tenant: Tenant, *, dry_run: bool = False) -> Iterator[Tenant]:
    """One transaction on the platform with the tenant locked; a rehearsal is undone at its end."""
    with enter_platform(), transaction.atomic():
        yield lock(tenant)
        if dry_run:
            transaction.set_rollback(True)


def _own(tenant: Tenant, host: str, **more: Any) -> Domain:
    found = with_state(Domain.objects.filter(tenant=tenant, domain=host, **more)).first()
    if found is None:
        raise NotFound(
            f'the tenant "{tenant.slug}" has no domain "{shown(host)}".',
            f"`manage.py tenant domain list {tenant.slug}` shows those it has.",
        )
    return found


def _as_it_is(domain: Domain) -> Domain:
    return with_state(Domain.objects.filter(pk=domain.pk)).get()


def _refuse_anothers(tenant: Tenant, host: str) -> None:
    others = Domain.objects.verified().filter(domain=host).exclude(tenant=tenant)
    if others.exists():
        raise Conflict(f'the domain "{host}" is taken by another tenant.', "Choose another one.")


def _refuse_unprovable(tenant: Tenant, claim: Domain) -> None:
    _refuse_anothers(tenant, claim.domain)
    if state_of(claim) == "expired":
        raise Conflict(
            f'the claim of "{claim.domain}" has expired: it was {CLAIM_LIFETIME.days} days old.',
            f"Add it again: manage.py tenant domain add {tenant.slug} {claim.domain}",
        )


def _make_verified(tenant: Tenant, domain: Domain, proof: str) -> None:
    try:
        with transaction.atomic():
            domain.verified_at = Now()
            domain.save(update_fields=["verified_at"])
    except IntegrityError:
        # Of two who prove the same host at once, the constraint lets one through.
        _refuse_anothers(tenant, domain.domain)
        raise
    _announce_verified(tenant, domain.domain, proof)


def _announce_verified(tenant: Tenant, host: str, proof: str) -> None:
    announce(tenant, "domain_verified", details={"host": host, "proof": proof})


def _move_primary(tenant: Tenant, chosen: Domain) -> str:
    """Make ``chosen`` the primary domain; returns which one was."""
    # One after the other: the constraint allows one primary at every moment.
    before = ""
    for domain in Domain.objects.filter(tenant=tenant, is_primary=True):
        before = domain.domain
        domain.is_primary = False
        domain.save(update_fields=["is_primary"])
    chosen.is_primary = True
    chosen.save(update_fields=["is_primary"])
    return before


def _finished(tenant: Tenant, act: str, host: str, **more: Any) -> None:
    operations.finished(Operation.Kind.DOMAIN, tenant, {"act": act, "domain": host, **more})


def _record_failure(tenant: Tenant, host: str, by: By, error: TenantryError) -> None:
    details = {"host": host, "proof": by, "why": error.message}
    with enter_platform(), transaction.atomic():
        announce(tenant, "domain_not_verified", details=details, succeeded=False)


def _real_resolver() -> Resolver:
    # Only here: dnspython is for those who verify a domain, not for every process.
    from tenants.resolver import resolver

    return resolver()
