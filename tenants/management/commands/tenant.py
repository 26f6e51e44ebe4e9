"""``manage.py tenant``: provision and run tenants."""

import argparse
from typing import Any, ClassVar

from django.conf import settings

from tenants import administrators, lifecycle, passwords, provisioning
from tenants.administrators import Appointment
from tenants.commandline import NounCommand, Output, Verb
from tenants.context import enter_platform
from tenants.directory import tenant_called, tenant_to_enter
from tenants.hosts import absolute_url, origin
from tenants.models import Tenant


def described(tenant: Tenant, hosts: list[str] | None = None) -> dict[str, Any]:
    """The keys of a tenant in every ``--json`` document. ``hosts`` saves looking them up."""
    if hosts is None:
        with enter_platform():
            hosts = [domain.domain for domain in tenant.domains.all()]
    return {
        "id": tenant.pk,
        "slug": tenant.slug,
        "name": tenant.name,
        "state": tenant.state,
        "schema_name": tenant.schema_name,
        "time_zone": tenant.time_zone,
        "domains": hosts,
        "url": f"{origin(hosts[0])}/admin/" if hosts else "",
        "created_at": tenant.created_at,
    }


def appointed(appointment: Appointment | None) -> dict[str, Any] | None:
    """The keys of an administrator in every ``--json`` document."""
    return vars(appointment) if appointment else None


def say_appointed(output: Output, appointment: Appointment | None) -> None:
    """Tell who became an administrator and how they get in."""
    if appointment is None:
        return
    verb = "is now" if appointment.created else "was already"
    output.say(f"{appointment.username} <{appointment.email}> {verb} an administrator.")
    if appointment.has_new_password:
        output.say("The password is the one that was given now.")
    if appointment.link:
        output.say("One-time link to choose a password:", f"  {appointment.link}")


class Create(Verb):
    """Provision a tenant."""

    name = "create"
    help = "Provision a tenant: its schema, its address and, if wanted, its first administrator."
    examples = (
        "tenant create acme --name 'Acme Inc.' --admin-email ann@acme.example",
        "tenant create globex --domain people.globex.example --timezone Europe/Berlin --json",
    )
    can_change = True

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("slug", help="the name in the address: 3-32 characters a-z, 0-9, -")
        parser.add_argument("--name", default="", help="what people call it; default: the slug")
        parser.add_argument(
            "--domain", action="append", default=[], help="a further host name; may be repeated"
        )
        parser.add_argument("--admin-email", default="", help="make this address an administrator")
        parser.add_argument(
            "--timezone", default="", help="such as Europe/Berlin; default: the platform's"
        )

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Create, or say that it is there already."""
        request = provisioning.TenantRequest(
            slug=options.slug,
            name=options.name,
            domains=tuple(options.domain),
            time_zone=options.timezone,
            admin_email=options.admin_email,
        )
        if options.dry_run:
            self._rehearse(request, output)
            return
        made = self._with_progress(request, output)
        if output.as_json:
            output.document(
                {
                    "created": made.created,
                    "tenant": described(made.tenant),
                    "administrator": appointed(made.administrator),
                }
            )
            return
        verb = "created" if made.created else "exists already:"
        output.say(f"{verb} {made.tenant.slug} ({made.tenant.get_state_display()})")
        output.say(f"  {absolute_url('/admin/', made.tenant)}")
        say_appointed(output, made.administrator)
        if options.admin_email and not made.created:
            # Somebody else's tenant may have this slug: it gets no new administrator by mistake.
            output.say(
                "Nothing was changed. To make somebody an administrator of it: "
                f"manage.py tenant superuser {made.tenant.slug} --username NAME --email ADDRESS"
            )

    def _with_progress(
        self, request: provisioning.TenantRequest, output: Output
    ) -> provisioning.Provisioned:
        with output.progress("tables") as progress:
            return provisioning.create(request, on_progress=progress)

    def _rehearse(self, request: provisioning.TenantRequest, output: Output) -> None:
        request = provisioning.check(request)
        tenant = provisioning.existing(request)
        if output.as_json:
            output.document(
                {"dry_run": True, "would_create": tenant is None, "request": vars(request)}
            )
            return
        if tenant:
            output.say(f"would do nothing: {tenant.slug} exists already.")
            return
        zone = request.time_zone or settings.TIME_ZONE
        output.say(f"would create {request.slug} ({request.name}), {zone}")
        for domain in request.domains:
            output.say(f"  with the domain {domain}")
        if request.admin_email:
            output.say(f"  with the administrator {request.admin_email}")


class List(Verb):
    """Show all tenants."""

    name = "list"
    help = "List tenants."
    examples = ("tenant list", "tenant list --state suspended --json")

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the filter."""
        parser.add_argument("--state", choices=Tenant.State.values, help="only in this state")

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Print a row or an object for each."""
        with enter_platform():
            tenants = Tenant.objects.prefetch_related("domains")
            if options.state:
                tenants = tenants.filter(state=options.state)
            rows = [
                (tenant, [domain.domain for domain in tenant.domains.all()]) for tenant in tenants
            ]
        if output.as_json:
            output.document([described(tenant, hosts) for tenant, hosts in rows])
            return
        if not rows:
            output.say("No tenants yet. Make one: manage.py tenant create SLUG")
            return
        output.table(
            ("SLUG", "STATE", "NAME", "DOMAINS"),
            ((t.slug, t.get_state_display(), t.name, " ".join(hosts)) for t, hosts in rows),
        )


class Show(Verb):
    """Show one tenant."""

    name = "show"
    help = "Show one tenant."
    examples = ("tenant show acme", "tenant show acme --json")

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare which."""
        parser.add_argument("slug")

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Print it."""
        description = described(tenant_called(options.slug))
        if output.as_json:
            output.document(description)
            return
        for key, value in description.items():
            shown = " ".join(value) if isinstance(value, list) else value
            output.say(f"{key.replace('_', ' '):<12} {shown}")


class Move(Verb):
    """Suspend or resume: the shape that both share."""

    can_change = True
    past: ClassVar[str]

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare which, and why."""
        parser.add_argument("slug")
        parser.add_argument("--reason", default="", help="goes into the record")

    def move(self, tenant: Tenant, reason: str, dry_run: bool) -> bool:
        """Change the tenant; returns whether anything changed, or would."""
        raise NotImplementedError

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Change it, or say that it is so already."""
        tenant = tenant_called(options.slug)
        target = {"suspended": Tenant.State.SUSPENDED, "resumed": Tenant.State.ACTIVE}[self.past]
        changed = self.move(tenant, options.reason, options.dry_run)
        if output.as_json:
            output.document(
                {"changed": changed, "dry_run": options.dry_run, "tenant": described(tenant)}
            )
        elif options.dry_run:
            output.say(f"{tenant.slug} would be {self.past if changed else 'left as it is'}")
        else:
            output.say(
                f"{self.past if changed else f'already {target.label.lower()}:'} {tenant.slug}"
            )


class Suspend(Move):
    """Stop serving a tenant."""

    name = "suspend"
    help = "Stop serving a tenant: its pages answer 403, its tasks are refused. Nothing is lost."
    examples = ("tenant suspend acme --reason 'invoice 42 is overdue'",)
    past = "suspended"

    def move(self, tenant: Tenant, reason: str, dry_run: bool) -> bool:
        """Suspend it."""
        return lifecycle.suspend(tenant, reason=reason, dry_run=dry_run)


class Resume(Move):
    """Serve a tenant again."""

    name = "resume"
    help = "Serve a suspended tenant again."
    examples = ("tenant resume acme",)
    past = "resumed"

    def move(self, tenant: Tenant, reason: str, dry_run: bool) -> bool:
        """Resume it."""
        return lifecycle.resume(tenant, reason=reason, dry_run=dry_run)


class Superuser(Verb):
    """Appoint an administrator."""

    name = "superuser"
    help = (
        "Make somebody an administrator of a tenant. An operator of the platform is made by "
        "`manage.py createsuperuser`."
    )
    examples = (
        "tenant superuser acme --username ann --email ann@acme.example",
        "tenant superuser acme --username ann --email ann@acme.example --password-stdin < secret",
    )
    can_change = True

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare who, where and how they get in."""
        parser.add_argument("slug")
        parser.add_argument("--username", required=True)
        parser.add_argument("--email", required=True)
        passwords.add_option(parser)

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Appoint them."""
        tenant = tenant_to_enter(options.slug)
        person = {
            "username": options.username,
            "email": options.email,
            "password": passwords.obtain(options),
        }
        administrators.check(tenant, **person)
        if options.dry_run:
            if output.as_json:
                output.document({"dry_run": True, "tenant": described(tenant)})
            output.say(f"would make {options.username} an administrator of {tenant.slug}")
            return
        appointment = administrators.appoint(tenant, **person)
        if output.as_json:
            output.document({"tenant": described(tenant), "administrator": appointed(appointment)})
        say_appointed(output, appointment)


class Command(NounCommand):
    """Provision and run tenants."""

    help = "Provision and run tenants."
    verbs = (Create, List, Show, Suspend, Resume, Superuser)
