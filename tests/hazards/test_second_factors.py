"""Two at once, and the way to another server: what a second factor must bear."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from django.db import connection

from accounts import factor_codes, second_factors
from accounts.factor_guesses import GUESSES
from accounts.models import CustomUser
from accounts.second_factors import Verdict
from tenants.archive.loading import import_archive
from tenants.archive.writing import export
from tenants.context import enter_tenant
from tenants.models import Tenant
from tests.conftest import PASSWORD, remove_without_trace

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
AT_ONCE = 8


@pytest.fixture
def gus(lab: Tenant) -> CustomUser:
    """Somebody of a tenant in which everything is committed."""
    with enter_tenant(lab):
        return CustomUser.objects.create_user("gus", "gus@lab.example", PASSWORD)


def code_of(drift: int = 0) -> str:
    return factor_codes.code_at(SECRET, int(time.time()) // factor_codes.STEP_SECONDS + drift)


def switched_on(tenant: Tenant, person: CustomUser) -> list[str]:
    with enter_tenant(tenant):
        return second_factors.switch_on(person, SECRET, code_of(-1))


def together(tenant: Tenant, person: CustomUser, codes: list[str]) -> list[Verdict]:
    """What becomes of codes that are given at the same moment, each in a process of its own."""
    start = Barrier(len(codes))

    def give(code: str) -> Verdict:
        try:
            with enter_tenant(tenant):
                start.wait(timeout=30)
                return second_factors.check(person, code, at="sign-in")
        finally:
            connection.close()

    with ThreadPoolExecutor(len(codes)) as pool:
        return list(pool.map(give, codes))


def test_of_many_who_give_one_code_at_once_one_passes(lab: Tenant, gus: CustomUser) -> None:
    codes = switched_on(lab, gus)
    assert together(lab, gus, [code_of(1)] * AT_ONCE).count(Verdict.PASSED) == 1
    assert together(lab, gus, [codes[0]] * AT_ONCE).count(Verdict.PASSED) == 1


def test_guessing_in_parallel_gains_no_guess(lab: Tenant, gus: CustomUser) -> None:
    switched_on(lab, gus)
    found = [one for _ in range(3) for one in together(lab, gus, ["000000"] * AT_ONCE)]
    assert found.count(Verdict.WRONG) == GUESSES
    assert found.count(Verdict.TOO_MANY) == 3 * AT_ONCE - GUESSES


def test_it_travels_with_its_tenant(lab: Tenant, gus: CustomUser, tmp_path: Path) -> None:
    codes = switched_on(lab, gus)
    path = tmp_path / "lab.tenant"
    export(lab, path)
    assert SECRET.encode() not in path.read_bytes()
    remove_without_trace(lab)
    tenant = import_archive(path).tenant
    try:
        with enter_tenant(tenant):
            moved = CustomUser.objects.get(username="gus")
            assert second_factors.check(moved, code_of(1), at="sign-in") is Verdict.PASSED
            assert second_factors.check(moved, codes[0], at="sign-in") is Verdict.PASSED
    finally:
        remove_without_trace(tenant)
