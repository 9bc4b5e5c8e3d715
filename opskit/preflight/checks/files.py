"""Checks of the files and folders that are mounted; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from opskit.compose.model import Compose, Stack
from opskit.preflight.finding import Finding, Verdict
from opskit.unknown import Unknown


class _Source(NamedTuple):
    owner: str
    path: str
    file: bool
    """Whether a file is meant, as far as its name tells."""
    made: bool
    """Whether the files let the Engine make a folder where nothing is (`create_host_path`)."""


_SILENT = (5, 0, 0)
"""Since this Compose a `create_host_path` that is true goes unsaid; before, one that is false did (5.6.1, 2.40.3)."""


def check_file_present(stack: Stack, kinds: Mapping[str, str], compose: Compose | Unknown) -> tuple[Finding, ...]:
    """Every bind mount, config file and secret file is there, and is a file where a file is meant.

    Args:
        stack: the resolved model.
        kinds: by each path of `stack.bind_sources`, what is there: file, directory, missing or unreadable.
        compose: the one that resolved it.
    """
    silent = isinstance(compose, Compose) and compose.version >= _SILENT
    return tuple(_judge(source, kinds.get(source.path, "unreadable")) for source in _sources(stack, silent=silent))


def _sources(stack: Stack, *, silent: bool) -> Iterator[_Source]:
    for service in stack.services:
        for mount in service.raw.get("volumes") or ():
            if mount["type"] == "bind":
                options: Mapping[str, Any] | None = mount.get("bind")
                made = options is not None and options.get("create_host_path", silent)
                yield _Source(service.name, mount["source"], _is_file(mount["source"], mount["target"]), made)
    for section in ("configs", "secrets"):
        for name, entry in (stack.raw.get(section) or {}).items():
            if "file" in entry:
                yield _Source(f"{section}/{name}", entry["file"], file=True, made=False)


def _is_file(source: str, target: str) -> bool:
    """`nginx.conf` mounted on `nginx.conf` is meant as a file; `conf.d`, or a name without suffix, may be either."""
    suffix = PurePosixPath(source).suffix
    return bool(suffix) and suffix == PurePosixPath(target).suffix and suffix != ".d"


def _judge(source: _Source, found: str) -> Finding:
    wanted = "a file" if source.file else "a file or folder"
    restore = f"put it there (`git restore {source.path}` where it is the project's own), or correct the path"
    verdict, remedy = Verdict.PASS, ""
    if found == "unreadable":
        verdict, remedy = Verdict.SKIP, f"look with `sudo ls -ld {source.path}`"
    elif found == "directory" and source.file:
        verdict = Verdict.FAIL
        remedy = f"`rmdir {source.path}` (an Engine makes a folder where the file was missing), then {restore}"
    elif found == "missing" and source.made and not source.file:
        verdict, remedy = Verdict.WARN, f"`mkdir -p {source.path}`; the Engine makes it otherwise, owned by root"
    elif found == "missing":
        verdict, remedy = Verdict.FAIL, restore
    said = f"{source.path}: {found}"
    return Finding("file-present", verdict, source.owner, said, wanted, remedy, required=False)


def check_file_readable(stack: Stack, modes: Mapping[str, int]) -> tuple[Finding, ...]:
    """What is mounted may be read by a container's user, who is nobody of this host.

    Args:
        stack: its bind mounts are looked at, but for those of services that say they run as root.
        modes: permission bits by path, where something is there.
    """
    wanted = "readable by all"
    roots = {s.name for s in stack.services if str(s.raw.get("user", "")).partition(":")[0] in {"root", "0"}}
    mounted = [(owner, path) for owner, path in stack.bind_sources if path in modes and owner not in roots]
    closed = [(owner, path) for owner, path in mounted if not modes[path] & 0o004]
    if not closed:
        return (Finding("file-readable", Verdict.PASS, "mounted files", f"{len(modes)} looked at", wanted),)
    return tuple(
        Finding("file-readable", Verdict.WARN, owner, f"{path}: {modes[path]:04o}", wanted, f"`chmod o+rX {path}`")
        for owner, path in closed
    )


def _not_known(volume: str, wanted: str) -> Finding:
    found = "not known: this user may not look into it, and no container mounts it"
    remedy = "`sudo` the preflight once after a change of PostgreSQL's image: `sudo opskit preflight`"
    return Finding("data-version", Verdict.SKIP, volume, found, f"PostgreSQL {wanted}", remedy, required=False)


def check_data_version(stack: Stack, majors: Mapping[str, str]) -> tuple[Finding, ...]:
    """PostgreSQL's data is of the major its image has; another refuses to start on it, or starts beside it, empty.

    Args:
        stack: services whose image is a postgres are looked at.
        majors: of the data by volume key (`postgres_data`), where a volume holds some; empty where nobody may look.
    """
    rows = []
    for service in stack.services:
        wanted = service.postgres_major
        for mount in service.mounts:
            if wanted and mount.kind == "volume" and mount.source in majors:
                found = majors[mount.source]
                if not found:
                    rows.append(_not_known(mount.source, wanted))
                    continue
                good = found == wanted
                back = f"set image and mount of {service.name} back to those of PostgreSQL {found}"
                again = f"`opskit stop` and, with {wanted}, `opskit restore`, which makes the databases again"
                move = f"; to move on, `opskit snapshot` with {found} running, then {again}"
                older = (major := found.partition(".")[0]).isdigit() and int(major) < int(wanted)
                remedy = "" if good else f"{back}{move if older else ''}"
                verdict = Verdict.PASS if good else Verdict.FAIL
                said = f"PostgreSQL {found}"
                rows.append(Finding("data-version", verdict, mount.source, said, f"PostgreSQL {wanted}", remedy))
    return tuple(rows)
