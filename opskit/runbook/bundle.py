"""One archive for a colleague: what preflight saw, what a launch would do, how it stands, its last lines. No secret."""

from __future__ import annotations

import io
import json
import os
import tarfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from opskit.audit.history import read_runs_of
from opskit.errors import OpskitError
from opskit.files import utc_stamp
from opskit.paths import AUDIT
from opskit.preflight.archive import to_json
from opskit.runbook.logs import Logs
from opskit.runbook.start import Start
from opskit.runbook.status import Status
from opskit.show.tables import Table

_LINES = 300
_RECORD = ("record.json", "events.jsonl")


class Bundle:
    """Reads everything of one environment that explains a trouble; nothing of it is changed.

    Args:
        env: name or alias of an environment.
        overlays: as it was started with.
        rehearse: as in `Start`.

    Raises:
        UsageError: no such environment or overlay.
    """

    def __init__(self, *, env: str, overlays: str = "", rehearse: str | bool = "no") -> None:
        self.start = Start(env=env, overlays=overlays, rehearse=rehearse)

    def write(self, folder: str) -> Table:
        """Write the archive, readable by its owner alone; a part that cannot be read says why in its place.

        Args:
            folder: where to; empty is the working directory.

        Raises:
            OpskitError: it cannot be written.
        """
        name = f"opskit-{self.start.environment.name}-{utc_stamp()}"
        place = Path(folder or ".") / f"{name}.tar.gz"
        redact = self.start.target.redact()
        parts = {part: redact(_text_of(read)) for part, read in self._parts()}
        try:
            file = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(file, "wb") as sink, tarfile.open(fileobj=sink, mode="w:gz") as archive:
                for part, text in parts.items():
                    _add(archive, f"{name}/{part}", text)
        except OSError as error:
            remedy = f"`ls -ld {place.parent}`; a folder that is there and that this user may write to"
            raise OpskitError(f"bundle: {place} cannot be written: {error.strerror or error}", remedy) from None
        rows = [(part, f"{len(text.encode())} bytes") for part, text in parts.items()]
        return Table(f"Written: {place.resolve()}", ("part", "size"), rows, self.start.rehearse)

    def _parts(self) -> Iterator[tuple[str, Callable[[], str]]]:
        start = self.start
        name, level = start.environment.name, start.level
        yield "versions.json", lambda: json.dumps(start.target.versions(), indent=1)
        yield "facts.json", lambda: to_json(start.target.facts, start.target.redact())
        yield "preflight.txt", lambda: str(start.preflight())
        yield "plan.txt", lambda: str(start.plan_table())
        yield "status.txt", lambda: str(Status(env=name, rehearse=level).services())
        yield "logs.txt", lambda: _lines(Logs(env=name, lines=_LINES, rehearse=level).table())
        for folder, _ in islice(read_runs_of(AUDIT, name), 1):
            for file in _RECORD:
                yield f"last-run/{file}", (folder / file).read_text


def _lines(table: Table) -> str:
    return "\n".join("  ".join(row) for row in table.rows)


def _text_of(read: Callable[[], str]) -> str:
    try:
        return read()
    except (OpskitError, OSError) as error:
        return f"not read: {error}"


def _add(archive: tarfile.TarFile, name: str, text: str) -> None:
    data = text.encode()
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = len(data), int(time.time()), 0o600
    archive.addfile(entry, io.BytesIO(data))
