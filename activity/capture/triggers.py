"""The triggers of recorded tables, as django-pgtrigger keeps them in migrations."""

from typing import Final

import pgtrigger
from django.apps import apps
from django.db import models

from activity.capture.functions import VARIABLES, link_function, row_function
from activity.subjects import Declaration, Link, declare, declare_link
from tenants.backend import telling
from tenants.triggers import PinnedTrigger


class CaptureTrigger(PinnedTrigger):
    """Records every row that a statement adds, changes or takes away.

    Generated from the declarations as they are now. A migration keeps what it was then.
    """

    name = "capture"
    when = pgtrigger.After
    operation = pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete

    def get_declare(self, model: type[models.Model]) -> list[tuple[str, str]]:
        """Return the variables of the function."""
        return VARIABLES

    def get_func(self, model: type[models.Model]) -> str:
        """Return what the function does."""
        # The models of migrations know nothing of history.
        return row_function(apps.get_model(model._meta.label))


class LinkTrigger(CaptureTrigger):
    """Records the rows between two models as changes of one of them."""

    def get_func(self, model: type[models.Model]) -> str:
        """Return what the function does."""
        return link_function(apps.get_model(model._meta.label))


class UntoldTrigger(CaptureTrigger):
    """Records what the application did not tell of itself, in words that a row does not have."""

    def is_told(self) -> str:
        """Return the SQL condition under which an event says so already."""
        raise NotImplementedError

    def get_func(self, model: type[models.Model]) -> str:
        """Return what the function does."""
        return f"IF {self.is_told()} THEN RETURN NULL; END IF;\n{super().get_func(model)}"


KEEP: Final = PinnedTrigger(
    name="capture_all",
    operation=pgtrigger.Truncate,
    level=pgtrigger.Statement,
    when=pgtrigger.Before,
    func="RAISE EXCEPTION 'the table is recorded row by row: use DELETE';",
)
"""TRUNCATE takes rows away without telling of one."""


def record_model(model: type[models.Model], declaration: Declaration) -> None:
    """Declare a model and have its table recorded; ``makemigrations`` then writes the triggers."""
    declare(model, declaration)
    install(model, CaptureTrigger())


def record_link(model: type[models.Model], link: Link) -> None:
    """Declare the model of the rows between two others, and have them recorded.

    ``model`` is a proxy of the one that Django makes for a many-to-many field, which migrations
    know nothing of.
    """
    declare_link(model, link)
    install(model, LinkTrigger())


def install(model: type[models.Model], trigger: CaptureTrigger) -> None:
    """Have a declared model recorded by a trigger."""
    trigger.register(model)
    KEEP.register(model)
    telling.recorded.add(model._meta.db_table)
