"""A set as one stream: a tar whose first member says whose it is, whose last says what is in it.

A part is cut into members of a few MB, since its size is not known before it ends. restic keeps a stream only when it
ended well, so that there is no half of a set.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import json
import tarfile
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import IO, Any

from opskit.errors import ConfigError

SCHEMA = 1
Rows = dict[str, list[str]]
"""How many, and a checksum that does not depend on their order, by table, collection or bucket."""
_BLOCK = 4 * 1024**2
_HEAD, _MANIFEST = "head.json", "manifest.json"


@dataclass(frozen=True, slots=True)
class Head:
    """Whose set it is, known before its first byte.

    Attributes:
        environment: its name.
        project: the Compose project; a rehearsal's says so.
        env_file: text of the env file; empty where there is none.
        versions: of the programs whose data it is, such as `postgres`.
        schema: of this layout.
    """

    environment: str
    project: str
    env_file: str
    versions: dict[str, str]
    schema: int = SCHEMA


@dataclass(slots=True)
class Part:
    """One dump or volume.

    Attributes:
        name: `postgres/<database>`, `roles` or `volume/<key>`.
        bytes: how long it is.
        sha256: of all of it.
        rows: for a database, (rows, checksum) by table, of the same moment as the dump; for a store, (points,
            checksum) by collection or (objects, checksum) by bucket, where none changed while it was copied.
    """

    name: str
    bytes: int = 0
    sha256: str = ""
    rows: Rows = field(default_factory=dict)


def write_set(
    head: Head, parts: Iterable[tuple[Part, Iterable[bytes]]], tell: Callable[[Part], None] = lambda _: None
) -> Generator[bytes]:
    """The stream; bytes and SHA-256 of each part are filled in as it passes.

    Args:
        head: its first member.
        parts: each with its content, read one after the other; `rows` is read when its content has ended.
        tell: called when a part has ended.
    """
    yield from _member(_HEAD, json.dumps(asdict(head)).encode())
    done = []
    for part, content in parts:
        digest = hashlib.sha256()
        with contextlib.ExitStack() as opened:
            if isinstance(content, Generator):  # where this is given up, no container stays paused for it
                opened.callback(content.close)
            for number, block in enumerate(_blocks(content)):
                digest.update(block)
                part.bytes += len(block)
                yield from _member(f"{part.name}/{number:06}", block)
        part.sha256 = digest.hexdigest()
        done.append(part)
        tell(part)
    yield from _member(_MANIFEST, json.dumps([asdict(part) for part in done]).encode())
    yield bytes(2 * tarfile.BLOCKSIZE)


def _member(name: str, data: bytes) -> Iterator[bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o600
    yield info.tobuf(tarfile.PAX_FORMAT)
    yield data
    yield bytes(-len(data) % tarfile.BLOCKSIZE)


def _blocks(content: Iterable[bytes]) -> Iterator[bytes]:
    """The content in blocks of one size; an empty one has one empty block."""
    held = io.BytesIO()
    number = 0
    for chunk in content:
        held.write(chunk)
        if held.tell() >= _BLOCK:
            yield held.getvalue()
            held, number = io.BytesIO(), number + 1
    if held.tell() or not number:
        yield held.getvalue()


class SetReader:
    """Reads a set's stream from its begin to its end.

    Attributes:
        head: whose it is.
        parts: by name, what the manifest says; there once `read` has ended.
    """

    def __init__(self, stream: IO[bytes], place: str) -> None:
        self._place = place
        with self._whole():
            self._tar = tarfile.open(fileobj=stream, mode="r|")  # noqa: SIM115  it ends with its stream
        first = self._next()
        said = self._json(first) if first is not None and first.name == _HEAD else {}
        if said.get("schema") != SCHEMA:
            raise self._broken(f"schema {said.get('schema')}; wanted {SCHEMA}")
        self.head = Head(**said)
        self.parts: dict[str, Part] = {}

    def read(self) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Name and content of each part, as they come; what the caller leaves is skipped, but counted.

        Raises:
            ConfigError: a part is not what was written, or the stream ends early; named with its place.
        """
        found: dict[str, Part] = {}
        for name, members in itertools.groupby(iter(self._next, None), key=lambda info: info.name.rpartition("/")[0]):
            if not name:
                manifest = self._json(next(members))  # not one more: the stream goes no way back
                self.parts = {part["name"]: Part(**part) for part in manifest}
                break
            part, digest = Part(name), hashlib.sha256()
            content = self._content(members, part, digest)
            yield name, content
            for _ in content:
                pass
            part.sha256 = digest.hexdigest()
            found[name] = part
        else:
            raise self._broken("no manifest at its end")
        if found.keys() != self.parts.keys():
            raise self._broken(f"parts {sorted(found)}; its manifest names {sorted(self.parts)}")
        for name, part in found.items():
            wanted = self.parts[name]
            if (part.bytes, part.sha256) != (wanted.bytes, wanted.sha256):
                raise self._broken(f"{name}: {part.bytes} bytes of another SHA-256; {wanted.bytes} were written")

    def _content(self, members: Iterable[tarfile.TarInfo], part: Part, digest: Any) -> Iterator[bytes]:  # noqa: ANN401
        for info in members:
            data = self._read(info)
            digest.update(data)
            part.bytes += len(data)
            yield data

    def _next(self) -> tarfile.TarInfo | None:
        with self._whole():
            return self._tar.next()

    def _read(self, info: tarfile.TarInfo) -> bytes:
        with self._whole():
            source = self._tar.extractfile(info)
            return source.read() if source else b""

    def _json(self, info: tarfile.TarInfo) -> Any:  # noqa: ANN401  JSON is any
        with self._whole():
            return json.loads(self._read(info))

    @contextlib.contextmanager
    def _whole(self) -> Iterator[None]:
        try:
            yield
        except (tarfile.TarError, OSError, ValueError) as error:
            raise self._broken(str(error)) from None

    def _broken(self, why: str) -> ConfigError:
        return ConfigError(
            f"{self._place}: found {why}; wanted a whole set. Remedy: take another; `restic check` tells what the "
            "repository has lost"
        )
