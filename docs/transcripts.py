"""Write docs/transcripts.md: what each command answers in four states of a rehearsal, run for real."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from opskit import process
from opskit.engine.client import connect
from opskit.paths import ROOT, STATE
from opskit.rehearsal.engine import ensure_engine

PLACE = Path(__file__).with_suffix(".md")
_LINES, _WIDE = 14, 150
_DEV = "development --rehearse"
_LOOKS = (
    f"status {_DEV}", f"status {_DEV} --quiet", f"logs {_DEV} redis --lines 2", f"preflight {_DEV}", f"plan {_DEV}",
    f"gpu {_DEV}", f"secrets {_DEV}", f"bundle {_DEV} --folder FOLDER", f"restore {_DEV}", "clean --rehearse", "index",
    "runs --most 3",
)  # fmt: skip
_ACTS = (f"smoke {_DEV}", f"restart {_DEV} redis")
_KEPT = (f"snapshot {_DEV}", f"drill {_DEV}")

Run = Callable[[str], tuple[int, str]]
"""A line of opskit's; the exit status, and what it said."""


@dataclass(frozen=True)
class State:
    """A state of the machine.

    Attributes:
        title: in words.
        enter: commands of opskit that lead to it.
        lines: the commands that are run in it, in this order.
        kill: a service that dies first.
    """

    title: str
    enter: tuple[str, ...]
    lines: tuple[str, ...]
    kill: str = ""


STATES = (
    State("Nothing runs", (f"stop {_DEV}",),
          ("matrix", *_LOOKS, *_ACTS, "first-run --rehearse", f"stop {_DEV}", "audit verify",
           f"start {_DEV}")),
    State("Development is ready", (),
          (*_LOOKS, "matrix", *_ACTS, *_KEPT, "first-run --rehearse", "run index", "audit verify",
           f"start {_DEV}")),
    State("One service is down", (),
          (*_LOOKS, f"snapshot {_DEV}", f"smoke {_DEV}", f"restart {_DEV} redis"), kill="redis"),
    State("Production is refused", (),
          ("status production", "status production -q", "logs production", "preflight production", "plan production",
           "gpu production", "secrets production", "bundle production --folder FOLDER",
           "restore production", "smoke production", "restart production redis", "snapshot production",
           "drill production", "start production", "start prodction", "stop production", f"stop {_DEV}")),
)  # fmt: skip


@dataclass(frozen=True)
class Transcript:
    """What one command answered."""

    state: str
    line: str
    status: int
    said: str


def transcribe(run: Run, kill: Callable[[str], None]) -> Iterator[Transcript]:
    """Run every command in every state.

    Args:
        run: see `Run`.
        kill: ends the container of a service.
    """
    for state in STATES:
        for line in state.enter:
            run(line)
        if state.kill:
            kill(state.kill)
        for line in state.lines:
            yield Transcript(state.title, line, *run(line))


def draw(transcripts: list[Transcript], hide: dict[str, str]) -> str:
    """The page; `hide`: a text of this machine, and what stands for it."""
    head = (
        "# What each command answers\n\n"
        "Written by `python docs/transcripts.py`, which runs every command in four states of a rehearsal; a test runs "
        f"them again and compares exit statuses and first lines. Answers are cut at {_LINES} lines of {_WIDE} "
        "characters. Not run here: `logs --follow` and `status --watch`, which go on until Ctrl-C.\n"
    )
    parts = [head]
    for state in STATES:
        parts.append(f"## {state.title}\n")
        for one in transcripts:
            if one.state == state.title:
                if "Traceback" in one.said:
                    raise RuntimeError(f"opskit {one.line}: {one.said}")
                said = one.said
                for text, word in hide.items():
                    said = said.replace(text, word)
                said = re.sub(r" on [0-9.]+:53", " on the name server", said)
                parts.append(f"```\n$ opskit {one.line}\n{_cut(said)}[exit status {one.status}]\n```\n")
    return "\n".join(parts)


def _cut(said: str) -> str:
    lines = [line.rstrip() for line in said.splitlines()]
    more = [f"… {len(lines) - _LINES} lines more"] if len(lines) > _LINES else []
    cut = (line if len(line) <= _WIDE else f"{line[:_WIDE]}…" for line in [*lines[:_LINES], *more])
    return "".join(f"{line}\n" for line in cut)


def statuses(page: str) -> dict[tuple[str, str], tuple[int, str]]:
    """(exit status, first line) by state and command, as the page has them."""
    found = {}
    for section in page.split("\n## ")[1:]:
        state = section.splitlines()[0]
        for line, said, status in re.findall(r"```\n\$ opskit (.*)\n((?:.*\n)*?)\[exit status (\d+)\]\n```", section):
            found[state, line] = (int(status), said.split("\n")[0])
    return found


def table(page: str) -> str:
    """The exit statuses as a table: a row a command, a column a state."""
    found = statuses(page)
    titles = [state.title for state in STATES]
    commands = dict.fromkeys(_plain(line) for _, line in found)
    by = {(state, _plain(line)): status for (state, line), (status, _) in found.items()}
    head = f"| opskit … | {' | '.join(titles)} |\n|{'---|' * (len(titles) + 1)}\n"
    rows = (f"| `{line}` | {' | '.join(str(by.get((title, line), '')) for title in titles)} |\n" for line in commands)
    return head + "".join(rows)


def _plain(line: str) -> str:
    """A command without the environment it was given, which the column's head says."""
    return line.replace(f" {_DEV}", " ENV").replace(" production", " ENV").replace(" --quiet", " -q").removesuffix(
        " --rehearse"
    )  # fmt: skip


def write() -> None:
    """Run all of it here, and write the page. The records go to a folder that is thrown away."""
    host = ensure_engine(STATE, say=print).host
    with tempfile.TemporaryDirectory() as folder:

        def run(line: str) -> tuple[int, str]:
            print("opskit", line, flush=True)  # noqa: T201  it takes minutes
            words = (sys.executable, "-m", "opskit", *line.replace("FOLDER", folder).split())
            environ = {"OPSKIT_AUDIT": f"{folder}/audit", "RESTIC_REPOSITORY": f"{folder}/sets", "DOCKER_HOST": host}
            done = process.run(words, timeout_s=600, env=environ, cwd=ROOT)
            return done.rc, f"{done.stdout}\n{done.stderr}".strip()

        def kill(service: str) -> None:
            connect(host).containers.get(f"multimodal-development-rehearsal-{service}-1").kill()

        page = draw(list(transcribe(run, kill)), {f"unix://{STATE}/engine": "unix:///run", folder: "…", str(ROOT): "…"})
    PLACE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    write()
