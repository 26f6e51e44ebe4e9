"""Files that are no lists of rows: a function makes them whole, of filters and a format."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from activity.exporting.making import Label, Made
from activity.jobs.asked import Asked


class DocumentFile(Made):
    """A document that ``make`` makes of filters and a format."""

    def __init__(
        self, asked: Asked, make: Callable[[dict[str, str], str], Iterable[bytes]], media_type: str
    ) -> None:
        label = Label(source=asked.source, form=asked.form, filters=asked.filters)
        super().__init__(label, media_type=media_type)
        self._asked, self._make = asked, make

    @contextmanager
    def opened(self) -> Iterator[Iterator[bytes]]:
        """Yield the pieces."""
        yield self.measured(self._make(self._asked.filters, self._asked.form))
