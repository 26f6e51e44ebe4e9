"""What a figure depends on besides the code: the machine, and who else was using it."""

import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("Django", "django-tenants", "psycopg2-binary", "gunicorn")
_STAT = Path("/proc/stat")


def describe(*, postgresql: str) -> dict[str, str]:
    """Return the machine and the versions, by name."""
    return {
        "CPU": _first_value(Path("/proc/cpuinfo"), "model name") or platform.machine(),
        "cores": str(os.cpu_count()),
        "memory": _memory(),
        "kernel": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "PostgreSQL": postgresql,
        **{package: version(package) for package in _PACKAGES},
    }


def _first_value(path: Path, key: str) -> str:
    if not path.exists():
        return ""
    lines = path.read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")


def _memory() -> str:
    size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{size / 2**30:.0f} GiB"


def private_bytes(pid: int) -> int:
    """Return the memory that a process shares with no other; 0 where the kernel does not say."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    private = (line.split() for line in lines if line.startswith("Private_"))
    return 1024 * sum(int(words[1]) for words in private)


def peak_bytes(pid: int) -> int:
    """Return the most memory that a process has ever held; 0 where the kernel does not say."""
    text = _first_value(Path(f"/proc/{pid}/status"), "VmHWM")
    return 1024 * int(text.split()[0]) if text else 0


@dataclass(frozen=True, slots=True)
class CpuTime:
    """Clock ticks since the machine started: of all CPUs, of those the busy ones, and ours."""

    total: int
    busy: int
    own: int


def cpu_time(roots: Iterable[int]) -> CpuTime | None:
    """Return how the CPUs have spent their time; ``roots`` and what they started is ours.

    ``None`` where the system does not tell, which is anywhere but on Linux.
    """
    if not _STAT.exists():
        return None
    # user nice system idle iowait irq softirq steal; guests are counted in user already.
    numbers = [int(word) for word in _STAT.read_text().split("\n", 1)[0].split()[1:9]]
    total = sum(numbers)
    return CpuTime(total=total, busy=total - numbers[3] - numbers[4], own=_ticks_of(set(roots)))


def own_seconds(before: CpuTime | None, after: CpuTime | None) -> float | None:
    """Return how long we were on a CPU, which hardly depends on what others did."""
    if before is None or after is None:
        return None
    return (after.own - before.own) / os.sysconf("SC_CLK_TCK")


def foreign_share(before: CpuTime | None, after: CpuTime | None) -> float | None:
    """Return which share of the machine's CPU time went to others (a hypervisor too)."""
    if before is None or after is None or after.total == before.total:
        return None
    foreign = (after.busy - before.busy) - (after.own - before.own)
    return max(0.0, foreign / (after.total - before.total))


def _ticks_of(roots: set[int]) -> int:
    """Sum over the trees below ``roots``, with what their ended children have used."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name in parentheses may hold anything.
            words = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # It has ended since.
        pid = int(stat.parent.name)
        parents[pid] = int(words[1])
        ticks[pid] = sum(map(int, words[11:15]))
    ours = set(roots)
    while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= more
    return sum(ticks.get(pid, 0) for pid in ours)


def cpu_nanoseconds(pids: Iterable[int]) -> int | None:
    """Return how long these processes have been on a CPU, ``None`` where the system is silent."""
    total = 0
    for pid in pids:
        try:
            # Of every thread: the process's own file tells of its first one only.
            for task in Path(f"/proc/{pid}/task").iterdir():
                total += int((task / "schedstat").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return None
    return total
