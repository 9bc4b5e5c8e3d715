"""The distribution's packages: what this machine's apt reads, and installing what a rehearsal lacks."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from opskit import process
from opskit.errors import EngineUnavailableError

_APT = Path("/etc/apt")
_HELD = "Could not get lock"
_TRIES, _PAUSE_S = 120, 5.0
_ONE_LINE = re.compile(r"deb\s+(?:\[[^\]]*\]\s+)?\S+\s+(\S+)\s")


def find_program(name: str) -> str | None:
    """Where a program is, the folders of root included; None where it is not."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def missing_packages(wanted: Mapping[str, str]) -> list[str]:
    """The packages whose program is not here. `wanted` gives the package by program."""
    return [package for program, package in wanted.items() if find_program(program) is None]


def install_packages(packages: Iterable[str], say: Callable[[str], None]) -> None:
    """Install Debian packages, as root.

    Raises:
        EngineUnavailableError: not root, no apt-get, or apt-get failed; the message says what to install.
    """
    names = " ".join(packages)
    if find_program("apt-get") is None:
        raise EngineUnavailableError(
            f"rehearsal: {names} is missing, and this is not Debian or Ubuntu, so it is not installed from here. "
            "Remedy: install Docker Engine as https://docs.docker.com/engine/install/ says, and start it."
        )
    if os.geteuid() != 0:
        raise EngineUnavailableError(
            f"rehearsal: {names} is missing, and only root may install it. Remedy: `sudo apt-get install {names}`, and "
            "then `sudo systemctl start docker` for an Engine of your own."
        )
    say(f"installing {names}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    for _ in range(_TRIES):  # what matters is whether the install works, but another apt may be at the lists
        if _HELD not in process.run(("apt-get", "update", "-qq"), timeout_s=300, env=quiet).stderr:
            break
        say("waiting for another apt-get")
        time.sleep(_PAUSE_S)
    waits = ("-o", f"DPkg::Lock::Timeout={_TRIES * _PAUSE_S:.0f}")  # a fresh cloud machine upgrades itself at first
    words = ("apt-get", *waits, "install", "-y", "-qq", "--no-install-recommends", *names.split())
    done = process.run(words, timeout_s=1500, env=quiet)
    if done.rc != 0:
        last = "\n  ".join(done.stderr.splitlines()[-6:])
        raise EngineUnavailableError(
            f"rehearsal: `apt-get install {names}` failed:\n  {last}\nRemedy: fix what it says; `apt-get update` "
            "shows whether the package sources can be reached."
        )


def read_sources(suite: str) -> str:
    """This machine's package sources for its own release, in whichever form they are written."""
    deb822 = sorted((_APT / "sources.list.d").glob("*.sources"))
    one_line = [_APT / "sources.list", *sorted((_APT / "sources.list.d").glob("*.list"))]
    if found := select_stanzas("\n\n".join(path.read_text() for path in deb822), suite):
        return found
    return select_lines("\n".join(path.read_text() for path in one_line if path.is_file()), suite)


def read_proxies() -> list[str]:
    """The proxies this machine's apt uses, each as a line of apt.conf."""
    lines = process.run(("apt-config", "dump"), timeout_s=30).stdout.splitlines()
    return [line for line in lines if re.match(r"Acquire::https?::(\S+::)?Proxy ", line)]


def select_stanzas(text: str, suite: str) -> str:
    """The stanzas of deb822 text that belong to a release (`bookworm`, `bookworm-security`); other vendors' go.

    Source: sources.list(5), "deb822-style format".
    """
    kept = []
    for stanza in re.split(r"\n[ \t]*\n", text):
        fields = dict(re.findall(r"^([\w-]+):[ \t]*(.*)$", stanza, re.MULTILINE))
        if fields.get("Enabled", "yes") != "no" and _is_of(fields.get("Suites", ""), suite):
            kept.append(stanza.strip("\n"))
    return "\n\n".join(kept) + "\n" if kept else ""


def select_lines(text: str, suite: str) -> str:
    """The one-line sources that belong to a release; sources of source packages and other vendors' go."""
    kept = [line for line in text.splitlines() if (found := _ONE_LINE.match(line)) and _is_of(found[1], suite)]
    return "\n".join(kept) + "\n" if kept else ""


def _is_of(suites: str, suite: str) -> bool:
    return any(word == suite or word.startswith(f"{suite}-") for word in suites.split())
