"""Bringing a tenant back from an archive.

The archive was verified whole before anything here begins. The names are taken first, in a
transaction with the operation; then schema and rows come in one transaction, or not at all; then
the tenant is opened. Killed in between, it is not served, and the operation can be carried on or
cancelled. Whatever is refused leaves nothing.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from tenants import operations, plans
from tenants.archive import building, contents, filling
from tenants.archive.format import Facts
from tenants.archive.reading import Archive, archive_at
from tenants.behind import behind_platform_now
from tenants.context import enter_platform, enter_unserved
from tenants.errors import Conflict, InvalidInput
from tenants.hosts import default_host, is_platforms_own, owned
from tenants.lifecycle import announce
from tenants.models import Domain, FormerSlug, Operation, Tenant
from tenants.names import check_slug, normalize_host
from tenants.operations import Busy, Progress
from tenants.owner import require_owner
from tenants.plans import Plan, Step, Work, unmade
from tenants.requests import check_time_zone
from tenants.unmaking import undo, undo_quietly

IMPORT: Final = Operation.Kind.IMPORT

_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What an import made. ``claims`` are domains that the customer has to prove again.

    ``to_do`` are sentences: what the operator has to do before all of it works here.
    """

    tenant: Tenant
    rows: int
    claims: tuple[str, ...]
    to_do: tuple[str, ...]


def import_archive(
    path: Path | None, *, slug: str = "", on_progress: Progress | None = None
) -> Imported:
    """Make the tenant that an archive holds, under its own slug or another.

    Asked again after it was interrupted, it carries on. Raises ``InvalidInput`` for an archive
    that cannot be used, ``Conflict`` when the tenant or its slug is, or was, here; then nothing
    was made.
    """
    require_owner("import tenants")
    with archive_at(path) as archive:
        operation = _begin(archive, slug, path)
        try:
            work = operations.carry_on(
                operation, on_progress=on_progress, transient={"archive": archive}
            )
        except Busy:
            raise
        except BaseException:
            undo_quietly(operation)
            raise
    tenant = work.tenant
    if tenant is None:
        raise Conflict("the import was given up meanwhile.", "Ask for it again.")
    with enter_unserved(tenant):
        to_do = tuple(sentence for function in contents.to_do for sentence in function())
    return Imported(
        tenant=tenant,
        rows=archive.manifest.rows,
        claims=tuple(work.request["claims"]),
        to_do=to_do,
    )


def check(archive: Archive, slug: str = "") -> str:
    """Return the slug that the tenant would get. Raises what importing would, but for rows."""
    facts = archive.manifest.tenant
    building.refuse_unknown_migrations(archive.manifest)
    slug = check_slug(slug.strip()) if slug else facts.slug
    with enter_platform():
        _check_facts(facts, slug)
        known = Tenant.objects.filter(pk=facts.id).first()
        if known is not None:
            raise _is_here(known)
        if Tenant.objects.filter(slug=slug).exists() or (
            FormerSlug.objects.filter(slug=slug).exists()
        ):
            raise Conflict(
                f'the slug "{slug}" is taken.', "Import it under another one: --slug NEW"
            )
    return slug


def _check_facts(facts: Facts, slug: str) -> None:
    """Refuse what the file says of the tenant and nobody could have been given here."""
    try:
        check_slug(slug)
        check_time_zone(facts.time_zone)
        _claims(facts)
    except InvalidInput as error:
        raise InvalidInput(f"in the archive, {error.message}", "Export the tenant again.") from None
    if not _EARLIEST <= facts.created_at <= _LATEST:
        # PostgreSQL holds times that Python cannot read back.
        raise InvalidInput("in the archive, the time is not usable.", "Export the tenant again.")
    if not facts.name.isprintable():
        raise InvalidInput("in the archive, the name is not usable.", "Export the tenant again.")


def _is_here(tenant: Tenant) -> Conflict:
    if tenant.state == Tenant.State.DELETED:
        return Conflict(
            f'the tenant of this archive was deleted here as "{tenant.slug}", and that is'
            " certified.",
            "It can be imported into another platform.",
        )
    return Conflict(
        f'the tenant of this archive is here already: "{tenant.slug}".',
        "A tenant is in one place once.",
    )


def _begin(archive: Archive, slug: str, path: Path | None) -> Operation:
    """Take the names, or find the import of this very archive that was interrupted."""
    facts = archive.manifest.tenant
    with enter_platform():
        begun = Operation.objects.unfinished().filter(kind=IMPORT, tenant_id=facts.id).first()
        if begun and begun.request.get("sha256") == archive.sha256:
            return begun
    slug = check(archive, slug)
    claims = _claims(facts)
    request = {
        "file": str(path.resolve()) if path else "",
        "sha256": archive.sha256,
        "state": facts.state,
        "claims": claims,
        # Here and not in the result: killed after the rows' commit, their step has stored nothing.
        "rows": archive.manifest.rows,
    }
    try:
        with enter_platform(), transaction.atomic():
            tenant = Tenant(
                id=facts.id,
                slug=slug,
                name=facts.name,
                time_zone=facts.time_zone,
                created_at=facts.created_at,
                allows_support=facts.allows_support,
                state=Tenant.State.PROVISIONING,
            )
            tenant.save(force_insert=True)
            Domain.objects.create(
                tenant=tenant, domain=default_host(slug), is_primary=True, verified_at=Now()
            )
            # Whose they are has to be proven to this platform too.
            Domain.objects.bulk_create(Domain(tenant=tenant, domain=name) for name in claims)
            return operations.begin(IMPORT, tenant, request)
    except IntegrityError:
        # Somebody was faster.
        check(archive, slug)
        raise


def _claims(facts: Facts) -> list[str]:
    """Return the customer's own domains, but for those that are this platform's."""
    names = dict.fromkeys(normalize_host(name) for name in facts.domains)
    return [name for name in names if not is_platforms_own(name)]


# The steps


def _load(work: Work) -> None:
    """Make schema and rows, unless the last attempt got so far."""
    tenant = unmade(work)
    if owned(Tenant.objects.filter(pk=tenant.pk)):
        return
    archive = work.transient.get("archive")
    if archive is not None:
        filling.fill(tenant, archive)
        return
    if not work.request["file"]:
        raise Conflict(
            "the archive came from standard input and is gone.",
            "Import it again, which carries on, or cancel the operation.",
        )
    with archive_at(Path(work.request["file"])) as found:
        if found.sha256 != work.request["sha256"]:
            raise Conflict(
                f"{work.request['file']} is another file than the one that was begun with.",
                "Import that one again, which carries on, or cancel the operation.",
            )
        filling.fill(tenant, found)


def _open(work: Work) -> None:
    tenant = unmade(work)
    tenant.state = Tenant.State(work.request["state"])
    tenant.lacks = behind_platform_now(tenant)
    tenant.save(update_fields=["state", "lacks"])
    with enter_unserved(tenant):
        for function in contents.after_import:
            function()
    # One that the release before began has it, if at all, in its result.
    rows = work.request.get("rows", work.result.get("rows", 0))
    announce(tenant, "imported", details={"rows": rows, "archive_sha256": work.request["sha256"]})


plans.register(IMPORT, Plan(steps=(Step("rows", _load), Step("activation", _open)), undo=undo))
