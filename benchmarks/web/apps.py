"""Start-up of the benchmark's application: there is none."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    """One model and four views."""

    name = "benchmarks.web"
    label = "benchmark_web"
    default_auto_field = "django.db.models.BigAutoField"
