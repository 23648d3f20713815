"""The first breath of every child: die with the supervisor, drop privileges, become the command.

Run as a script, `launch.py PARENT_PID DEATH_SIGNAL UID GID READY_FD COMMAND...`: none of this
happens between fork and exec of a threaded parent, where a held lock would hang the child for
ever. The process id survives exec, so the supervisor's handle is the command itself.
"""

import ctypes
import os
import sys

KEEP_USER = -1
NO_FD = -1
_PR_SET_PDEATHSIG = 1


def drop_privileges(uid: int, gid: int) -> None:
    """Become `uid` and `gid` for good; `KEEP_USER` as `uid` stays who we are."""
    if uid == KEEP_USER:
        return
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def die_with_parent(parent: int, death_signal: int) -> None:
    """Ask the kernel for `death_signal` when `parent` dies. Only Linux knows how.

    Exits at once when the parent died before we could ask.
    """
    if sys.platform != "linux":
        return
    # After the change of user: that change clears the setting.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:
        sys.exit("the supervisor is gone")


def main(arguments: list[str]) -> None:
    """Turn this process into the command; exits with 127 when there is no such command.

    The command is a path. `READY_FD` closes when the command runs, which the parent can wait for.
    """
    parent, death_signal, uid, gid, ready_fd = (int(number) for number in arguments[:5])
    command = arguments[5:]
    # From here on nothing may be imported: the new user may not reach our standard library.
    drop_privileges(uid, gid)
    die_with_parent(parent, death_signal)
    if ready_fd != NO_FD:
        os.set_inheritable(ready_fd, False)
    try:
        os.execv(command[0], command)  # noqa: S606 - a shell is what we do not want here
    except OSError as error:
        sys.stderr.write(f"cannot run {command[0]}: {error.strerror}\n")
        sys.exit(127)


if __name__ == "__main__":
    main(sys.argv[1:])
