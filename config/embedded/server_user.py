"""Whom the servers run as.

PostgreSQL refuses to run as root, so root's servers run as `nobody`. When that user cannot get
to the checkout, the environment or the data directory (below /root, say), the servers keep one
capability of root: the one to pass directories without being asked for permission.
"""

import ctypes
import os
import pwd
import stat
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from config.embedded.errors import EmbeddedError

_CAP_DAC_OVERRIDE = 1
_PR_SET_SECUREBITS = 28
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True)
class ServerUser:
    """The user a server runs as; `passes_walls` when it keeps root's right to pass directories."""

    uid: int
    gid: int
    passes_walls: bool = False

    def become(self) -> None:
        """Turn this process into the user. Call it in a child between fork and exec."""
        if os.geteuid() == self.uid:
            return
        if self.passes_walls:
            # Without this bit access(2) ignores capabilities for anybody but root, and initdb
            # asks access(2) whether it may use the programs beside it.
            _prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP)
        os.setgroups([])
        os.setgid(self.gid)
        os.setuid(self.uid)
        if self.passes_walls:
            _keep_only(_CAP_DAC_OVERRIDE)


def server_user(needed: Iterable[Path]) -> ServerUser:
    """Return the user to run servers as, who can get to all the `needed` paths.

    Raises EmbeddedError when root starts them and `nobody` cannot get there by any means.
    """
    if os.geteuid() != 0:
        return ServerUser(os.geteuid(), os.getegid())
    try:
        nobody = pwd.getpwnam("nobody")
        uid, gid = nobody.pw_uid, nobody.pw_gid
    except KeyError:
        uid = gid = 65534
    wall = next((wall for path in needed if (wall := _wall(path))), None)
    if wall and not _may_keep(_CAP_DAC_OVERRIDE):
        raise EmbeddedError(
            f"PostgreSQL refuses to run as root, and user nobody cannot get through {wall}.",
            f"Run as an ordinary user, or allow it: chmod o+rx '{wall}'",
        )
    return ServerUser(uid, gid, passes_walls=wall is not None)


def _wall(path: Path) -> Path | None:
    """Return what keeps strangers from `path`: the outermost directory above it, or itself."""
    path = path.resolve()
    for directory in reversed(path.parents):
        if not directory.stat().st_mode & stat.S_IXOTH:
            return directory
    wanted = stat.S_IXOTH if path.is_dir() else stat.S_IROTH | stat.S_IXOTH
    return path if path.stat().st_mode & wanted != wanted else None


def _may_keep(capability: int) -> bool:
    if _libc is None:
        return False
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapPrm:"):
            return bool(int(line.split()[1], 16) >> capability & 1)
    return False


def _keep_only(capability: int) -> None:
    """Drop every capability but one, and keep that one across exec."""
    mask = 1 << capability
    # struct __user_cap_header_struct, then two __user_cap_data_struct: effective, permitted,
    # inheritable for capabilities 0-31 and again for 32-63.
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
    if _libc is None or _libc.capset(header, sets) != 0:
        raise OSError(ctypes.get_errno(), "capset")
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability)


def _prctl(option: int, *arguments: int) -> None:
    words = [ctypes.c_ulong(word) for word in (*arguments, 0, 0, 0, 0)[:4]]
    if _libc is None or _libc.prctl(option, *words) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
