"""The one place that starts a process: no shell, stdin closed, a session of its own, always a timeout."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import signal
import subprocess  # noqa: TID251  this is the one place
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

TIMED_OUT = 124
"""The exit status `run` reports for a command it had to end, as coreutils' `timeout` does."""

MISSING = 127
"""The exit status for a command that is not there, as a shell reports it."""

_GRACE_S, _WATCH_S = 10.0, 2.0

Stream = Literal["stdout", "stderr"]


@dataclass(frozen=True, slots=True)
class Completed:
    """What a command left: exit status and both streams as text."""

    rc: int
    stdout: str
    stderr: str


Variables = Mapping[str, str | None]
"""Variables added to this process's own; None takes one away."""


def run(
    words: tuple[str, ...], *, timeout_s: float, env: Variables | None = None, cwd: Path | None = None
) -> Completed:
    """Run a command to its end and return what it left; a non-zero status is the caller's to judge.

    Args:
        words: the command, word by word; it appears in `ps`, so no secret is ever among them.
        timeout_s: after it the whole process group is ended and `rc` is 124.
        env: variables added to this process's own; None takes one away.
        cwd: working directory; None means this process's own.
    """
    try:
        running = start(words, env=env, cwd=cwd)
    except OSError as error:
        return Completed(MISSING, "", f"{words[0]}: {error.strerror or error}")
    out: dict[Stream, list[str]] = {"stdout": [], "stderr": []}
    deadline = time.monotonic() + timeout_s
    for stream, line in running.lines(until=deadline):
        out[stream].append(line)
    rc = running.poll()
    if rc is None:
        running.cancel(grace_s=2.0)
        out["stderr"].append(f"{words[0]}: ended after {timeout_s:g} s without an answer")
        rc = TIMED_OUT
    return Completed(rc, "\n".join(out["stdout"]), "\n".join(out["stderr"]))


def feed(
    words: tuple[str, ...],
    chunks: Iterable[bytes],
    *,
    env: Variables | None = None,
    give_up: Callable[[], bool],
) -> Completed:
    """Run a command that reads these bytes. Where they cannot be had it is ended before its input ends.

    Args:
        words: the command.
        chunks: what it reads.
        env: variables added to this process's own.
        give_up: asked every few seconds; the command is ended where it says so.

    Raises:
        Exception: what `chunks` raises.
        OSError: the command is not there or may not be run.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=out, stderr=err, env=_environment(env)) as running:
            ended = threading.Event()
            threading.Thread(target=_watch, args=(running, give_up, ended), daemon=True).start()
            sink = running.stdin
            assert sink is not None  # noqa: S101  it was asked for
            try:
                with contextlib.suppress(BrokenPipeError):  # it has ended: its status says why
                    for chunk in chunks:
                        sink.write(chunk)
                    sink.flush()
            except BaseException:
                _interrupt(running)
                raise
            finally:
                with contextlib.suppress(BrokenPipeError):
                    sink.close()
                running.wait()
                ended.set()
        return Completed(running.returncode, _read_all(out), _read_all(err))


@contextlib.contextmanager
def read(
    words: tuple[str, ...], *, env: Variables | None = None
) -> Iterator[tuple[IO[bytes], Callable[[], Completed]]]:
    """A command's output as bytes, and what ends it: the rest is read first. It is ended where the block is left."""
    with (
        tempfile.TemporaryFile() as err,
        subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=err, env=_environment(env)
        ) as running,
    ):
        source = running.stdout
        assert source is not None  # noqa: S101  it was asked for

        def end() -> Completed:
            while source.read(1024**2):
                pass
            return Completed(running.wait(), "", _read_all(err))

        try:
            yield source, end
        finally:
            _interrupt(running)


@contextlib.contextmanager
def guarded(words: tuple[str, ...]) -> Iterator[None]:
    """A command that outlives this process; it reads a word where the block was left, none where a kill ended it."""
    quiet = subprocess.DEVNULL
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, start_new_session=True) as guard:
        try:
            yield
        finally:
            guard.communicate(b"left")


def _watch(process: subprocess.Popen[bytes], give_up: Callable[[], bool], ended: threading.Event) -> None:
    while not ended.wait(_WATCH_S):
        if give_up():
            _interrupt(process)
            return


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    """End it as Ctrl-C does, so that it takes its locks away; SIGKILL where it does not end."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _read_all(sink: IO[bytes]) -> str:
    sink.seek(0)
    return sink.read().decode("utf-8", "replace")


def start(words: tuple[str, ...], *, env: Variables | None = None, cwd: Path | None = None) -> Running:
    """Start a command whose lines are wanted as they come; it ends when this thread's process ends.

    Raises:
        OSError: the command is not there or may not be run.
    """
    executable = shutil.which(words[0], path=(env or {}).get("PATH"))
    if executable is None:
        raise FileNotFoundError(2, "command not found", words[0])
    guard = shutil.which("setpriv")  # util-linux: the kernel of a killed notebook leaves no orphan behind
    prefix = (guard, "--pdeathsig", "TERM", "--") if guard else ()
    process = subprocess.Popen(
        (*prefix, executable, *words[1:]),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment(env),
        cwd=cwd,
        start_new_session=True,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    return Running(process)


def spawn_daemon(words: tuple[str, ...], *, log: Path, env: Variables | None = None) -> int:
    """Start a command that outlives this process; both its streams go to `log`. Returns its pid."""
    return start_detached(words, log=log, env=env).pid


def start_detached(words: tuple[str, ...], *, log: Path, env: Variables | None = None) -> Detached:
    """Start a command that outlives this process, and keep a hand on it; both its streams go to `log`."""
    with log.open("ab") as sink:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            env=_environment(env),
            start_new_session=True,
        )
    threading.Thread(target=process.wait, name=f"reap {process.pid}", daemon=True).start()
    return Detached(process, log)


@dataclass(frozen=True, slots=True)
class Detached:
    """A command that goes on when this process ends."""

    _process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def poll(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._process.poll()

    def interrupt(self) -> None:
        """Ask it to end, as Ctrl-C does, and leave the rest to it; its children are its own to end."""
        self._process.send_signal(signal.SIGINT)

    def tail(self, lines: int) -> tuple[str, ...]:
        """The last lines it said."""
        return tuple(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def _environment(changes: Variables | None) -> dict[str, str]:
    merged: dict[str, str | None] = {**os.environ, **(changes or {})}
    return {name: value for name, value in merged.items() if value is not None}


@dataclass(slots=True)
class Running:
    """A started command: its lines as they come, its end, and a way to end it early."""

    _process: subprocess.Popen[str]
    _lines: queue.SimpleQueue[tuple[Stream, str] | None] = field(default_factory=queue.SimpleQueue)
    _open: int = 2

    def __post_init__(self) -> None:
        for stream, pipe in (("stdout", self._process.stdout), ("stderr", self._process.stderr)):
            threading.Thread(target=self._read, args=(stream, pipe), daemon=True).start()

    def _read(self, stream: Stream, pipe: IO[str]) -> None:
        with pipe:
            for line in pipe:
                self._lines.put((stream, line.rstrip("\n")))
        self._lines.put(None)

    def lines(self, *, until: float | None = None) -> Iterator[tuple[Stream, str]]:
        """Yield (stream, line) until both streams end, or until the monotonic time `until`."""
        while self._open:
            try:
                item = self._lines.get(timeout=None if until is None else max(0.0, until - time.monotonic()))
            except queue.Empty:
                return
            if item is None:
                self._open -= 1
            else:
                yield item
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(None if until is None else max(0.0, until - time.monotonic()))

    def poll(self) -> int | None:
        """The exit status (128 + N for signal N); None while the command runs or its lines are not all read."""
        rc = None if self._open else self._process.poll()
        return 128 - rc if rc is not None and rc < 0 else rc

    def cancel(self, *, grace_s: float) -> None:
        """End the whole process group: SIGTERM, and SIGKILL when the grace is over."""
        for number, wait_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 5.0)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            try:
                self._process.wait(wait_s)
            except subprocess.TimeoutExpired:
                continue
            break
        for _ in self.lines(until=time.monotonic() + 1.0):  # let the readers finish; the words are no longer wanted
            pass
