"""Domains of tenants: claimed by anybody, served for whoever proves them, given up."""

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.db.models.functions import Now
from django.test import Client

from accounts.models import CustomUser
from activity.models import ActivityEvent
from tenants import deletion, domains, hosts, lifecycle, provisioning
from tenants.context import enter_platform, enter_tenant
from tenants.errors import Conflict, InvalidInput, NotFound
from tenants.models import Domain, Operation, Tenant
from tenants.proofs import By, NotPublished, Unproven, Unreachable
from tests.conftest import PASSWORD, remove_without_trace
from tests.tenants.conftest import Run
from tests.tenants.outside import NameServer, name_server

HOST = "people.acme.example"
Recorded = Callable[..., list[ActivityEvent]]


class Published:
    """A resolver that finds what a test says; for what does not depend on the network."""

    def __init__(self) -> None:
        self.texts: dict[str, list[str]] = {}
        self.files: dict[str, str] = {}
        self.broken = False

    def prove(self, domain: Domain) -> None:
        """Publish the proof of a claim."""
        proof = domains.proof_of(domain)
        self.texts.setdefault(proof.record, []).append(proof.value)

    def txt(self, name: str) -> list[str]:
        """Return what was published."""
        if self.broken:
            raise Unreachable("DNS could not be asked.", "Try again.")
        if name not in self.texts:
            raise NotPublished("there is no TXT record yet.", "Publish it.")
        return self.texts[name]

    def file(self, host: str, path: str) -> str:
        """Return what was published."""
        if host not in self.files:
            raise NotPublished("there is nothing yet.", "Publish it.")
        return self.files[host]


@pytest.fixture
def published() -> Published:
    return Published()


def status(host: str) -> int:
    return Client(headers={"host": host}).get("/accounts/login/").status_code


def states(tenant: Tenant) -> dict[str, str]:
    return {domain.domain: domains.state_of(domain) for domain in domains.domains_of(tenant)}


def everything() -> tuple[Any, ...]:
    """All that an act on domains may write."""
    with enter_platform():
        return (
            list(Domain.objects.order_by("pk").values()),
            list(Operation.objects.order_by("pk").values()),
            list(ActivityEvent.objects.order_by("id").values("id")),
        )


def age(domain: Domain, days: float) -> None:
    """Let a claim have been made so many days ago, by the database's clock."""
    Domain.objects.filter(pk=domain.pk).update(created_at=Now() - timedelta(days=days))


# Claiming


def test_a_claim_is_not_served(acme: Tenant) -> None:
    done = domains.add(acme, HOST)

    assert done.changed
    assert states(acme)[HOST] == "claimed"
    assert done.domain.verified_at is None
    assert len(done.domain.challenge) == 43
    assert status(HOST) == 404


def test_a_claim_that_is_there_keeps_its_challenge(acme: Tenant) -> None:
    first = domains.add(acme, HOST).domain
    before = everything()

    again = domains.add(acme, "PEOPLE.acme.example.")

    assert not again.changed
    assert again.domain.challenge == first.challenge
    assert everything() == before


def test_two_claims_of_one_host_have_two_challenges(acme: Tenant, globex: Tenant) -> None:
    challenges = {domains.add(tenant, HOST).domain.challenge for tenant in (acme, globex)}

    assert len(challenges) == 2


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("localhost", "not a usable domain"),
        ("acme.localhost", "is the platform's own"),
        ("GLOBEX.LocalHost.", "is the platform's own"),
        ("www.globex.localhost", "is the platform's own"),
        ("testserver.example:80", "not a usable domain"),
        ("http://people.acme.example", "not a usable domain"),
        ("*.acme.example", "not a usable domain"),
        ("10.0.0.1", "not a usable domain"),
        ("people.acme.example\0", "not a usable domain"),
        ("", "not a usable domain"),
    ],
)
def test_what_is_no_domain_of_a_customers_is_refused(
    acme: Tenant, typed: str, sentence: str
) -> None:
    before = everything()

    with pytest.raises(InvalidInput, match=sentence):
        domains.add(acme, typed)

    assert everything() == before


def test_a_host_of_the_platforms_own_is_refused(acme: Tenant, settings: Any) -> None:
    settings.TENANTRY_PLATFORM_HOSTS = frozenset({"localhost", "console.example"})

    with pytest.raises(InvalidInput, match="is the platform's own"):
        domains.add(acme, "Console.Example")


def test_what_is_another_tenants_cannot_be_claimed(acme: Tenant, globex: Tenant) -> None:
    domains.add(globex, HOST, vouched=True)
    before = everything()

    for vouched in (False, True):
        with pytest.raises(Conflict, match="taken by another tenant") as refused:
            domains.add(acme, HOST, vouched=vouched)
        assert "globex" not in str(refused.value).lower()

    assert everything() == before


def test_a_tenant_has_a_bounded_number_of_claims(acme: Tenant, globex: Tenant) -> None:
    for number in range(domains.MOST_CLAIMS):
        domains.add(acme, f"host-{number}.acme.example")

    with pytest.raises(Conflict, match="claims 20 domains already"):
        domains.add(acme, HOST)

    assert not domains.add(acme, "host-0.acme.example").changed
    assert domains.add(globex, HOST).changed
    domains.remove(acme, "host-0.acme.example")
    assert domains.add(acme, HOST).changed


def test_claims_that_have_expired_do_not_count_and_are_swept(acme: Tenant) -> None:
    for number in range(domains.MOST_CLAIMS):
        age(domains.add(acme, f"host-{number}.acme.example").domain, 15)

    domains.add(acme, HOST)

    assert states(acme) == {"acme.localhost": "primary", HOST: "claimed"}


def test_an_expired_claim_is_made_anew_with_another_challenge(
    acme: Tenant, published: Published
) -> None:
    old = domains.add(acme, HOST).domain
    published.prove(old)
    age(old, 14.01)
    assert states(acme)[HOST] == "expired"

    with pytest.raises(Conflict, match=r"14 days old\. Add it again"):
        domains.verify(acme, HOST, resolver=published)
    new = domains.add(acme, HOST)

    assert new.changed
    assert new.domain.challenge != old.challenge
    with pytest.raises(Unproven):
        domains.verify(acme, HOST, resolver=published)


def test_only_the_databases_clock_says_whether_a_claim_has_expired(
    acme: Tenant, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = domains.add(acme, HOST).domain
    published.prove(claim)
    age(claim, 13.9)
    monkeypatch.setattr("django.utils.timezone.now", lambda: claim.created_at + timedelta(days=900))
    monkeypatch.setattr("time.time", lambda: 4e9)

    assert domains.verify(acme, HOST, resolver=published).changed


# Proving


@pytest.mark.parametrize("by", By)
def test_what_is_proven_is_served_at_once(acme: Tenant, published: Published, by: By) -> None:
    claim = domains.add(acme, HOST).domain
    published.prove(claim)
    published.files[HOST] = domains.proof_of(claim).value
    assert status(HOST) == 404

    done = domains.verify(acme, "People.ACME.example", by=by, resolver=published)

    assert done.changed
    assert done.domain.verified_at is not None
    assert status(HOST) == 200
    assert not domains.verify(acme, HOST, resolver=Published()).changed


def test_what_is_not_proven_is_not_served_and_the_claim_stays(
    acme: Tenant, published: Published
) -> None:
    claim = domains.add(acme, HOST).domain
    with pytest.raises(NotPublished):
        domains.verify(acme, HOST, resolver=published)
    published.texts[domains.proof_of(claim).record] = ["something else"]
    with pytest.raises(Unproven, match="something else"):
        domains.verify(acme, HOST, resolver=published)
    published.broken = True
    with pytest.raises(Unreachable):
        domains.verify(acme, HOST, resolver=published)

    assert states(acme)[HOST] == "claimed"
    assert status(HOST) == 404
    published.broken = False
    published.prove(claim)
    assert domains.verify(acme, HOST, resolver=published).changed


def test_the_proof_of_one_tenant_proves_nothing_for_another(
    acme: Tenant, globex: Tenant, published: Published
) -> None:
    published.prove(domains.add(acme, HOST).domain)
    domains.add(globex, HOST)

    with pytest.raises(Unproven):
        domains.verify(globex, HOST, resolver=published)

    assert status(HOST) == 404


def test_a_claim_elsewhere_takes_nothing_from_the_owner(
    acme: Tenant, globex: Tenant, published: Published
) -> None:
    theirs = domains.add(globex, HOST).domain
    published.prove(domains.add(acme, HOST).domain)
    published.prove(theirs)
    domains.verify(acme, HOST, resolver=published)

    with pytest.raises(Conflict, match="taken by another tenant"):
        domains.verify(globex, HOST, resolver=published)
    assert hosts.answer_for(HOST).tenant == acme

    domains.remove(acme, HOST)
    assert status(HOST) == 404
    assert domains.verify(globex, HOST, resolver=published).changed
    assert hosts.answer_for(HOST).tenant == globex


def test_what_nobody_claimed_cannot_be_proven(acme: Tenant, globex: Tenant) -> None:
    domains.add(globex, HOST)

    with pytest.raises(NotFound, match="has no domain"):
        domains.verify(acme, HOST, resolver=Published())


def test_a_claim_that_is_removed_while_it_is_proven_stays_removed(
    acme: Tenant, published: Published
) -> None:
    claim = domains.add(acme, HOST).domain

    class Slow(Published):
        def txt(self, name: str) -> list[str]:
            domains.remove(acme, HOST)
            domains.add(acme, HOST)
            return [domains.proof_of(claim).value]

    with pytest.raises(NotFound):
        domains.verify(acme, HOST, resolver=Slow())

    assert states(acme)[HOST] == "claimed"


def test_of_two_tenants_that_prove_a_host_at_once_one_has_it(lab: Tenant) -> None:
    """Both have proofs, ask at the same moment, and commit: on real connections."""
    other = provisioning.create(provisioning.TenantRequest(slug=f"{lab.slug}-b")).tenant
    published, both_asked = Published(), threading.Barrier(2)
    tenants = (lab, other)
    try:
        for tenant in tenants:
            published.prove(domains.add(tenant, HOST).domain)

        class Together(Published):
            def txt(self, name: str) -> list[str]:
                both_asked.wait(60)
                return published.texts[name]

        def prove(tenant: Tenant) -> str:
            try:
                return "served" if domains.verify(tenant, HOST, resolver=Together()).changed else ""
            except Conflict as error:
                return error.message
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as pool:
            results = sorted(pool.map(prove, tenants))

        assert results == sorted(["served", f'the domain "{HOST}" is taken by another tenant.'])
        with enter_platform():
            assert Domain.objects.verified().filter(domain=HOST).count() == 1
    finally:
        remove_without_trace(other)


# Vouching


def test_what_an_operator_vouches_for_is_served_at_once(acme: Tenant) -> None:
    assert domains.add(acme, HOST, vouched=True).changed

    assert status(HOST) == 200
    assert not domains.add(acme, HOST, vouched=True).changed


def test_a_claim_can_be_vouched_for_later(acme: Tenant) -> None:
    domains.add(acme, HOST)

    assert domains.add(acme, HOST, vouched=True).changed
    assert status(HOST) == 200


# Primary and removed


def test_links_name_the_primary_domain(acme: Tenant) -> None:
    domains.add(acme, HOST, vouched=True)
    assert hosts.absolute_url("/x", acme) == "http://acme.localhost:8000/x"

    assert domains.make_primary(acme, HOST).changed
    assert not domains.make_primary(acme, HOST).changed

    assert hosts.absolute_url("/x", acme) == f"http://{HOST}:8000/x"
    assert states(acme) == {HOST: "primary", "acme.localhost": "served"}
    assert status("acme.localhost") == 200


def test_a_claim_cannot_be_primary(acme: Tenant) -> None:
    domains.add(acme, HOST)

    with pytest.raises(Conflict, match=r"not verified\. Verify it first"):
        domains.make_primary(acme, HOST)


def test_after_the_primary_domain_the_default_one_is_primary(acme: Tenant) -> None:
    domains.add(acme, HOST, vouched=True)
    domains.make_primary(acme, HOST)
    assert status(HOST) == 200

    domains.remove(acme, HOST)

    assert states(acme) == {"acme.localhost": "primary"}
    assert status(HOST) == 404


def test_the_default_domain_is_not_removed(acme: Tenant) -> None:
    domains.add(acme, HOST, vouched=True)
    domains.make_primary(acme, HOST)

    with pytest.raises(Conflict, match="follows from the slug"):
        domains.remove(acme, "ACME.localhost")

    assert status("acme.localhost") == 200


@pytest.mark.parametrize(
    "act", [domains.verify, domains.make_primary, domains.remove], ids=lambda act: act.__name__
)
def test_a_domain_of_another_tenant_is_none(
    acme: Tenant, globex: Tenant, act: Callable[..., Any]
) -> None:
    domains.add(globex, HOST, vouched=True)
    before = everything()

    for host in (HOST, "globex.localhost", "nobody.example"):
        with pytest.raises(NotFound) as refused:
            act(acme, host)
        assert refused.value.message == f'the tenant "acme" has no domain "{host}".'

    assert everything() == before


@pytest.mark.parametrize("state", ["requested", "provisioning", "deletion_scheduled", "deleted"])
def test_domains_of_a_tenant_on_its_way_out_are_left_alone(acme: Tenant, state: str) -> None:
    Tenant.objects.filter(pk=acme.pk).update(state=state)

    for act in (domains.add, domains.verify, domains.make_primary, domains.remove):
        with pytest.raises(Conflict, match="Only a tenant that is active or suspended"):
            act(acme, HOST)


def test_a_suspended_tenants_domain_is_verified_and_answers_as_the_others(
    acme: Tenant, published: Published
) -> None:
    lifecycle.suspend(acme)
    published.prove(domains.add(acme, HOST).domain)

    domains.verify(acme, HOST, resolver=published)

    assert status(HOST) == 403


# Recorded, stored, rehearsed


def test_each_act_is_in_both_records_with_its_host(
    acme: Tenant, globex: Tenant, published: Published, recorded: Recorded
) -> None:
    claim = domains.add(acme, HOST).domain
    with pytest.raises(NotPublished):
        domains.verify(acme, HOST, resolver=published)
    published.prove(claim)
    domains.verify(acme, HOST, resolver=published)
    domains.make_primary(acme, HOST)
    domains.remove(acme, HOST)
    domains.add(acme, "vouched.acme.example", vouched=True)

    own = [e for e in recorded(acme) if e.action.startswith("tenant.domain")]
    with enter_platform():
        platforms = list(
            ActivityEvent.objects.filter(
                action__startswith="tenant.domain", target_id=str(acme.pk)
            ).order_by("id")
        )
    for events in (own, platforms):
        assert [(e.action.removeprefix("tenant."), e.outcome, e.details) for e in events] == [
            ("domain_added", "success", {"host": HOST}),
            (
                "domain_not_verified",
                "failure",
                {"host": HOST, "proof": "dns", "why": "there is no TXT record yet."},
            ),
            ("domain_verified", "success", {"host": HOST, "proof": "dns"}),
            ("domain_made_primary", "success", {"host": HOST}),
            ("domain_removed", "success", {"host": HOST}),
            ("domain_added", "success", {"host": "vouched.acme.example"}),
            (
                "domain_verified",
                "success",
                {"host": "vouched.acme.example", "proof": "vouched"},
            ),
        ]
        assert events[3].changes == {"primary": ["acme.localhost", HOST]}
        assert events[4].changes == {"primary": [HOST, "acme.localhost"]}
    assert not [e for e in recorded(globex) if e.action.startswith("tenant.domain")]
    done = Operation.objects.filter(tenant=acme, kind="domain").order_by("pk")
    assert [(o.kind, o.state, o.request["act"]) for o in done] == [
        ("domain", "finished", act) for act in ("add", "verify", "primary", "remove", "add")
    ]


def test_a_challenge_is_in_no_record(
    acme: Tenant, published: Published, recorded: Recorded
) -> None:
    claim = domains.add(acme, HOST).domain
    with pytest.raises(NotPublished):
        domains.verify(acme, HOST, resolver=published)

    assert claim.challenge not in str([vars(event) for event in recorded(acme)])


@pytest.fixture
def broken_record() -> Iterator[None]:
    def refuse(**_: Any) -> None:
        raise OSError("no space left on device")

    lifecycle.changed.connect(refuse, sender=Tenant)
    yield
    lifecycle.changed.disconnect(refuse, sender=Tenant)


def test_without_its_event_nothing_changes(
    acme: Tenant, published: Published, request: pytest.FixtureRequest
) -> None:
    published.prove(domains.add(acme, HOST).domain)
    domains.add(acme, "second.acme.example", vouched=True)
    request.getfixturevalue("broken_record")
    before = everything()

    for act in (
        lambda: domains.add(acme, "third.acme.example"),
        lambda: domains.verify(acme, HOST, resolver=published),
        lambda: domains.make_primary(acme, "second.acme.example"),
        lambda: domains.remove(acme, "second.acme.example"),
    ):
        with pytest.raises(OSError, match="no space left"):
            act()

    assert everything() == before
    assert status(HOST) == 404


def test_a_rehearsal_changes_and_records_nothing(acme: Tenant, published: Published) -> None:
    published.prove(domains.add(acme, HOST).domain)
    domains.add(acme, "second.acme.example", vouched=True)
    before = everything()

    assert domains.add(acme, "third.acme.example", dry_run=True).changed
    assert domains.verify(acme, HOST, resolver=published, dry_run=True).changed
    assert domains.make_primary(acme, "second.acme.example", dry_run=True).changed
    assert domains.remove(acme, "second.acme.example", dry_run=True).changed
    with pytest.raises(NotPublished):
        domains.verify(acme, HOST, resolver=Published(), dry_run=True)

    assert everything() == before
    assert status(HOST) == 404


# The command


@pytest.fixture
def names(settings: Any) -> Iterator[NameServer]:
    """A name server that the deployment is told to ask."""
    with name_server() as server:
        settings.TENANTRY_DNS_SERVERS = (server.address,)
        yield server


def test_the_command_says_what_to_publish_and_verifies_it_by_dns(
    run: Run, acme: Tenant, names: NameServer
) -> None:
    added = run("domain", "add", "acme", "People.Acme.Example.")
    proof = domains.proof_of(Domain.objects.get(domain=HOST))
    assert added.status == 0
    assert added.stdout.startswith(f"added {HOST}\n")
    for words in (proof.record, proof.value, proof.url, f"tenant domain verify acme {HOST}"):
        assert words in added.stdout

    early = run("domain", "verify", "acme", HOST)
    assert (early.status, early.stdout) == (1, "")
    assert f"error: there is no TXT record at {proof.record} yet." in early.stderr

    names.publish(proof.record, "TXT", f'"{proof.value}"')
    assert run("domain", "verify", "acme", HOST).stdout == f"verified {HOST}\n"
    assert run("domain", "verify", "acme", HOST).stdout == f"already verified: {HOST}\n"
    assert status(HOST) == 200
    assert run("domain", "primary", "acme", HOST).stdout == f"made primary: {HOST}\n"
    assert run("domain", "list", "acme").stdout == f"{HOST}\tprimary\t\nacme.localhost\tserved\t\n"
    assert run("domain", "remove", "acme", HOST).stdout == f"removed {HOST}\n"


def test_the_commands_documents(run: Run, acme: Tenant, names: NameServer) -> None:
    document = run("domain", "add", "acme", HOST, "--json").document

    proof = domains.proof_of(Domain.objects.get(domain=HOST))
    assert (document["changed"], document["dry_run"], document["tenant"]) == (True, False, "acme")
    assert document["domain"]["state"] == "claimed"
    assert document["domain"]["proof"] == {
        "record": proof.record,
        "url": proof.url,
        "value": proof.value,
    }
    assert document["domain"]["expires_at"] > document["domain"]["created_at"]
    refused = run("domain", "verify", "acme", HOST, "--json")
    assert (refused.status, refused.document["error"]["code"]) == (1, "unproven")
    default, claim = run("domain", "list", "acme", "--json").document
    assert claim == document["domain"]
    assert (default["state"], default["proof"]) == ("primary", None)
    shown = run("show", "acme", "--json").document
    assert (shown["domains"], shown["claims"]) == (["acme.localhost"], [HOST])
    assert f"acme.localhost {HOST} (claimed)" in run("list").stdout


def test_dns_that_does_not_answer_is_said_so(
    run: Run, acme: Tenant, names: NameServer, settings: Any
) -> None:
    run("domain", "add", "acme", HOST)
    with name_server() as gone:
        settings.TENANTRY_DNS_SERVERS = (gone.address,)

    ran = run("domain", "verify", "acme", HOST, "--json")

    assert (ran.status, ran.document["error"]["code"]) == (1, "unreachable")
    assert "Nothing was decided" in ran.document["error"]["hint"]


def test_a_rehearsal_by_command_changes_nothing(run: Run, acme: Tenant) -> None:
    before = everything()

    ran = run("domain", "add", "acme", HOST, "--dry-run")

    assert ran.stdout == f"{HOST} would be added\n"
    assert everything() == before


@pytest.mark.parametrize(
    ("line", "exit_status", "sentence"),
    [
        ("domain", 2, "VERB"),
        ("domain ad acme x.example", 2, "Did you mean add?"),
        ("domian add acme x.example", 2, "Did you mean domain?"),
        ("domain add acme", 2, "domain"),
        ("domain add acme x.example --vouchd", 2, "Did you mean --vouched?"),
        ("domain verify acme x.example --by fax", 2, "invalid choice: 'fax'"),
        ("domain add acmee x.example", 3, "Did you mean acme?"),
        ("domain add acme acme.localhost", 2, "is the platform's own"),
        ("domain remove acme x.example", 3, 'has no domain "x.example"'),
        ("domain primary acme ../x", 2, "not a usable domain"),
    ],
)
def test_a_mistyped_line_is_refused_with_a_sentence(
    run: Run, acme: Tenant, line: str, exit_status: int, sentence: str
) -> None:
    before = everything()

    ran = run(*line.split())

    assert ran.status == exit_status
    assert ran.stderr.startswith("error: ")
    assert sentence in ran.stderr
    assert everything() == before


def test_help_of_the_group_lists_its_verbs(run: Run) -> None:
    page = run("domain", "--help").stdout

    for word in ("add", "verify", "primary", "remove", "list"):
        assert f"\n    {word}" in page


def test_an_act_from_inside_a_tenant_is_done_on_the_platform(acme: Tenant, globex: Tenant) -> None:
    with enter_tenant(globex):
        domains.add(acme, HOST, vouched=True)

    assert states(acme)[HOST] == "served"


# The console


@pytest.fixture
def console(browser: Callable[..., Client], operator: CustomUser) -> Client:
    """The console, as Olga sees it."""
    return browser(None, operator)


def page_of(tenant: Tenant) -> str:
    return f"/admin/tenants/tenant/{tenant.pk}/domains/"


def press(client: Client, tenant: Tenant, act: str, **data: str) -> str:
    response = client.post(page_of(tenant), {"act": act, **data}, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def test_olga_claims_verifies_and_removes_a_domain(
    console: Client, acme: Tenant, names: NameServer, operator: CustomUser
) -> None:
    page = press(console, acme, "add", domain="People.Acme.Example")
    proof = domains.proof_of(Domain.objects.get(domain=HOST))
    for words in (f"{HOST} is added now.", proof.record, proof.url, proof.value):
        assert words in page
    assert f"no TXT record at {proof.record} yet" in press(console, acme, "dns", domain=HOST)

    names.publish(proof.record, "TXT", f'"{proof.value}"')
    page = press(console, acme, "dns", domain=HOST)
    assert f"{HOST} is verified now." in page
    assert proof.value not in page
    assert status(HOST) == 200
    assert "is the primary domain now" in press(console, acme, "primary", domain=HOST)
    assert f"{HOST} is removed now." in press(console, acme, "remove", domain=HOST)
    assert states(acme) == {"acme.localhost": "primary"}
    events = ActivityEvent.objects.filter(action__startswith="tenant.domain")
    assert {event.actor_id for event in events} == {str(operator.public_id)}
    assert "domain_not_verified" in str([event.action for event in events])


def test_olga_vouches(console: Client, acme: Tenant) -> None:
    press(console, acme, "add", domain=HOST, vouched="on")

    assert status(HOST) == 200


@pytest.mark.parametrize(
    ("act", "domain", "sentence"),
    [
        ("add", "globex.localhost", "is the platform&#x27;s own"),
        ("add", "http://x", "is not a usable domain"),
        ("add", "\0", "is not a usable domain"),
        ("remove", "acme.localhost", "follows from the slug"),
        ("dns", "nobody.example", "has no domain"),
        ("primary", "globex.localhost", "has no domain"),
        ("drop", "acme.localhost", "Nothing was asked for"),
        ("", "", "Nothing was asked for"),
    ],
)
def test_the_console_refuses_what_the_command_refuses(
    console: Client, acme: Tenant, globex: Tenant, act: str, domain: str, sentence: str
) -> None:
    before = everything()

    assert sentence in press(console, acme, act, domain=domain)

    assert everything() == before


def test_a_mistyped_domain_stays_to_be_mended(console: Client, acme: Tenant) -> None:
    page = press(console, acme, "add", domain="people.acme example", vouched="on")

    assert 'value="people.acme example"' in page
    assert 'name="vouched" checked' in page
    assert 'aria-invalid="true" aria-describedby="refused"' in page
    assert re.search(r'id="refused" role="alert">[^<]*is not a usable domain', page)
    assert 'name="vouched" checked' not in console.get(page_of(acme)).content.decode()


def test_an_operator_who_may_only_look_sees_no_button(
    browser: Callable[..., Client], acme: Tenant
) -> None:
    with enter_platform():
        otto = CustomUser.objects.create_user(
            "otto", "otto@platform.example", PASSWORD, is_staff=True
        )
        otto.user_permissions.add(Permission.objects.get(codename="view_tenant"))
        nobody = CustomUser.objects.create_user(
            "nina", "nina@platform.example", PASSWORD, is_staff=True
        )
    domains.add(acme, HOST)
    client = browser(None, otto)
    before = everything()[:2]

    page = client.get(page_of(acme))
    assert HOST in page.content.decode()
    assert 'name="act"' not in page.content.decode()
    assert client.post(page_of(acme), {"act": "remove", "domain": HOST}).status_code == 403
    assert browser(None, nobody).get(page_of(acme)).status_code == 403
    assert everything()[:2] == before


@pytest.mark.parametrize(
    ("close", "condition"),
    [
        (lifecycle.suspend, "suspended"),
        (partial(deletion.schedule, reason="end"), "scheduled for deletion"),
    ],
    ids=["suspended", "scheduled"],
)
def test_a_closed_tenants_page_says_that_nothing_is_served(
    console: Client, acme: Tenant, close: Callable[[Tenant], Any], condition: str
) -> None:
    domains.add(acme, HOST, vouched=True)
    assert "Served." in console.get(page_of(acme)).content.decode()
    close(acme)

    page = console.get(page_of(acme)).content.decode()

    assert f"is {condition}: nobody gets in on these hosts." in page
    assert f"Verified. Not served: the tenant is {condition}." in page
    assert "Served." not in page
    assert ("Add domain" in page) is (condition == "suspended")


def test_a_purged_tenants_page_offers_no_domain(console: Client, acme: Tenant) -> None:
    deletion.schedule(acme, reason="end", grace_days=0)
    deletion.purge(acme)

    page = console.get(page_of(acme)).content.decode()

    assert "was purged: it answers nowhere" in page
    assert "Add domain" not in page
    assert "answers on these hosts" not in page


def test_the_page_is_on_the_console_alone(
    acme: Tenant, browser: Callable[..., Client], ann: CustomUser, console: Client
) -> None:
    assert browser(acme, ann).get(page_of(acme)).status_code == 404
    assert browser(None).get(page_of(acme)).status_code == 302
    missing = page_of(acme).replace(str(acme.pk), "01a206a3-d3e0-74f3-8037-abb494252507")
    assert console.get(missing).status_code == 404
    assert console.put(page_of(acme)).status_code == 405


def test_the_tenants_page_leads_to_its_domains(console: Client, acme: Tenant) -> None:
    page = console.get(f"/admin/tenants/tenant/{acme.pk}/change/").content.decode()
    assert "open-domains" in page

    response = console.get(f"/admin/tenants/tenant/{acme.pk}/open-domains", follow=True)

    assert response.request["PATH_INFO"] == page_of(acme)


def test_a_form_from_elsewhere_does_nothing(
    browser: Callable[..., Client], acme: Tenant, operator: CustomUser
) -> None:
    client = browser(None, operator)
    client.handler.enforce_csrf_checks = True

    response = client.post(page_of(acme), {"act": "add", "domain": HOST, "vouched": "on"})

    assert response.status_code == 403
    assert status(HOST) == 404
