"""The restic repository that keeps the sets: encrypted, de-duplicated, in a folder here or where restic can reach."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from opskit import process
from opskit.errors import ConfigError, UsageError
from opskit.files import make_folder, write_atomically
from opskit.paths import STATE

_FILE, _TAG, _RAW = "set.tar", "opskit-set", "opskit-unfinished"
_ANSWER_S = 600.0
_ROOM_BYTES = 128 * 1024**2
"""What restic may have read and not yet written: a few packs, and its index."""
_FULL_BYTES = 24 * 1024**2
"""Below this a pack may not fit: 16 MiB, and the blob that made it full, 8 MiB at most."""
_NONE = re.compile(r"unable to open config file: .*(no such file|not exist)", re.IGNORECASE)
"""No repository, and not one that does not answer; restic asks "Is there a repository?" for both."""
_WRONG = "restic: found {said}; wanted {wanted}. Remedy: {remedy}"


@dataclass(frozen=True, slots=True)
class KeptSet:
    """A set as the repository lists it: `id` names it, `time` is UTC, ISO 8601."""

    id: str
    time: str
    environment: str
    project: str


class Repository:
    """restic's repository: RESTIC_REPOSITORY and RESTIC_PASSWORD(_FILE, _COMMAND) are restic's own.

    Without these it is a folder of opskit's, and a password file beside it that is made once.

    Attributes:
        location: where it is, without the user and password that its URL may have.

    Raises:
        UsageError: restic is not installed.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        restic = shutil.which("restic")
        if restic is None:
            raise UsageError("snapshots: found no restic; wanted it on PATH. Remedy: `sudo apt-get install restic`")
        self._restic = restic
        place = environ.get("RESTIC_REPOSITORY", str(STATE / "snapshots"))
        self.location = _without_user(place)
        self._own = {"RESTIC_REPOSITORY": place, "RESTIC_PROGRESS_FPS": "0.1"}
        self._password: Path | None = None
        if not any(environ.get(f"RESTIC_PASSWORD{how}") for how in ("", "_FILE", "_COMMAND")):
            self._password = STATE / "snapshots.password"
            self._own["RESTIC_PASSWORD_FILE"] = str(self._password)

    def ensure(self) -> None:
        """Make it where there is none; the password's file too, 0600.

        Raises:
            ConfigError: it does not open: another password, or a place that does not answer.
        """
        if self._password is not None and self._is_new():
            make_folder(STATE)
            write_atomically(self._password, secrets.token_urlsafe(32) + "\n")
        done = self._run("cat", "config")
        if _NONE.search(done.stderr):
            done = self._run("init")
        self._check(done)

    def save(self, chunks: Iterable[bytes], *, environment: str, project: str) -> str:
        """Keep a stream as a set. Returns its id.

        restic takes the end of its input for a good one, also where this process was killed: what it keeps becomes a
        set by its tag alone, which is given last.

        Raises:
            ConfigError: restic could not; the set is not there, also where the stream itself failed.
        """
        self._unlock()
        tags = f"{_RAW},project={project}"
        words = ("backup", "--stdin", "--stdin-filename", _FILE, "--tag", tags, "--host", "opskit", "--json")
        done = process.feed((self._restic, *words), self._with_room(chunks), env=self._own, give_up=self._is_full)
        if done.rc != 0 and self._is_full():
            raise self._no_room()
        self._check(done)
        raw = json.loads(done.stdout.splitlines()[-1])["snapshot_id"]
        named = f"{_TAG},environment={environment},project={project}"
        self._check(self._run("tag", "--set", named, raw))
        listed = self._list("--tag", f"{_TAG},project={project}", "--tag", tags)
        for left in (entry["id"] for entry in listed if _RAW in entry["tags"]):  # by a run that was killed
            self._check(self._run("forget", left))
        return next(str(e["short_id"]) for e in listed if e.get("original", "").startswith(raw))

    def sets(self, project: str = "") -> list[KeptSet]:
        """Those there are, of one project or of all, newest first.

        Raises:
            ConfigError: the repository does not open.
        """
        if self._is_new():
            return []
        listed = self._list("--tag", f"{_TAG},project={project}" if project else _TAG)
        found = [(entry, dict(tag.partition("=")[::2] for tag in entry["tags"])) for entry in listed]
        kept = [KeptSet(e["short_id"], e["time"][:19] + "Z", t["environment"], t["project"]) for e, t in found]
        return sorted(kept, key=lambda one: one.time, reverse=True)

    def find(self, name: str, project: str) -> KeptSet:
        """The set of that id, or the newest of the project for `latest`.

        Raises:
            UsageError: there is none; those there are are named.
        """
        there = self.sets(project if name == "latest" else "")
        for one in there:
            if name in {one.id, "latest"}:
                return one
        known = ", ".join(f"{one.id} ({one.project}, {one.time})" for one in there) or "none"
        raise UsageError(
            f"snapshot: found no {name} of {project}; there are: {known}. Remedy: `opskit snapshot` makes one"
        )

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """The stream of a set.

        Raises:
            ConfigError: restic could not give all of it.
        """
        with process.read((self._restic, "dump", name, f"/{_FILE}"), env=self._own) as (source, end):
            yield source
            self._check(end())

    def forget(self, project: str, *, last: int, days: int) -> None:
        """Take away the sets of a project beyond the `last` newest that are older than `days`; their room is freed.

        Raises:
            ConfigError: restic could not.
        """
        keep = ("--keep-last", str(last), "--keep-within", f"{days}d", "--group-by", "tags", "--prune")
        self._check(self._run("forget", "--tag", f"{_TAG},project={project}", *keep))

    def _is_new(self) -> bool:
        """Whether opskit's own password was not made yet; one that was lost is not made again: it opens nothing."""
        if self._password is None or self._password.exists():
            return False
        if Path(self.location, "config").exists():
            raise ConfigError(_WRONG.format(said=f"no {self._password}", wanted=f"the password of {self.location}",
                              remedy="put its copy back"))  # fmt: skip
        return True

    def _free_bytes(self) -> float:
        """Room at a repository in a folder; endless for one elsewhere."""
        place = Path(self.location.removeprefix("local:"))
        return shutil.disk_usage(place).free if place.is_dir() else math.inf

    def _is_full(self) -> bool:
        """Whether its disk takes nothing more: restic 0.14 may wait then for ever, without a word."""
        return self._free_bytes() < _FULL_BYTES

    def _with_room(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            if self._free_bytes() < _ROOM_BYTES:
                raise self._no_room()
            yield chunk

    def _no_room(self) -> ConfigError:
        free = f"{self._free_bytes() / 1024**2:,.0f} MiB free at {self.location}"
        return ConfigError(_WRONG.format(said=free, wanted=f"{_ROOM_BYTES // 1024**2} MiB; no set was made",
                           remedy="make room there, or keep fewer sets (`--keep-last`)"))  # fmt: skip

    def _list(self, *words: str) -> list[dict[str, Any]]:
        """What restic lists; nothing where there is no repository."""
        done = self._run("snapshots", "--json", *words)
        if _NONE.search(done.stderr):
            return []
        self._check(done)
        listed: list[dict[str, Any]] = json.loads(done.stdout)
        return listed

    def _unlock(self) -> None:
        """Take away the locks of a restic that was killed; another's that is at work stays. A folder shows them."""
        locks = Path(self.location.removeprefix("local:"), "locks")
        if not locks.is_dir() or any(locks.iterdir()):
            self._check(self._run("unlock"))

    def _run(self, *words: str) -> process.Completed:
        return process.run((self._restic, *words), timeout_s=_ANSWER_S, env=self._own)

    def _check(self, done: process.Completed) -> None:
        if done.rc == 0:
            return
        said = _without_user(" ".join(done.stderr.split())) or f"exit status {done.rc}"
        if "wrong password" in said:
            raise ConfigError(_WRONG.format(said=f"another password than that of {self.location}", wanted="its own",
                              remedy="put its password file back, or name it by RESTIC_PASSWORD_FILE"))  # fmt: skip
        raise ConfigError(_WRONG.format(said=said[-400:], wanted=f"an answer of {self.location}",
                          remedy=f"look with `restic -r {self.location} check`"))  # fmt: skip


def _without_user(text: str) -> str:
    """A text whose URLs name no user and no password."""
    return re.sub(r"(?<=://)[^/@\s]+@", "", text)
