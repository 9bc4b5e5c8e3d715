# ruff: noqa: T201  a program that prints
"""Prints, for every case, what Compose says of the launch and what opskit says, with the seconds of both.

`make faults`; words pick cases by their names. Exit status 1 where a word of opskit is not the right one.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from opskit.engine.client import connect
from opskit.launch import launch_project
from opskit.paths import STATE
from opskit.rehearsal.engine import ensure_engine
from opskit.rehearsal.images import ensure_images
from tests.faults.cases import Case, cases

DEADLINE_S = 18
AT_ONCE = 4
"""Cases run at once: most of their time they wait."""


def shell(command: str, project: str, environ: dict[str, str]) -> None:
    subprocess.run(["sh", "-c", command], env={**environ, "P": project}, capture_output=True, check=True)


def clean(project: str, environ: dict[str, str]) -> None:
    """Take away what a case left, and nothing else."""
    for label in (f"com.docker.compose.project={project}", f"held={project}"):
        for kind, remove in (
            ("container", "docker rm -fv"),
            ("network", "docker network rm"),
            ("volume", "docker volume rm"),
        ):
            listed = "docker ps -aq" if kind == "container" else f"docker {kind} ls -q"
            subprocess.run(
                ["sh", "-c", f"{listed} --filter label={label} | xargs -r {remove}"],
                env=environ,
                capture_output=True,
                check=False,
            )


def ask_compose(folder: Path, project: str, environ: dict[str, str]) -> tuple[str, float]:
    began = time.monotonic()
    words = [
        "docker-compose",
        "-p",
        project,
        "-f",
        str(folder / "compose.yml"),
        "up",
        "-d",
        "--wait",
        "--wait-timeout",
        str(DEADLINE_S),
    ]
    done = subprocess.run(
        words, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=300
    )
    last = (done.stderr.strip().splitlines() or [""])[-1].strip()
    return ("ok" if done.returncode == 0 else f"rc {done.returncode}: {last}"), time.monotonic() - began


def ask_opskit(case: Case, folder: Path, project: str, host: str) -> tuple[str, float, bool]:
    began = time.monotonic()
    outcome = launch_project(folder / "compose.yml", project, deadline_s=DEADLINE_S, engine_host=host)
    seconds = time.monotonic() - began
    first = outcome.failures[0] if outcome.failures else None
    said = f"{first.kind} {first.service or ''}".strip() if first else "ok"
    named = (case.service or "").split(" or ")
    right = first.kind == case.kind and (first.service or "") in named if first else not case.kind
    return said, seconds, right and outcome.ok is not bool(case.kind)


def free_port() -> str:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return str(holder.getsockname()[1])


def run(case: Case, box: str, host: str) -> bool:
    port = free_port()
    before, command, text = (
        part.replace("BOX", box).replace("PORT", port) for part in (case.before, case.between, case.text)
    )
    environ = {**os.environ, "DOCKER_HOST": host}
    verdicts = []
    right = False
    for asked in ("compose", "opskit"):
        project = f"opskit-fault-{uuid.uuid4().hex[:6]}"
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            try:
                if before:
                    (folder / "compose.yml").write_text(before)
                    launch_project(folder / "compose.yml", project, deadline_s=DEADLINE_S, engine_host=host)
                if command:
                    shell(command, project, environ)
                (folder / "compose.yml").write_text(text)
                if asked == "compose":
                    verdicts.append(ask_compose(folder, project, environ))
                else:
                    said, seconds, right = ask_opskit(case, folder, project, host)
                    verdicts.append((said, seconds))
            finally:
                clean(project, environ)
    (compose, compose_s), (opskit, opskit_s) = verdicts
    mark = "right" if right else f"WRONG, wanted {case.kind or 'ok'} {case.service or ''}"
    print(
        f"{case.name[:62]:<62} | {compose[:60]:<60} {compose_s:5.1f} s | {opskit:<30} {opskit_s:5.1f} s | {mark}",
        flush=True,
    )
    return right


def main(words: list[str]) -> int:
    engine = ensure_engine(STATE, say=print)
    client = connect(engine.host)
    box = ensure_images(client, ["nginx"], cache=STATE / "cache", say=print)["nginx"]
    chosen = [case for case in cases() if not words or any(word in case.name for word in words)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        right = sum(pool.map(lambda case: run(case, box, engine.host), chosen))
    print(f"opskit is right in {right} of {len(chosen)}")
    return 0 if right == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
