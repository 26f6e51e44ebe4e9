"""Exports in the background, from a terminal."""

import json

import pytest
from django.core.management import CommandError, call_command

from activity.jobs import running
from activity.models import ExportJob
from tenants.context import enter_tenant
from tests.exports import exports_of_its_own as exports_of_its_own
from tests.exports import files, made

pytestmark = pytest.mark.usefixtures("exports_of_its_own")


def activity(*words):
    call_command("activity", *words)


def test_one_is_asked_for_listed_and_fetched(acme, capsys, tmp_path):
    activity("export", "--tenant", "acme", "--search", "action:user.*", "--background", "--json")
    said = json.loads(capsys.readouterr().out)
    assert (said["state"], said["filters"]) == ("waiting", {"q": "action:user.*"})
    with enter_tenant(acme):
        running.run(said["id"])
    activity("exports", "list", "--tenant", "acme")
    assert said["id"] in capsys.readouterr().out
    path = tmp_path / "a.csv"
    activity("exports", "fetch", said["id"], "--tenant", "acme", "--output", str(path), "--json")
    fetched = json.loads(capsys.readouterr().out)
    assert path.stat().st_size == fetched["bytes"]
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(CommandError, match="exists"):
        activity("exports", "fetch", said["id"], "--tenant", "acme", "--output", str(path))


def test_a_report_comes_in_the_background_too(acme, capsys):
    activity("export", "--tenant", "acme", "--report", "sign-ins", "--background")
    assert "is waiting" in capsys.readouterr().out
    with enter_tenant(acme):
        job = ExportJob.objects.get()
        assert job.source == "sign-ins"
        assert running.run(str(job.pk)) == "ready"


def test_one_is_cancelled_and_a_file_deleted_and_the_second_time_nothing(
    acme, ann, capsys, exports_of_its_own
):
    ready = made(acme, ann)
    activity("export", "--tenant", "acme", "--background", "--json")
    waiting = json.loads(capsys.readouterr().out)["id"]
    activity("exports", "cancel", waiting, "--tenant", "acme")
    activity("exports", "cancel", waiting, "--tenant", "acme")
    activity("exports", "cancel", str(ready.pk), "--tenant", "acme")
    assert capsys.readouterr().out.splitlines() == [
        f"{waiting} is now cancelled",
        f"{waiting} is already cancelled",
        f"{ready.pk} is now expired",
    ]
    assert files(exports_of_its_own) == []


def test_what_a_person_asked_for_is_not_fetched_by_a_command(acme, ann, tmp_path):
    job = made(acme, ann)
    with pytest.raises(CommandError, match="a person asked"):
        activity(
            "exports", "fetch", str(job.pk), "--tenant", "acme", "--output", str(tmp_path / "a")
        )
    assert not (tmp_path / "a").exists()


def test_another_tenants_export_is_not_there(acme, globex, ann, tmp_path):
    job = made(acme, ann)
    for words in (["cancel", str(job.pk)], ["fetch", str(job.pk), "--output", str(tmp_path / "a")]):
        with pytest.raises(CommandError, match="there is no export"):
            activity("exports", *words, "--tenant", "globex")


def test_options_that_exclude_each_other_are_refused(acme, tmp_path):
    with pytest.raises(CommandError, match="--background writes no file"):
        activity("export", "--tenant", "acme", "--background", "--output", str(tmp_path / "a.csv"))
