"""One supervised child process: start, readiness, pause, stop, kill, and no orphans."""

import functools
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from tenure.stack import launch
from tenure.stack.errors import ProcessFailedError
from tenure.stack.ports import free_port
from tenure.stack.process_facts import descendants, tail, wait_until_stopped

__all__ = ["ManagedProcess", "ProcessSpec", "User", "free_port", "run_tool"]

Probe = Callable[[int], bool]
"""Answers whether the child with the given pid is ready. Called every few milliseconds."""

_PROBE_INTERVAL = 0.02
_LAUNCHER = str(Path(launch.__file__))


@dataclass(frozen=True)
class User:
    """The unprivileged user a child runs as."""

    uid: int
    gid: int


@dataclass(frozen=True)
class ProcessSpec:
    """What to run and how to know that it is ready.

    `log` receives stdout and stderr, appended. `env` replaces the environment when given.
    `death_signal` is what the kernel sends the child when this process dies, however it dies.
    `ready_within` is in seconds; without a probe `ready` a started child counts as ready.
    """

    name: str
    command: Sequence[str]
    log: Path
    env: Mapping[str, str] | None = None
    cwd: Path | None = None
    user: User | None = None
    death_signal: signal.Signals = signal.SIGKILL
    ready: Probe | None = None
    ready_within: float = 30.0


@dataclass
class ManagedProcess:
    """A child in its own session that dies with us, even when we are killed with SIGKILL.

    All methods may be called from any thread, one at a time.
    """

    spec: ProcessSpec
    _child: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def pid(self) -> int:
        """The process id of the last start. Raises `ProcessFailedError` before the first one."""
        return self._started().pid

    @property
    def is_running(self) -> bool:
        """Whether the child is alive; a paused child is."""
        return self._child is not None and self._child.poll() is None

    @property
    def exit_code(self) -> int | None:
        """Exit code of the last run (negative: the signal), None while running or never run."""
        return None if self._child is None else self._child.poll()

    def start(self, *, wait: bool = True) -> None:
        """Start the child and, with `wait`, return only when it is ready.

        Raises `ProcessFailedError` with the end of the log when it exits early or is not ready in
        time; the child is then gone.
        """
        if self.is_running:
            raise ProcessFailedError(f"{self.spec.name} is already running as {self.pid}")
        self.spec.log.parent.mkdir(parents=True, exist_ok=True)
        self._child = _spawner(os.getpid()).spawn(self.spec)
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Block until the readiness probe holds. Raises as `start` does."""
        deadline = time.monotonic() + self.spec.ready_within
        while not self._is_ready():
            if not self.is_running:
                raise self._failure(f"exited with code {self.exit_code} before it was ready")
            if time.monotonic() > deadline:
                self.kill()
                raise self._failure(f"was not ready within {self.spec.ready_within:g} s")
            time.sleep(_PROBE_INTERVAL)

    def wait(self, timeout: float) -> int:
        """Wait for the end and return the exit code. Raises `TimeoutError` after `timeout` s."""
        try:
            return self._started().wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{self.spec.name} still runs after {timeout:g} s") from None

    def terminate(self, grace: float = 20.0, *, sign: signal.Signals = signal.SIGTERM) -> None:
        """Ask the child to stop, and kill it when it has not within `grace` seconds.

        A paused child is resumed first, or it could not hear. Does nothing when it is not running.
        """
        if not self.is_running:
            return
        self.resume()
        _send(self.pid, sign)
        try:
            self.wait(grace)
        except TimeoutError:
            self.kill()

    def kill(self) -> None:
        """SIGKILL the child and all its descendants, and reap it. Not running is fine."""
        if not self.is_running:
            return
        # The parent first: it must not see its children die one by one and react to it.
        family = [self.pid, *descendants(self.pid)]
        for pid in family:
            _send(pid, signal.SIGKILL)
        self._started().wait()

    def pause(self) -> None:
        """SIGSTOP the child and its descendants: alive, connected, and silent when it returns.

        Raises `ProcessFailedError` when it does not run.
        """
        if not self.is_running:
            raise ProcessFailedError(f"{self.spec.name} does not run")
        _send(self.pid, signal.SIGSTOP)
        wait_until_stopped(self.pid)  # so that it forks nobody behind our back
        family = descendants(self.pid)
        for pid in family:
            _send(pid, signal.SIGSTOP)
        for pid in family:
            wait_until_stopped(pid)

    def resume(self) -> None:
        """Undo `pause`; not running is fine."""
        if not self.is_running:
            return
        for pid in [*descendants(self.pid), self.pid]:
            _send(pid, signal.SIGCONT)

    def restart(self, grace: float = 20.0) -> None:
        """Terminate and start again, ready when it returns."""
        self.terminate(grace)
        self.start()

    def _is_ready(self) -> bool:
        # Aliveness first: a probe could be answered by somebody else's server.
        return self.is_running and (self.spec.ready is None or self.spec.ready(self.pid))

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            raise ProcessFailedError(f"{self.spec.name} was never started")
        return self._child

    def _failure(self, what: str) -> ProcessFailedError:
        return ProcessFailedError(
            f"{self.spec.name} {what}; end of its log:\n{tail(self.spec.log)}"
        )


def _send(pid: int, sign: signal.Signals) -> None:
    try:
        os.kill(pid, sign)
    except ProcessLookupError:
        return  # it went away by itself


def run_tool(
    command: Sequence[str],
    *,
    stdin: str = "",
    user: User | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 120.0,
) -> str:
    """Run a short command to its end and return its stdout.

    Raises `ProcessFailedError` with what it printed when it fails or takes over `timeout` seconds.
    """
    name = Path(command[0]).name
    try:
        done = subprocess.run(  # noqa: S603 - the command is ours, and no shell reads it
            _launcher(command, user, signal.SIGKILL),
            input=stdin,
            capture_output=True,
            check=False,
            text=True,
            env=env,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        raise ProcessFailedError(f"{name} took more than {timeout:g} s") from None
    if done.returncode != 0:
        words = (done.stderr + done.stdout).strip()
        raise ProcessFailedError(f"{name} failed with code {done.returncode}:\n{words}")
    return done.stdout


class _Spawner:
    """Forks children from one thread that lives as long as this process.

    Linux sends the death signal when the *thread* that forked the child ends. Had a worker thread
    of a pool forked it, the child would die with that thread.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[tuple[ProcessSpec, Future[subprocess.Popen[bytes]]]]
        self._jobs = queue.SimpleQueue()
        # Daemon: it must outlive every exit handler, which stop children in good order.
        threading.Thread(target=self._run, name="spawner", daemon=True).start()

    def spawn(self, spec: ProcessSpec) -> subprocess.Popen[bytes]:
        result: Future[subprocess.Popen[bytes]] = Future()
        self._jobs.put((spec, result))
        return result.result()

    def _run(self) -> None:
        while True:
            spec, result = self._jobs.get()
            try:
                result.set_result(_popen(spec))
            except OSError as error:
                result.set_exception(error)


@functools.cache
def _spawner(_pid: int) -> _Spawner:
    """Return the spawner of this process; keyed by pid because threads do not survive a fork."""
    return _Spawner()


def _popen(spec: ProcessSpec) -> subprocess.Popen[bytes]:
    """Fork, and return when the command itself runs: only then is the death signal in force."""
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as running, spec.log.open("ab") as log:
        try:
            child = subprocess.Popen(  # noqa: S603 - the command is ours, and no shell reads it
                _launcher(spec.command, spec.user, spec.death_signal, ready_fd=writer),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=spec.env,
                cwd=spec.cwd,
                pass_fds=(writer,),
                start_new_session=True,
            )
        finally:
            os.close(writer)
        running.read()
    return child


def _launcher(
    command: Sequence[str],
    user: User | None,
    death_signal: signal.Signals,
    *,
    ready_fd: int = launch.NO_FD,
) -> list[str]:
    """Return the command line that becomes `command` by way of `launch.py`."""
    who = user or User(launch.KEEP_USER, launch.KEEP_USER)
    numbers = (os.getpid(), int(death_signal), who.uid, who.gid, ready_fd)
    program = shutil.which(command[0]) or command[0]
    # Isolated and without site: the launcher needs nothing and starts in 20 ms.
    prefix = [sys.executable, "-I", "-S", _LAUNCHER, *map(str, numbers)]
    return [*prefix, program, *command[1:]]
