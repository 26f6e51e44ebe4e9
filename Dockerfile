# The production image: web server, worker, timetable and management commands are one image with
# different commands. Nothing in it is secret, and nothing in it can be changed by the process.

FROM python:3.11-slim-trixie AS base
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /app


FROM base AS builder
# Before the code, so that a change of the code installs nothing again. Wheels only: no compiler in
# the image, and no code of a package runs while it is installed.
COPY requirements/production.txt requirements/
RUN python -m venv /opt/venv && \
    pip install --no-cache-dir --disable-pip-version-check --only-binary=:all: --require-hashes \
        -r requirements/production.txt
# The first goes into bundles of the record.
COPY verify_record.py manage.py ./
COPY config config
COPY tenants tenants
COPY activity activity
COPY accounts accounts
# Compiled here, because the running process cannot write; named here only, so that no setting of
# the build is one of the image. Collecting static files needs no secret and no server.
RUN python -m compileall -q config tenants activity accounts && \
    DJANGO_SETTINGS_MODULE=config.settings.production python manage.py collectstatic --noinput


FROM base
RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin tenantry && \
    install -d -o 10001 -g 10001 -m 700 /var/lib/tenantry/exports
COPY --from=builder /opt/venv /opt/venv
# Owned by root: the process reads its code and cannot change it.
COPY --from=builder /app /app
ENV DJANGO_SETTINGS_MODULE=config.settings.production
# A number, so that an orchestrator can see that it is not root.
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client, sys; c = http.client.HTTPConnection('127.0.0.1', 8000, timeout=4); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]
# As many workers as WEB_CONCURRENCY says, which gunicorn reads itself. --preload refuses unsafe
# settings once, before anything listens. Each of a worker's threads has a PostgreSQL connection of
# its own. --max-requests replaces workers, and with them the PostgreSQL backends that remember
# every tenant they have visited; the jitter keeps the workers from leaving at the same moment. A
# request line may be as long as gunicorn can read, so that a search that is too long is refused by
# us and with a sentence. No access log: the application logs one line for each request.
CMD ["gunicorn", "config.wsgi:application", \
     "--bind=0.0.0.0:8000", \
     "--worker-class=gthread", \
     "--threads=4", \
     "--preload", \
     "--max-requests=1000", \
     "--max-requests-jitter=200", \
     "--timeout=60", \
     "--graceful-timeout=30", \
     "--limit-request-line=8190", \
     "--worker-tmp-dir=/dev/shm", \
     "--no-control-socket", \
     "--log-level=warning"]
