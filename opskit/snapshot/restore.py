"""From a set back into databases and volumes, and whether they have what was kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from opskit.snapshot.databases import Databases
from opskit.snapshot.repository import KeptSet, Repository
from opskit.snapshot.stream import Head, Part, SetReader

Refuse = Callable[[Head], None]
Fill = Callable[[str, Iterator[bytes]], None]


def read_whole(
    repository: Repository, kept: KeptSet, refuse: Callable[[Head], None] = lambda _: None
) -> dict[str, Part]:
    """Read every byte of a set; its parts.

    Args:
        repository: that keeps it.
        kept: the set.
        refuse: raises where whose it is does not fit; nothing else was read by then.

    Raises:
        ConfigError: it is not what was written.
    """
    with repository.open(kept.id) as stream:
        reader = SetReader(stream, f"set {kept.id}")
        refuse(reader.head)
        for _ in reader.read():
            pass
    return reader.parts


def restore_databases(
    databases: Databases | None,
    reader: SetReader,
    sizes: dict[str, int],
    fill: Fill = lambda *_: None,
) -> Iterator[str]:
    """Put back each part; yields the names of databases, each once it is there.

    Args:
        databases: a PostgreSQL that runs; None leaves dumps and roles out.
        reader: of the set.
        sizes: bytes by part.
        fill: takes name and content of a volume.

    Raises:
        NotReadError: PostgreSQL refused a part.
        ConfigError: the set is not what was written.
    """
    for name, content in reader.read():
        if name == "roles" and databases:
            databases.restore_roles(content, sizes[name])
        elif name.startswith("postgres/") and databases:
            databases.restore(name.removeprefix("postgres/"), content, sizes[name])
            yield name
        elif name.startswith("volume/"):
            fill(name, content)


def counted(part: Part) -> str:
    """How many rows in how many tables, in words; empty for what is no database."""
    return f"{sum(int(rows) for rows, _ in part.rows.values()):,} in {len(part.rows)} tables" if part.rows else ""


def differences(part: Part, found: dict[str, list[str]] | None) -> Iterator[str]:
    """What a database has other than it had when it was kept."""
    if found is None:
        return
    for table in sorted(part.rows.keys() | found.keys()):
        kept, there = part.rows.get(table), found.get(table)
        if kept != there:
            words = [f"{told[0]} rows, checksum {told[1]}" if told else "no such table" for told in (kept, there)]
            yield f"{part.name} {table}: kept {words[0]}; found {words[1]}"
