"""The entry point of web servers."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.development")

application = get_wsgi_application()

from config.checks import refuse_unsafe_start  # noqa: E402 (needs the settings)
from config.servers import join_if_embedded  # noqa: E402

refuse_unsafe_start()
join_if_embedded()
