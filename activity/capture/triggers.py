"""The triggers of recorded tables, as django-pgtrigger keeps them in migrations."""

from typing import Any

import pgtrigger
from django.apps import apps
from django.db import models
from pgtrigger import compiler

from activity.capture.functions import DECLARE, link_function, row_function
from activity.subjects import Declaration, Link, declare, declare_link
from tenants.backend import telling
from tenants.triggers import PinnedTriggerSql


class CaptureTrigger(pgtrigger.Trigger):  # type: ignore[misc]
    """Records every row that a statement adds, changes or takes away."""

    name = "capture"
    when = pgtrigger.After
    operation = pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete

    def compile(self, model: type[models.Model]) -> compiler.Trigger:
        """Return what migrations keep, generated from the declarations as they are now."""
        # A migration's own models know nothing of history.
        own: Any = apps.get_model(model._meta.label)
        return compiler.Trigger(
            name=self.name,
            sql=PinnedTriggerSql(
                pgid=self.get_pgid(own),
                declare=DECLARE,
                func=self.body(own),
                table=own._meta.db_table,
                when=self.when,
                operation=self.operation,
            ),
        )

    def body(self, model: type[models.Model]) -> str:
        """Return what the function does."""
        return row_function(model)


class LinkTrigger(CaptureTrigger):
    """Records the rows between two models as changes of one of them."""

    def body(self, model: type[models.Model]) -> str:
        """Return what the function does."""
        return link_function(model)


def record_model(model: type[models.Model], declaration: Declaration) -> None:
    """Declare a model and have its table recorded; ``makemigrations`` then writes the trigger."""
    declare(model, declaration)
    CaptureTrigger().register(model)
    telling.recorded.add(model._meta.db_table)


def record_link(model: type[models.Model], link: Link) -> None:
    """Declare the model of the rows between two others, and have them recorded.

    ``model`` is a proxy of the one that Django makes for a many-to-many field, which migrations
    know nothing of.
    """
    declare_link(model, link)
    LinkTrigger().register(model)
    telling.recorded.add(model._meta.db_table)
