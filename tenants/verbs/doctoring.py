"""``tenant doctor``: whether every schema is what this release makes."""

import argparse
import sys
from typing import Any

from tenants import doctor
from tenants.commandline import Output, Verb
from tenants.directory import tenant_called
from tenants.doctor import Examination
from tenants.findings import Finding

_READ_AT_ONCE = 200
"""After so many tenants the connection is renewed: it caches something of each."""


class Doctor(Verb):
    """Compare schemas with the blueprint, and look for what nobody owns."""

    name = "doctor"
    help = "Compare tenants' schemas with what this release makes; repair what can be repaired."
    examples = ("tenant doctor", "tenant doctor acme --fix", "tenant doctor --json")

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare whom to look at, and whether to repair."""
        parser.add_argument("slugs", nargs="*", metavar="SLUG", help="default: all")
        parser.add_argument(
            "--fix", action="store_true", help="repair what can be without losing anything"
        )

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Examine, and exit with 1 when something is left wrong."""
        slugs = dict.fromkeys(options.slugs)
        tenants = [tenant_called(slug) for slug in slugs] if slugs else doctor.patients()
        examinations: list[Examination] = []
        with output.progress("building the model") as progress:
            wanted = doctor.expected()
            for number, tenant in enumerate(tenants):
                progress(tenant.slug, number, len(tenants))
                examinations.append(doctor.examine(tenant, wanted, fix=options.fix))
                if number % _READ_AT_ONCE == _READ_AT_ONCE - 1:
                    doctor.let_go()
            if not slugs:
                progress("platform", len(tenants), len(tenants))
                examinations.append(doctor.examine_platform(wanted, fix=options.fix))
        left = [finding for one in examinations for finding in one.left]
        repaired = [finding for one in examinations for finding in one.repaired]
        self._answer(left, repaired, len(tenants), output)
        if left:
            sys.exit(1)

    def _answer(
        self, left: list[Finding], repaired: list[Finding], examined: int, output: Output
    ) -> None:
        if output.as_json:
            output.document(
                {
                    "healthy": not left,
                    "examined": examined,
                    "findings": [_described(one) for one in left],
                    "repaired": [_described(one) for one in repaired],
                }
            )
            return
        for one in repaired:
            output.say(f"repaired  {_whose(one)}: {one.sentence}")
        for one in left:
            output.say(f"found     {_whose(one)}: {one.sentence} [{one.code}]")
        number = f"{examined} tenants" if examined != 1 else "1 tenant"
        if not left:
            output.say(f"{number} examined: all is as it should be.")
            return
        repairable = sum(one.is_repairable for one in left)
        advice = f", {repairable} of them can be repaired: --fix" if repairable else ""
        output.say(f"{number} examined: {len(left)} left to look at{advice}.")


def _whose(finding: Finding) -> str:
    return finding.slug or "platform"


def _described(finding: Finding) -> dict[str, Any]:
    return {
        "tenant": finding.slug or None,
        "code": finding.code,
        "finding": finding.sentence,
        "repairable": finding.is_repairable,
    }
