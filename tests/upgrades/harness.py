"""Runs one failing upgrade of a development that is ready, and says what is there after it."""

from __future__ import annotations

import io
import re
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.checkout import Checkout
from tests.upgrades.bench import Bench, fill
from tests.upgrades.cases import NEWER_MAJOR, NGINX, OVERRIDE, Case
from tests.upgrades.data import Data
from tests.upgrades.majors import next_postgres

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

DEV = ("dev", "--rehearse")
_NEWER = "opskit.test.newer"
N8N_CONFIG = ["cat", "/home/node/.n8n/config"]


@dataclass(frozen=True)
class Result:
    """What came of one case: its exit status, what it said, seconds to the end of the way back, and what is wrong."""

    status: int
    said: str
    seconds: float
    back_s: float
    faults: tuple[str, ...]


def run_case(checkout: Checkout, case: Case, data: Data, bench: Bench | None = None) -> Result:
    """Upgrade, and go back where the run was killed; the checkout's files and images are then as they were.

    Args:
        checkout: a development that is ready.
        case: one whose `meanwhile` is not a signal wants a bench.
        data: is counted before and after.
        bench: the Engine and the disks that may be interfered with.
    """
    before, counted, boxes = state_of(checkout), data.count(), ids(checkout)
    with changed(checkout, case):
        began = time.monotonic()
        with ExitStack() as hindered:
            status, said = _upgrade(checkout, case, bench, hindered)
        seconds, back_s = time.monotonic() - began, 0.0
        faults = [] if case.says in said else [f"does not say {case.says!r}"]
        if case.ends == "stuck" and "going back failed too" not in said:
            faults.append("does not say that it could not go back")
        if case.ends in {"killed", "stuck"}:
            time.sleep(1)
            if "was interrupted" not in checkout.opskit("preflight", *DEV, "--json").stdout and case.ends == "killed":
                faults.append("preflight does not say that it was interrupted")
            began = time.monotonic()
            done = checkout.opskit("rollback", *DEV, "--confirm", checkout.project)
            back_s = time.monotonic() - began
            said += done.stdout + done.stderr
            faults += [] if done.returncode == 0 else [f"rollback: {done.stderr}"]
        elif case.ends == "undone" and "It was undone" not in said:
            faults.append("was not undone")
        elif case.ends in {"refused", "stopped"} and ids(checkout) != boxes:
            faults.append("nothing was to change, yet containers were replaced")
        if case.ends == "undone" and case.moved != ("what was written since is in set" in said):
            faults.append("data: said otherwise")
    if "Traceback" in said:
        faults.append("a traceback")
    try:
        found = {**data.count(), **state_of(checkout)}
    except AssertionError as error:
        return Result(status, said, seconds, back_s, (*faults, str(error)))
    faults += [
        f"{name}: {was} before, {found[name]} after"
        for name, was in {**counted, **before}.items()
        if found[name] != was
    ]
    if left := list(checkout.root.glob(".opskit/*.unfinished-*")):
        faults.append(f"left: {left}")
    return Result(status, said, seconds, back_s, tuple(faults))


def run_major(checkout: Checkout, data: Data) -> Result:
    """To PostgreSQL of the next major by way of a set, and back by way of the same one."""
    counted, project, name = data.count(), checkout.project, _image_names(checkout)["postgres"]
    image: Any = checkout.containers()["postgres"].image
    said, faults, began = "", list[str](), time.monotonic()

    def act(*words: str, status: int = 0) -> None:
        nonlocal said
        done = checkout.opskit(words[0], *DEV, *words[1:])
        said += done.stdout + done.stderr
        faults.extend([f"{words[0]}: {done.stderr}"] if done.returncode != status else [])

    def look(when: str, *, newer: bool) -> None:
        if faults:
            return  # nothing more to ask
        version = _asked(checkout.containers()["postgres"], ["postgres", "--version"])
        faults.extend([f"{when}: {version}"] if (version == old) == newer else [])
        faults.extend([f"{when}: {now}; {counted} before"] if (now := data.count()) != counted else [])

    old = _asked(checkout.containers()["postgres"], ["postgres", "--version"])
    act("snapshot")
    back = ("restore", "--snapshot", checkout.last()[1]["snapshot"]["set"], "--confirm", project)
    act("stop")
    next_postgres(checkout.engine, name, _NEWER)
    try:
        act(*back, status=3)  # it is put back; the start after it sees data of 17 and an image that is still named 15
        act("start", "--accept", "data-version")
        look("in the newer one", newer=True)
    finally:
        image.tag(*name.rsplit(":", 1))
    seconds, began = time.monotonic() - began, time.monotonic()
    act("stop")
    act(*back)
    look("back", newer=False)
    return Result(0, said, seconds, time.monotonic() - began, tuple(faults))


def _image_names(checkout: Checkout) -> dict[str, str]:
    """The rehearsal's image by service."""
    overlay = checkout.root / f".opskit/{checkout.project}.rehearsal.yml"
    return dict(re.findall(r"^  (\S+):\n    image: (\S+)$", overlay.read_text(), re.MULTILINE))


def _upgrade(checkout: Checkout, case: Case, bench: Bench | None, hindered: ExitStack) -> tuple[int, str]:
    words = ["upgrade", *DEV, "--confirm", checkout.project, "--observe-s", str(case.observe_s)]
    environ = {**checkout.environ, **case.environ}
    earlier = set(_journals(checkout))
    command = [sys.executable, "-m", "opskit", *words]
    with subprocess.Popen(
        command, env=environ, cwd=checkout.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    ) as run:  # fmt: skip
        if case.at:
            _wait_for(checkout, case.at, run, earlier)
            _interfere(checkout, case, run, bench, hindered)
        said, _ = run.communicate(timeout=400)
    return run.returncode, said


def _interfere(
    checkout: Checkout, case: Case, run: subprocess.Popen[str], bench: Bench | None, hindered: ExitStack
) -> None:
    """What comes in the middle of an upgrade; what stands in its way is gone when `hindered` ends."""
    if case.meanwhile == "signal":
        kernels = subprocess.run(["pgrep", "-P", str(run.pid)], capture_output=True, text=True, check=False)
        whom = [*kernels.stdout.split(), str(run.pid)] if case.signal == signal.SIGKILL else [f"-{run.pid}"]
        subprocess.run(["kill", f"-{int(case.signal)}", "--", *whom], check=True)
        return
    assert bench is not None, case.name
    if case.meanwhile == "restart":
        bench.restart()
    else:
        hindered.enter_context(fill(bench.disk if case.meanwhile == "fill disk" else checkout.root / "audit"))


def _journals(checkout: Checkout) -> list[Path]:
    return list(checkout.root.glob("audit/*/*/*-upgrade*/events.jsonl"))


def _wait_for(checkout: Checkout, text: str, run: subprocess.Popen[str], earlier: set[Path]) -> None:
    end = time.monotonic() + 200
    while time.monotonic() < end and run.poll() is None:
        if any(text in journal.read_text() for journal in _journals(checkout) if journal not in earlier):
            return
        time.sleep(0.05)
    raise AssertionError(f"never came to {text!r}: {run.poll()}")


@contextmanager
def changed(checkout: Checkout, case: Case) -> Iterator[None]:
    places = [checkout.root / OVERRIDE, checkout.root / NGINX, checkout.env_file()]
    texts = [place.read_bytes() for place in places]
    images: dict[str, Any] = {service: checkout.containers()[service].image for service in case.images}
    names = _image_names(checkout)
    try:
        case.edit(checkout)
        for service, newer in case.images.items():
            if newer == NEWER_MAJOR:
                next_postgres(checkout.engine, names[service], _NEWER)
            else:
                _make_newer(checkout, names[service], newer[0], f"#!/bin/sh\n{newer[1]}\n")
        yield
    finally:
        for place, text in zip(places, texts, strict=True):
            place.write_bytes(text)
        for service, image in images.items():
            repository, _, tag = names[service].rpartition(":")
            image.tag(repository, tag)


def _make_newer(checkout: Checkout, name: str, program: str, script: str) -> None:
    """Give an image's name to one that has this script in the place of a program."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        entry = tarfile.TarInfo(program.lstrip("/"))
        entry.size, entry.mode = len(script), 0o755
        archive.addfile(entry, io.BytesIO(script.encode()))
    box = checkout.engine.containers.create(name)
    box.put_archive("/", tar.getvalue())
    box.commit(*name.rsplit(":", 1), changes=f"LABEL {_NEWER}=yes")
    box.remove()


def forget_newer(engine: DockerClient) -> None:
    """Take away the names that a run which was killed has left to newer images: the next rehearsal makes its own."""
    for image in engine.images.list(filters={"label": _NEWER}):
        for tag in image.tags:
            engine.images.remove(tag)


def _asked(box: Container, words: list[str]) -> str:
    """What a command says; Engine 20.10 loses the output of one now and then, and its status tells."""
    said = next((done.output for _ in range(3) if (done := box.exec_run(words)).exit_code == 0 and done.output), b"")
    assert said, f"{box.name}: {words} says nothing"
    return str(said, "utf-8")  # type: ignore[arg-type]  # a stream only where one is asked for


def ids(checkout: Checkout) -> dict[str, str]:
    return {service: str(box.id) for service, box in checkout.containers().items()}


def state_of(checkout: Checkout) -> dict[str, Any]:
    """What a way back must bring again, beside the data that is counted."""
    end = time.monotonic() + 30
    while ill := [
        (name, box.status, box.attrs["State"]["Health"]["Log"][-1:])
        for name, box in checkout.containers().items()
        if box.attrs["State"]["Health"]["Status"] != "healthy"
    ]:
        assert time.monotonic() < end, f"it stays so: {ill}"
        time.sleep(1)  # one that was paused for the set
    boxes = checkout.containers()
    n8n = ["psql", "-X", "-U", "postgres", "-d", "n8n", "-qtAc", "SELECT to_regclass('moved_on') IS NULL"]
    return {
        "healthy": {name: box.attrs["State"]["Health"]["Status"] for name, box in boxes.items()},
        "images": {name: box.attrs["Image"] for name, box in boxes.items()},
        "n8n's file": boxes["n8n"].exec_run(N8N_CONFIG).output,
        "n8n's tables": _asked(boxes["postgres"], n8n),
        "labels": boxes["nginx"].labels.get("changed"),
    }
