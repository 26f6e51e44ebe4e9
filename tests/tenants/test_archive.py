"""One tenant as one file, there and back again."""

import hashlib
import json
import shutil
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.test import Client

from accounts.models import CustomUser
from activity import rollups
from activity.models import ActivityEvent, DailyTotal, RollupCursor
from activity.recording import record
from activity.rollups.comparing import compare
from activity.sealing import keys, sealer, signers
from activity.verifying import verify
from config.environment import CHECKOUT
from tenants import deletion, hosts, lifecycle, operations
from tenants.archive import filling, loading
from tenants.archive import format as archive_format
from tenants.archive.loading import Imported, import_archive
from tenants.archive.reading import archive_at
from tenants.archive.writing import export
from tenants.context import enter_platform, enter_tenant, enter_unserved
from tenants.errors import Conflict, TenantryError, TenantUnavailable
from tenants.models import Domain, FormerSlug, Operation, Tenant
from tests.activity.settling import settled
from tests.conftest import PASSWORD, remove_without_trace
from tests.fleet import NEWEST
from tests.tenants.archives import (
    LEFT_OUT,
    SLUG,
    Members,
    Sample,
    forged,
    members_of,
    nothing_was_made,
    rows_of,
    sequences_of,
    table_of,
)
from tests.tenants.conftest import Run


@pytest.fixture
def imported(db: None, sample: Sample) -> Imported:
    """The sample, imported under its own name."""
    return import_archive(sample.path)


# There and back


def test_every_row_of_every_table_comes_back_as_it_was(sample: Sample, imported: Imported) -> None:
    after = rows_of(imported.tenant)
    # What is new is that it was imported, and that its events were counted here.
    for table in ("activity_dailytotal", "activity_monthlytally", "activity_rollupcursor"):
        after.pop(table)
    [new] = set(after["activity_activityevent"]) - set(sample.rows["activity_activityevent"])
    assert "tenant.imported" in new
    after["activity_activityevent"].remove(new)

    expected = {
        table: [] if table in LEFT_OUT else rows
        for table, rows in sample.rows.items()
        if table in after
    }
    assert sample.rows["django_session"] != []
    assert after.keys() == expected.keys()
    for table, rows in expected.items():
        assert after[table] == rows, table


def test_what_the_platform_knows_comes_back_too(sample: Sample, imported: Imported) -> None:
    tenant = Tenant.objects.get(pk=sample.tenant.pk)

    before = sample.tenant
    assert (tenant.slug, tenant.name, tenant.time_zone) == (SLUG, "Initech", "Europe/Berlin")
    assert (tenant.created_at, tenant.state) == (before.created_at, "active")
    assert tenant.schema_name != before.schema_name
    assert imported.rows == sum(
        len(rows) for table, rows in sample.rows.items() if table not in LEFT_OUT
    )


def test_a_customers_domain_has_to_be_proven_here_again(imported: Imported) -> None:
    domains = {d.domain: d for d in Domain.objects.filter(tenant=imported.tenant)}

    assert domains.keys() == {"initech.localhost", "initech.example"}
    assert domains["initech.localhost"].is_primary
    assert domains["initech.localhost"].verified_at is not None
    assert domains["initech.example"].verified_at is None
    assert imported.claims == ("initech.example",)
    assert hosts.answer_for("initech.example").tenant is None


def test_peter_signs_in_with_the_password_he_had(imported: Imported) -> None:
    client = Client(headers={"host": f"{SLUG}.localhost:8000"})

    response = client.post("/accounts/login/", {"login": "peter", "password": PASSWORD})

    assert response.status_code == 302
    assert client.get("/admin/").status_code == 200


def test_numbers_go_on_where_they_were(sample: Sample, imported: Imported) -> None:
    assert sequences_of(imported.tenant) == sample.sequences
    with enter_tenant(imported.tenant):
        kept = Group.objects.get()
        # "gone" had the number before it, and had it for ever.
        assert kept.pk == 2
        assert Group.objects.create(name="next").pk == 3


def test_the_record_is_append_only_again_and_stamps_new_events(imported: Imported) -> None:
    with enter_tenant(imported.tenant), connection.cursor() as cursor:
        for statement in (
            "UPDATE activity_activityevent SET reason = 'x'",
            "DELETE FROM activity_activityevent",
            "TRUNCATE activity_activityevent",
        ):
            with pytest.raises(Exception, match="append-only"), transaction.atomic():
                cursor.execute(statement)
        new = record("session.started")
        new.refresh_from_db()
        cursor.execute("SELECT pg_current_xact_id()::text::bigint")
        assert new.xid == cursor.fetchone()[0]


def test_the_schema_is_what_provisioning_makes(acme: Tenant, imported: Imported) -> None:
    from tenants.catalog import describe, differences

    with enter_platform():
        found = describe(connection, imported.tenant.schema_name)
        expected = describe(connection, acme.schema_name)
    assert differences(found, expected) == []


def test_export_and_import_are_in_both_records(sample: Sample, imported: Imported) -> None:
    # The whole file but its own digest, which is its last 64 bytes.
    own = hashlib.sha256(sample.content[:-64]).hexdigest()
    key = str(sample.tenant.pk)
    with enter_platform():
        event = ActivityEvent.objects.get(target_id=key, action="tenant.imported")
        assert event.details == {"rows": imported.rows, "archive_sha256": own}
    with enter_tenant(imported.tenant):
        events = ActivityEvent.objects.filter(target_id=key)
        assert events.get(action="tenant.imported").details == event.details
        assert not events.filter(action="tenant.exported").exists()


def test_an_export_is_in_both_records_before_the_file_is_there(lab: Tenant, tmp_path: Path) -> None:
    path = tmp_path / "lab.tenant"
    seen = []

    def look(change: str, **_: Any) -> None:
        seen.append((change, path.exists()))

    lifecycle.changed.connect(look, sender=Tenant)
    try:
        exported = export(lab, path)
    finally:
        lifecycle.changed.disconnect(look, sender=Tenant)

    assert seen == [("exported", False)]
    manifest = members_of(path.read_bytes())["manifest.json"]
    assert exported.sha256 == hashlib.sha256(manifest).hexdigest()
    with enter_platform():
        events = ActivityEvent.objects.filter(action="tenant.exported", target_id=str(lab.pk))
        [event] = events
        assert event.details["manifest_sha256"] == exported.sha256
        assert Operation.objects.get(tenant=lab, kind="export").state == "finished"
    with enter_tenant(lab):
        assert ActivityEvent.objects.filter(action="tenant.exported").count() == 1


def test_what_commits_meanwhile_is_in_no_table(lab: Tenant, tmp_path: Path) -> None:
    """An event without its person, or a person without hers, would be in it otherwise."""

    def come() -> None:
        with enter_tenant(lab):
            CustomUser.objects.create_user("late", "late@lab.example", PASSWORD)
        connection.close()

    def after_the_first_table(name: str, done: int, of: int | None) -> None:
        if done == 1:
            with ThreadPoolExecutor(1) as pool:
                pool.submit(come).result(timeout=30)

    export(lab, tmp_path / "lab.tenant", on_progress=after_the_first_table)

    with enter_tenant(lab):
        assert CustomUser.objects.filter(username="late").exists()
    members = members_of((tmp_path / "lab.tenant").read_bytes())
    assert [name for name, content in members.items() if b"late@lab.example" in content] == []


def test_without_its_event_there_is_no_file(lab: Tenant, tmp_path: Path) -> None:
    def refuse(**_: Any) -> None:
        raise TenantryError("no space left on device.")

    lifecycle.changed.connect(refuse, sender=Tenant)
    try:
        with pytest.raises(TenantryError, match="no space left"):
            export(lab, tmp_path / "lab.tenant")
    finally:
        lifecycle.changed.disconnect(refuse, sender=Tenant)

    assert list(tmp_path.iterdir()) == []


def test_equal_tenants_make_equal_members(lab: Tenant, tmp_path: Path) -> None:
    paths = [tmp_path / "one", tmp_path / "two"]
    for path in paths:
        with enter_tenant(lab):
            settled()
        export(lab, path)

    one, two = (members_of(path.read_bytes()) for path in paths)

    changed = {"manifest.json", "tables/activity_activityevent.copy"}
    # The first export is an event, which the second one holds and has counted.
    changed |= {"tables/activity_dailytotal.copy", "tables/activity_rollupcursor.copy"}
    changed |= {"tables/activity_segment.copy", "tables/activity_tile.copy"}
    assert {name for name in one if one[name] != two[name]} == changed


def test_the_file_is_its_owners_alone(sample: Sample) -> None:
    assert sample.path.stat().st_mode & 0o777 == 0o600


def test_a_tenant_that_waits_for_its_end_can_be_taken_along(lab: Tenant, tmp_path: Path) -> None:
    with enter_platform():
        lifecycle.suspend(lab)
        deletion.schedule(lab, reason="contract ended")

    export(lab, tmp_path / "lab.tenant")

    with archive_at(tmp_path / "lab.tenant") as archive:
        assert archive.manifest.tenant.state == "suspended"


@pytest.mark.parametrize("state", ["provisioning", "deleting", "deleted"])
def test_what_is_not_whole_is_not_exported(acme: Tenant, tmp_path: Path, state: str) -> None:
    Tenant.objects.filter(pk=acme.pk).update(state=state)

    with pytest.raises(TenantUnavailable):
        export(acme, tmp_path / "acme.tenant")

    assert list(tmp_path.iterdir()) == []


def test_nothing_of_a_neighbour_is_in_the_file(sample: Sample) -> None:
    # The platform's key signs every tenant's record, and goes along by name.
    key = keys.signer().name.encode()
    for name, content in members_of(sample.content).items():
        own = content.replace(key, b"") if name == "tables/activity_segment.copy" else content
        for word in (b"canary-of-", b"acme", b"globex", b"localhost"):
            assert word not in own


def test_a_suspended_tenant_comes_back_suspended(db: None, sample: Sample, tmp_path: Path) -> None:
    def suspend(manifest: dict[str, Any], members: Any) -> None:
        manifest["tenant"]["state"] = "suspended"

    path = tmp_path / "suspended"
    path.write_bytes(forged(sample.content, suspend))

    assert import_archive(path).tenant.state == "suspended"


def test_that_support_access_is_forbidden_is_in_the_archive(lab: Tenant, tmp_path: Path) -> None:
    with enter_platform():
        Tenant.objects.filter(pk=lab.pk).update(allows_support=False)
        export(lab, tmp_path / "forbids.tenant")
    with archive_at(tmp_path / "forbids.tenant") as archive:
        assert not archive.manifest.tenant.allows_support


def test_who_forbade_support_access_still_does_where_they_come_to(
    db: None, sample: Sample, tmp_path: Path
) -> None:
    def forbid(manifest: dict[str, Any], members: Any) -> None:
        manifest["tenant"]["allows_support"] = False

    (tmp_path / "forbids").write_bytes(forged(sample.content, forbid))
    tenant = import_archive(tmp_path / "forbids").tenant

    assert not Tenant.objects.get(pk=tenant.pk).allows_support


def test_an_archive_that_does_not_speak_of_support_access_allows_it(
    sample: Sample, imported: Imported
) -> None:
    """As all from before do; whoever does not know the key can read those of who allows it."""
    said = json.loads(members_of(sample.content)["manifest.json"])["tenant"]

    assert "allows_support" not in said
    assert Tenant.objects.get(pk=imported.tenant.pk).allows_support


# Names


def test_another_slug_can_be_given(db: None, sample: Sample) -> None:
    tenant = import_archive(sample.path, slug="initrode").tenant

    assert (tenant.slug, tenant.pk) == ("initrode", sample.tenant.pk)
    assert hosts.answer_for("initrode.localhost").tenant == tenant
    assert hosts.answer_for("initech.localhost").tenant is None


@pytest.mark.parametrize("slug", ["acme", "acme-of-old"])
def test_a_slug_that_is_or_was_a_tenants_is_refused(
    acme: Tenant, sample: Sample, slug: str
) -> None:
    FormerSlug.objects.create(tenant=acme, slug="acme-of-old")

    with pytest.raises(Conflict, match=f'slug "{slug}" is taken'):
        import_archive(sample.path, slug=slug)

    assert nothing_was_made(sample)


@pytest.mark.parametrize("slug", ["Acme", "admin", "../x", "a"])
def test_a_slug_that_cannot_be_is_refused(db: None, sample: Sample, slug: str) -> None:
    with pytest.raises(TenantryError, match=r"not usable|reserved"):
        import_archive(sample.path, slug=slug)

    assert nothing_was_made(sample)


def test_the_same_tenant_is_never_here_twice(imported: Imported, sample: Sample) -> None:
    for slug in ("", "initrode"):
        with pytest.raises(Conflict, match='is here already: "initech"'):
            import_archive(sample.path, slug=slug)


def test_a_tenant_that_was_purged_here_does_not_come_back(
    imported: Imported, sample: Sample
) -> None:
    deletion.schedule(imported.tenant, reason="contract ended", grace_days=0)
    deletion.purge(imported.tenant)

    with pytest.raises(Conflict, match="deleted here"):
        import_archive(sample.path, slug="initrode")

    assert Tenant.objects.get(pk=sample.tenant.pk).state == "deleted"


# Roll-ups


def recounted() -> dict[tuple[Any, ...], int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (occurred_at AT TIME ZONE 'Europe/Berlin')::date, action, outcome,"
            " count(*) FROM activity_activityevent GROUP BY 1, 2, 3"
        )
        return {tuple(key): count for *key, count in cursor.fetchall()}


def counted() -> dict[tuple[Any, ...], int]:
    return {
        (row.day, row.action, row.outcome): row.events
        for row in DailyTotal.objects.exclude(action="")
    }


HERE, THERE, ELSEWHERE = "here", 4711, 4712


@pytest.mark.parametrize(
    ("of_older", "of_newer", "is_counted"),
    [
        pytest.param(THERE, THERE, True, id="from another cluster"),
        pytest.param(HERE, HERE, True, id="within this cluster"),
        pytest.param(HERE, THERE, True, id="back to where it once was"),
        pytest.param(ELSEWHERE, THERE, True, id="through a third"),
        pytest.param(THERE, THERE, False, id="never counted"),
    ],
)
def test_each_event_is_counted_once_wherever_it_came_from(
    lab: Tenant, tmp_path: Path, of_older: Any, of_newer: Any, is_counted: bool
) -> None:
    with enter_tenant(lab), connection.cursor() as sql:
        sql.execute("SELECT system_identifier FROM pg_control_system()")
        [here] = sql.fetchone()

        def came_from(cluster: Any) -> None:
            # As if what is not sealed had happened in another cluster, and been sealed there.
            settled()
            sql.execute("ALTER TABLE activity_activityevent DISABLE TRIGGER USER")
            sql.execute(
                "UPDATE activity_activityevent SET cluster = %s WHERE cluster = 0 OR xid >"
                " (SELECT coalesce(max(xid), 0) FROM activity_segment)",
                [here if cluster == HERE else cluster],
            )
            sql.execute("ALTER TABLE activity_activityevent ENABLE TRIGGER USER")
            sealer.arrive()

        record("user.changed", reason="older")
        came_from(of_older)
        if is_counted:
            rollups.fold_now()
        record("user.changed", reason="newer")
        came_from(of_newer)
        assert RollupCursor.objects.count() == int(is_counted)
    path = tmp_path / "lab.tenant"
    # Straight to the rows: the fold that begins an export would count the newer ones.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tenants.archive.contents.before_export", [])
        export(lab, path)
    remove_without_trace(lab)
    with enter_platform():
        again = import_archive(path).tenant
    lab.schema_name = again.schema_name

    with enter_tenant(again):
        record("user.changed", reason="after it arrived")
        settled()
        sealer.seal_now()
        rollups.fold_now()
        rollups.fold_now()
        assert counted() == recounted()
        assert compare().difference is None
        assert len(recounted()) > 1


def test_an_export_counts_first(lab: Tenant, tmp_path: Path) -> None:
    with enter_tenant(lab):
        record("user.changed")
        settled()

    export(lab, tmp_path / "lab.tenant")

    rows = members_of((tmp_path / "lab.tenant").read_bytes())
    assert b"user.changed" in rows["tables/activity_dailytotal.copy"]


# Older and newer releases


def pretend_it_is_older(manifest: dict[str, Any], members: Members) -> None:
    """Take back a migration that changes nothing in a tenant's schema."""
    newest = max(name for name in manifest["migrations"] if name.startswith("tenants."))
    manifest["migrations"].remove(newest)
    name = "tables/django_migrations.copy"
    gone = newest.partition(".")[2].encode()
    kept = [row for row in members[name].splitlines(True) if gone not in row]
    members[name] = b"".join(kept)
    table_of(manifest, "django_migrations")["rows"] = len(kept)


def test_an_archive_of_an_older_release_is_brought_up_to_date(
    db: None, sample: Sample, tmp_path: Path
) -> None:
    path = tmp_path / "older.tenant"
    path.write_bytes(forged(sample.content, pretend_it_is_older))

    tenant = import_archive(path).tenant

    after = rows_of(tenant)
    assert len(after["django_migrations"]) == len(sample.rows["django_migrations"])
    for table in ("accounts_customuser", "auth_group", "auth_permission", "django_content_type"):
        assert after[table] == sample.rows[table]


@pytest.fixture
def tomorrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[None]:
    """Be the next release, in which people have a shoe size."""
    package = tmp_path / "accounts_of_tomorrow"
    shutil.copytree(CHECKOUT / "accounts/migrations", package)
    (package / "0099_shoe_size.py").write_text(
        "from django.db import migrations, models\n"
        "class Migration(migrations.Migration):\n"
        f"    dependencies = [('accounts', '{NEWEST}')]\n"
        "    operations = [migrations.AddField('customuser', 'shoe_size',"
        " models.IntegerField(db_default=42))]\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    settings.MIGRATION_MODULES = {**settings.MIGRATION_MODULES, "accounts": package.name}
    yield
    for name in [name for name in sys.modules if name.startswith(package.name)]:
        del sys.modules[name]


def test_an_archive_is_filled_as_it_was_and_then_migrated(
    db: None, sample: Sample, tomorrow: None
) -> None:
    tenant = import_archive(sample.path).tenant

    with enter_tenant(tenant), connection.cursor() as cursor:
        cursor.execute("SELECT count(*), min(shoe_size) FROM accounts_customuser")
        assert cursor.fetchone() == (31, 42)
        cursor.execute("SELECT count(*) FROM django_migrations WHERE name = '0099_shoe_size'")
        assert cursor.fetchone() == (1,)


# Interrupted


def test_what_fails_in_the_middle_leaves_nothing(
    db: None, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise TenantryError("no space left on device.")

    monkeypatch.setattr(filling, "_set_sequences", fail)
    with pytest.raises(TenantryError, match="no space left"):
        import_archive(sample.path)

    assert nothing_was_made(sample)


@pytest.fixture
def interrupted(db: None, sample: Sample, monkeypatch: pytest.MonkeyPatch) -> Operation:
    """An import whose process was killed when the rows were in."""
    with monkeypatch.context() as patch:
        patch.setattr(loading, "undo_quietly", lambda operation: None)
        patch.setattr(loading, "announce", lambda *_, **__: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception):
            import_archive(sample.path)
    operation = Operation.objects.get(kind="import")
    assert (operation.done, operation.next_step) == (1, "activation")
    return operation


def test_until_it_is_opened_nobody_is_served(interrupted: Operation) -> None:
    assert Tenant.objects.get(slug=SLUG).state == "provisioning"
    client = Client(headers={"host": f"{SLUG}.localhost:8000"})
    assert client.get("/accounts/login/").status_code == 404


def test_an_interrupted_import_is_carried_on_without_the_file(interrupted: Operation) -> None:
    operations.carry_on(operations.operation_with(interrupted.pk))

    assert Tenant.objects.get(slug=SLUG).is_active


def test_killed_between_two_commits_it_is_still_said_how_many_rows_came(
    interrupted: Operation, sample: Sample, recorded: Any
) -> None:
    """With a connection for each role the rows can be in and their step not yet done."""
    Operation.objects.filter(pk=interrupted.pk).update(done=0, result={})

    tenant = import_archive(sample.path).tenant

    [event] = recorded(tenant, "tenant.imported")
    with archive_at(sample.path) as archive:
        assert event.details["rows"] == archive.manifest.rows > 0


def test_importing_again_carries_on(interrupted: Operation, sample: Sample) -> None:
    assert import_archive(sample.path).tenant.is_active

    interrupted.refresh_from_db()
    assert (interrupted.state, interrupted.attempt) == ("finished", 2)


def test_cancelling_leaves_nothing(interrupted: Operation, sample: Sample) -> None:
    operations.cancel(interrupted)

    assert nothing_was_made(sample)
    assert import_archive(sample.path).tenant.is_active


@pytest.mark.parametrize("state", ["active", "suspended"])
def test_an_import_that_is_left_touches_no_tenant_that_people_live_in(
    interrupted: Operation, state: str
) -> None:
    tenant = Tenant.objects.get(slug=SLUG)
    Tenant.objects.filter(pk=tenant.pk).update(state=state)

    for act in (operations.cancel, operations.carry_on):
        with pytest.raises(Conflict, match="made otherwise meanwhile"):
            act(operations.operation_with(interrupted.pk))  # type: ignore[operator]

    tenant.refresh_from_db()
    assert tenant.state == state
    with enter_unserved(tenant):
        assert CustomUser.objects.exists()


# The command line


def test_places_where_no_file_can_be_are_refused(acme: Tenant, tmp_path: Path, run: Run) -> None:
    path = str(tmp_path / "acme.tenant")
    assert run("import", path).status == 3
    (tmp_path / "acme.tenant").write_bytes(b"PK")
    assert run("export", "acme", path).status == 4
    assert run("export", "acme", str(tmp_path)).status == 2
    assert run("export", "acme", str(tmp_path / "no" / "where")).status == 2
    assert run("import", path).status == 2
    assert run("import", str(tmp_path)).status == 2


@pytest.fixture
def no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """The directory for temporary files is full."""
    monkeypatch.setattr(tempfile, "TemporaryFile", partial(Path("/dev/full").open, "w+b"))


@pytest.mark.usefixtures("no_room")
def test_an_export_into_a_pipe_says_which_directory_is_full(lab: Tenant) -> None:
    with pytest.raises(TenantryError, match="temporary files has no room") as raised:
        export(lab, None)

    assert "No space left on device" in raised.value.message
    assert "TMPDIR" in raised.value.hint


@pytest.mark.usefixtures("no_room")
@pytest.mark.parametrize("given", ["PK", "PK" * (1 << 20)], ids=["little", "much"])
def test_an_import_from_a_pipe_says_which_directory_is_full(run: Run, given: str) -> None:
    ran = run("import", "-", stdin=given)

    assert ran.status == 1
    assert "temporary files has no room for this: No space left on device" in ran.stderr
    assert "TMPDIR" in ran.stderr


def test_a_rehearsal_verifies_and_makes_nothing(db: None, sample: Sample, run: Run) -> None:
    ran = run("import", str(sample.path), "--dry-run", "--json")

    assert ran.status == 0
    assert ran.document["slug"] == SLUG
    assert nothing_was_made(sample)


def test_import_says_what_it_made(db: None, sample: Sample, run: Run) -> None:
    ran = run("import", str(sample.path), "--slug", "initrode", "--json")

    assert ran.status == 0
    assert ran.document["tenant"]["slug"] == "initrode"
    assert ran.document["domains_to_verify"] == ["initech.example"]


def test_an_import_says_which_key_of_the_record_is_not_known_here(
    db: None, sample: Sample, run: Run, settings: Any
) -> None:
    old = keys.signer()
    settings.TENANTRY_SEAL_KEY = keys.new_signer("new.example").private_text()
    settings.TENANTRY_SEAL_KEYS = (keys.new_signer("older.example").vkey,)

    ran = run("import", str(sample.path), "--json")

    [said] = ran.document["to_do"]
    begins = f"{old.name}+{old.key_id.hex()}"
    assert "/.well-known/tenantry/keys" in said
    line = f"TENANTRY_SEAL_KEYS={settings.TENANTRY_SEAL_KEYS[0]},{begins}+…"
    assert said.endswith(line)
    with enter_tenant(Tenant.objects.get(slug=SLUG)):
        wrong = verify().wrong
        assert wrong is not None
        assert wrong.kind == "missing key"
        # What the line says, with the vkey in place of the dots.
        assert old.vkey.startswith(f"{begins}+")
        settings.TENANTRY_SEAL_KEYS = (*settings.TENANTRY_SEAL_KEYS, old.vkey)
        assert verify().wrong is None
        assert signers.remaining() == []


def test_the_key_is_said_on_a_terminal_too(
    db: None, sample: Sample, run: Run, settings: Any
) -> None:
    old = keys.signer()
    settings.TENANTRY_SEAL_KEY = keys.new_signer("new.example").private_text()

    ran = run("import", str(sample.path))

    assert f"TENANTRY_SEAL_KEYS={old.name}+{old.key_id.hex()}+…" in ran.stdout


def test_an_import_where_the_key_is_known_leaves_nothing_to_do(
    db: None, sample: Sample, run: Run
) -> None:
    assert run("import", str(sample.path), "--json").document["to_do"] == []


def test_the_version_that_archives_name_is_the_projects() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())

    assert project["project"]["version"] == archive_format.PRODUCT_VERSION


def test_any_zip_tool_reads_it(sample: Sample) -> None:
    with zipfile.ZipFile(sample.path) as archive:
        assert archive.testzip() is None
        manifest = json.loads(archive.read("manifest.json"))
    people = table_of(manifest, "accounts_customuser")
    assert people["rows"] == 31
