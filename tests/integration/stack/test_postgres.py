"""A real PostgreSQL through crashes, strange pid files and unreachable folders."""

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from tenure.stack import postgres_home
from tenure.stack.errors import DataFolderBusyError, ProcessFailedError, StackError
from tenure.stack.postgres import EmbeddedPostgres
from tenure.stack.postgres_home import can_reach, find_home
from tenure.stack.process_facts import descendants
from tenure.stack.processes import User

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that the server's user may enter; pytest keeps its own for us alone."""
    with tempfile.TemporaryDirectory(prefix="tenure-test-") as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path


@pytest.fixture
def server(open_folder: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(open_folder / "pg", durable=False)
    yield server
    server.stop()


def a_database_with_a_row(server: EmbeddedPostgres) -> None:
    server.start()
    server.create_database("tenure")
    server.psql(
        "CREATE TABLE moons (name text); INSERT INTO moons VALUES ('Io')", database="tenure"
    )


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(") ")[2][0]


def moons(server: EmbeddedPostgres) -> str:
    return server.psql("SELECT name FROM moons", database="tenure").strip()


async def test_clients_connect_with_the_url_and_a_wrong_password_is_refused(
    server: EmbeddedPostgres,
) -> None:
    server.start()
    server.create_database("tenure")
    connection = await asyncpg.connect(server.url())
    assert await connection.fetchval("SHOW max_connections") == "200"
    assert await connection.fetchval("SHOW synchronous_commit") == "on"
    await connection.close()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(server.url(user="postgres", password="guess"))


def test_text_sorts_by_code_point_and_knows_unicode(server: EmbeddedPostgres) -> None:
    server.start()
    answer = server.psql(
        "SELECT lower('ÄÖ') || string_agg(x, '' ORDER BY x) FROM unnest('{a,B}'::text[]) x"
    )
    assert answer.strip() == "äöBa"


def test_a_database_is_created_once_whatever_its_name(server: EmbeddedPostgres) -> None:
    server.start()
    for _ in range(2):
        server.create_database('odd "name"; --')
    assert server.psql("SELECT count(*) FROM pg_database WHERE datname LIKE 'odd%'").strip() == "1"


def test_a_restart_keeps_data_port_and_password(server: EmbeddedPostgres) -> None:
    a_database_with_a_row(server)
    before = server.url()
    server.stop()
    again = EmbeddedPostgres(server.data_dir, durable=False)
    again.start()
    try:
        assert again.url() == before
        assert moons(again) == "Io"
    finally:
        again.stop()


def test_a_killed_server_recovers(server: EmbeddedPostgres) -> None:
    a_database_with_a_row(server)
    server.kill()
    assert (server.data_dir / "cluster" / "postmaster.pid").exists()
    server.start()
    assert moons(server) == "Io"


def test_a_pid_file_that_names_a_stranger_does_not_stop_a_start(server: EmbeddedPostgres) -> None:
    a_database_with_a_row(server)
    server.kill()
    pid_file = server.data_dir / "cluster" / "postmaster.pid"
    lines = pid_file.read_text(encoding="ascii").splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]), encoding="ascii")
    server.start()
    assert moons(server) == "Io"


def test_a_paused_server_comes_back(server: EmbeddedPostgres) -> None:
    a_database_with_a_row(server)
    server.process.pause()
    family = [server.process.pid, *descendants(server.process.pid)]
    states = {state_of(pid) for pid in family}
    assert states <= {"T", "Z"}  # a session that just ended waits for its paused parent
    server.process.resume()
    assert moons(server) == "Io"


@pytest.mark.parametrize("paused", [False, True])
def test_a_killed_supervisor_does_not_stop_its_successor(
    server: EmbeddedPostgres, *, paused: bool
) -> None:
    a_database_with_a_row(server)
    server.stop()
    script = f"""
import pathlib, threading
from tenure.stack.postgres import EmbeddedPostgres
server = EmbeddedPostgres(pathlib.Path({str(server.data_dir)!r}), durable=False)
server.start()
if {paused}:
    server.process.pause()
print(server.process.pid, flush=True)
threading.Event().wait()
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as supervisor:  # noqa: S603 - our own script
        assert supervisor.stdout is not None
        supervisor.stdout.readline()
        with pytest.raises(DataFolderBusyError):
            server.start()
        supervisor.kill()
    server.start()
    assert moons(server) == "Io"


def test_secrets_are_for_the_owner_only(server: EmbeddedPostgres) -> None:
    server.start()
    mode = (server.data_dir / "superuser.password").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    assert stat.S_IMODE((server.data_dir / "cluster").stat().st_mode) == 0o700


def test_what_the_server_says_is_quoted(server: EmbeddedPostgres) -> None:
    server.start()
    with pytest.raises(ProcessFailedError, match='relation "nowhere" does not exist'):
        server.psql("SELECT * FROM nowhere")


def test_there_is_no_url_before_the_first_start(tmp_path: Path) -> None:
    with pytest.raises(ProcessFailedError, match="never started"):
        EmbeddedPostgres(tmp_path / "pg").url()


@as_root
def test_root_with_everything_in_a_private_home_still_gets_a_server(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_home, "_SHARED_FOLDER", open_folder / "shared")
    (open_folder / "home").mkdir(mode=0o700)
    server = EmbeddedPostgres(open_folder / "home" / "pg", durable=False)
    a_database_with_a_row(server)
    server.stop()
    assert (server.data_dir / "cluster").resolve().parent == open_folder / "shared"
    server.start()
    assert moons(server) == "Io"
    server.stop()


@as_root
def test_a_cluster_that_became_unreachable_is_not_replaced(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop()
    server.data_dir.parent.chmod(0o700)
    with pytest.raises(StackError, match="may no longer enter"):
        server.start()


@as_root
def test_binaries_that_cannot_be_reached_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_home, "_SHARED_FOLDER", tmp_path / "shared")
    monkeypatch.setattr(postgres_home, "can_reach", lambda path, _user: path.name != "postgres")
    (tmp_path / "pg").mkdir()
    home = find_home(tmp_path / "pg")
    assert home == find_home(tmp_path / "pg")
    assert home.binaries.is_relative_to(tmp_path / "shared")
    version = subprocess.run([home.binaries / "psql", "--version"], check=True, capture_output=True)  # noqa: S603 - our own copy
    assert b"18." in version.stdout


def test_a_private_folder_cannot_be_reached_by_others(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    assert not can_reach(tmp_path / ".", User(65534, 65534))
