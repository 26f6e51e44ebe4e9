"""The entry point of gunicorn; which application it is, the settings say."""

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler

django.setup()
# Apps refuse to start without some middleware that is not to be measured, so it is left out after
# their start.
settings.MIDDLEWARE = getattr(settings, "BENCHMARK_MIDDLEWARE", settings.MIDDLEWARE)

application = WSGIHandler()
