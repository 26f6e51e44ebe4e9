"""How a customer proves that a domain is theirs.

They publish a value that only we know beforehand, at a place that only whoever controls the domain
can write to: a TXT record below it, or a file on its web server. Why in these forms, and why our
own web does not answer for them: ``docs/adr/0021-a-domain-is-proven-before-it-is-served.md``.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final, Protocol

from tenants.errors import TenantryError
from tenants.names import shown

LABEL: Final = "_tenantry-challenge"
PATH: Final = "/.well-known/tenantry-challenge"
_MOST_SHOWN: Final = 3
"""So many of the records that were found instead are named in the refusal."""


class By(StrEnum):
    """Where a proof is looked for."""

    DNS = "dns"
    HTTP = "http"


class Unproven(TenantryError):
    """What was found is no proof: something else, or something that cannot be accepted."""

    code: ClassVar[str] = "unproven"


class NotPublished(Unproven):
    """There is nothing at the place of the proof."""


class Unreachable(TenantryError):
    """Nobody answered, so nothing is known. Trying again may help."""

    code: ClassVar[str] = "unreachable"
    http_status: ClassVar[int] = 502


class Resolver(Protocol):
    """What is asked for proofs, outside this house."""

    def txt(self, name: str) -> list[str]:
        """Return the TXT records at a name, the strings of each joined.

        Raises ``NotPublished`` when there is none and ``Unreachable`` when DNS does not say.
        """

    def file(self, host: str, path: str) -> str:
        """Return what ``http://<host><path>`` holds.

        Raises ``NotPublished`` when there is nothing, ``Unproven`` for an answer that is not
        accepted, and ``Unreachable`` when nobody answers.
        """


@dataclass(frozen=True)
class Proof:
    """What has to be published for one claim."""

    host: str
    challenge: str

    @property
    def value(self) -> str:
        """The content of the record, or of the file."""
        return f"tenantry-verification={self.challenge}"

    @property
    def record(self) -> str:
        """The name of the TXT record."""
        return f"{LABEL}.{self.host}"

    @property
    def url(self) -> str:
        """The address of the file."""
        return f"http://{self.host}{PATH}"

    def look_for(self, by: By, resolver: Resolver) -> None:
        """Return when the proof is published; raises ``Unproven`` or ``Unreachable``."""
        if by == By.DNS:
            found, place = resolver.txt(self.record), self.record
        else:
            found, place = [resolver.file(self.host, PATH)], self.url
        if self.value in (text.strip() for text in found):
            return
        others = ", ".join(f'"{shown(text)}"' for text in found[:_MOST_SHOWN])
        more = len(found) - _MOST_SHOWN
        raise Unproven(
            f"{place} holds {others}{f' and {more} more' if more > 0 else ''}, not the proof.",
            f'Publish "{self.value}" there and try again.',
        )
