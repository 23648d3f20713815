"""Real children: shells and sleeps, killed and paused in every way."""

import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tenure.stack.errors import ProcessFailedError
from tenure.stack.ports import free_port, is_free
from tenure.stack.process_facts import descendants
from tenure.stack.processes import ManagedProcess, Probe, ProcessSpec, User, run_tool

SLEEPER = ["sleep", "600"]


def spec(tmp_path: Path, command: list[str], **changes: object) -> ProcessSpec:
    return ProcessSpec(name="child", command=command, log=tmp_path / "child.log", **changes)


def wait_for_end(pid: int, *, seconds: float = 10) -> bool:
    """Wait on the kernel's own word; works for processes that are not our children."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    ended, _, _ = select.select([handle], [], [], seconds)
    os.close(handle)
    return bool(ended)


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(") ", 1)[1][0]


def says(word: str, log: Path) -> Probe:
    return lambda _pid: log.exists() and word in log.read_text(encoding="utf-8")


def test_a_child_is_ready_when_its_probe_says_so(tmp_path: Path) -> None:
    shell = ["sh", "-c", "echo hello; exec sleep 600"]
    child = ManagedProcess(spec(tmp_path, shell, ready=says("hello", tmp_path / "child.log")))
    child.start()
    assert child.is_running
    child.terminate()
    assert child.exit_code == -signal.SIGTERM


def test_a_child_that_exits_early_fails_with_the_end_of_its_log(tmp_path: Path) -> None:
    shell = ["sh", "-c", "echo 'no such table: moons' >&2; exit 3"]
    child = ManagedProcess(spec(tmp_path, shell, ready=lambda _pid: False))
    with pytest.raises(ProcessFailedError, match=r"(?s)code 3.*no such table: moons"):
        child.start()


def test_a_child_that_is_not_ready_in_time_fails_and_is_gone(tmp_path: Path) -> None:
    never = spec(tmp_path, SLEEPER, ready=lambda _pid: False, ready_within=0.1)
    child = ManagedProcess(never)
    with pytest.raises(ProcessFailedError, match=r"not ready within 0\.1 s"):
        child.start()
    assert not child.is_running


def test_a_command_that_does_not_exist_is_named(tmp_path: Path) -> None:
    child = ManagedProcess(spec(tmp_path, ["no-such-command"], ready=lambda _pid: False))
    with pytest.raises(ProcessFailedError, match="cannot run no-such-command"):
        child.start()


def test_a_child_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    child = ManagedProcess(spec(tmp_path, SLEEPER))
    thread = threading.Thread(target=child.start)
    thread.start()
    thread.join()
    with pytest.raises(TimeoutError):
        child.wait(0.3)
    child.kill()


def test_a_paused_child_is_alive_and_can_still_be_stopped(tmp_path: Path) -> None:
    child = ManagedProcess(spec(tmp_path, ["sh", "-c", "sleep 600 & wait"], ready=descendants))
    child.start()
    grandchild = descendants(child.pid)[0]
    child.pause()
    assert child.is_running
    assert os.waitpid(child.pid, os.WUNTRACED)[0] == child.pid  # the kernel says: stopped
    assert state_of(grandchild) == "T"
    child.resume()
    assert state_of(grandchild) != "T"
    child.pause()
    child.terminate()
    assert child.exit_code == -signal.SIGTERM


def test_kill_leaves_no_grandchild_behind(tmp_path: Path) -> None:
    child = ManagedProcess(spec(tmp_path, ["sh", "-c", "sleep 600 & wait"], ready=descendants))
    child.start()
    grandchild = descendants(child.pid)[0]
    child.kill()
    assert child.exit_code == -signal.SIGKILL
    assert wait_for_end(grandchild)


def test_a_child_that_ignores_sigterm_is_killed_after_the_grace(tmp_path: Path) -> None:
    shell = ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 600; done"]
    child = ManagedProcess(spec(tmp_path, shell, ready=says("ready", tmp_path / "child.log")))
    child.start()
    child.terminate(grace=0.2)
    assert child.exit_code == -signal.SIGKILL


def test_restart_gives_a_new_process_and_keeps_the_log(tmp_path: Path) -> None:
    child = ManagedProcess(spec(tmp_path, ["sh", "-c", "echo $$; exec sleep 600"]))
    child.start()
    first = child.pid
    child.restart()
    assert child.pid != first
    child.kill()


@pytest.mark.parametrize("paused", [False, True])
def test_sigkill_of_the_supervisor_takes_the_child_along(tmp_path: Path, *, paused: bool) -> None:
    script = f"""
import pathlib, threading
from tenure.stack.processes import ManagedProcess, ProcessSpec
log = pathlib.Path({str(tmp_path)!r}) / "log"
child = ManagedProcess(ProcessSpec("child", ["sleep", "600"], log))
thread = threading.Thread(target=child.start)
thread.start()
thread.join()
if {paused}:
    child.pause()
print(child.pid, flush=True)
threading.Event().wait()
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as supervisor:  # noqa: S603 - our own script
        assert supervisor.stdout is not None
        pid = int(supervisor.stdout.readline())
        supervisor.kill()
    assert wait_for_end(pid)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_child_may_run_as_somebody_else_and_still_dies_with_us() -> None:
    facts = run_tool(["sh", "-c", "id -u; id -g; id -G"], user=User(65534, 65534))
    assert facts.split() == ["65534", "65534", "65534"]


def test_a_failing_tool_is_quoted() -> None:
    with pytest.raises(ProcessFailedError, match=r"(?s)sh failed with code 2.*wrong moon"):
        run_tool(["sh", "-c", "echo wrong moon >&2; exit 2"])


def test_free_ports_lie_below_the_ports_of_clients() -> None:
    ports = {free_port() for _ in range(50)}
    assert all(is_free(port) for port in ports)
    assert max(ports) < 32_768
