"""Start-up of the application: there is none."""

from django.apps import AppConfig


class StockConfig(AppConfig):
    """A tenant and its domain."""

    name = "benchmarks.stock"
    label = "stock"
    default_auto_field = "django.db.models.BigAutoField"
