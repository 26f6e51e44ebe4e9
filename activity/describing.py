"""What is said of an action in the catalogue, and how a flood of it is folded."""

from dataclasses import dataclass, field
from typing import Final

from activity.schemas import Schema


@dataclass(frozen=True, slots=True)
class Folding:
    """How a flood of one action becomes few events: see ``activity.floods``.

    ``singles`` events of one kind are written as they come; what follows until ``seconds`` after
    the first is counted, and becomes one event. Of a kind is what the same person did, or was done
    to the same object where nobody is known, from one network; ``apart`` names fields of
    ``details``, or ``target``, that have to be equal too.
    """

    singles: int
    seconds: int
    apart: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Description:
    """What an action means, in a sentence or two, and the fields of its events."""

    meaning: str
    details: dict[str, Schema] = field(default_factory=dict)
    changes: dict[str, Schema] = field(default_factory=dict)
    folding: Folding | None = None


FLOOD: Final = Folding(singles=5, seconds=60)
VIEWS: Final = Folding(singles=1, seconds=900)
VIEWS_APART: Final = Folding(singles=1, seconds=900, apart=("target",))
