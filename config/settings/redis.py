"""Redis: the cache and Celery's broker."""

from config.embedded import locate
from config.settings.environment import ENVIRONMENT

EMBEDDED_REDIS = ENVIRONMENT.REDIS_URL is None

REDIS_URL = ENVIRONMENT.REDIS_URL or locate(ENVIRONMENT.TENANTRY_DATA).redis_url

CACHES = {
    "default": {
        "BACKEND": "config.cache.TenantRedisCache",
        "LOCATION": REDIS_URL,
        # Short, because a page must not wait for a Redis that hangs.
        "OPTIONS": {"socket_connect_timeout": 0.5, "socket_timeout": 0.5},
        "KEY_FUNCTION": "config.cache.tenant_key",
    }
}
# In PostgreSQL and not also in the cache: signing out, or being signed out, while Redis does not
# answer would leave the copy, and with it the session would come back to life.
SESSION_ENGINE = "django.contrib.sessions.backends.db"

CELERY_BROKER_URL = (
    f"redis+socket{REDIS_URL.removeprefix('unix')}" if REDIS_URL.startswith("unix:") else REDIS_URL
)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Longer than the second for which a worker waits for a task; a page waits for it once more.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 3600,
    "socket_connect_timeout": 0.5,
    "socket_timeout": 2.0,
}
# Nobody reads results, and with them a .delay() would wait for Redis.
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0.2, "interval_max": 0.2}
# A task is done when it is done: a killed worker's tasks run again, and all are safe to repeat.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_MAX_TASKS_PER_CHILD = 5000
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_TIME_LIMIT = 900
CELERY_TASK_SOFT_TIME_LIMIT = 840
