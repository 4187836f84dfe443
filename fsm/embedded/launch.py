"""Become a PostgreSQL program that lives no longer than its parent. `identity.py` runs this script.

PostgreSQL refuses to run as root, and a server whose parent was killed would live on. Both are
settled here, between fork and exec, in a fresh single-threaded process: a process with threads may
not enter a user namespace, and code that runs in a fork of a threaded program can deadlock.

    python -I -S launch.py IDENTITY PARENT PROGRAM [ARGUMENT…]

IDENTITY is `self`; `namespace:UID:GID`, which gives root an ordinary number inside a user
namespace while files stay root's outside; or `user:UID:GID`, which drops root's rights. PARENT is
the process to follow, 0 for none. The exit code is 71 (EX_OSERR) when that cannot be had.

Standard library only, nothing of ours: it starts in some 20 ms.
"""

import ctypes
import os
import signal
import sys

CANNOT_BECOME = 71
_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1


def become(identity: str) -> None:
    """Take `identity` (see the module), or raise `OSError`."""
    kind, *numbers = identity.split(":")
    if kind == "self":
        return
    uid, gid = map(int, numbers)
    if kind == "namespace":
        _enter_user_namespace(uid, gid)
    else:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)


def follow(parent: int) -> None:
    """Ask the kernel for SIGINT, PostgreSQL's clean and fast shutdown, when the parent thread ends.

    To be called after `become`, because a change of identity forgets the request. Exec keeps it.
    """
    _system_call("prctl", _PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
    if os.getppid() != parent:  # it ended before we asked
        sys.exit(CANNOT_BECOME)


def _enter_user_namespace(uid: int, gid: int) -> None:
    outside_uid, outside_gid = os.geteuid(), os.getegid()
    _system_call("unshare", _CLONE_NEWUSER)
    # Without giving up setgroups() first, the kernel may refuse the map of groups.
    for name, line in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {outside_uid} 1"),
        ("gid_map", f"{gid} {outside_gid} 1"),
    ):
        file = os.open(f"/proc/self/{name}", os.O_WRONLY)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)


def _system_call(name: str, *arguments: int) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def main() -> None:
    """Take the identity, follow the parent, become the program."""
    identity, parent, program, *arguments = sys.argv[1:]
    try:
        become(identity)
        if int(parent):
            follow(int(parent))
        os.execv(program, [program, *arguments])  # noqa: S606 (no shell, on purpose)
    except OSError as error:
        sys.stderr.write(f"error: {program} cannot run as {identity}: {error}\n")
        sys.exit(CANNOT_BECOME)


if __name__ == "__main__":
    main()
