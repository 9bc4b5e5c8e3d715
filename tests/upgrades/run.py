# ruff: noqa: T201  a program that prints
"""Prints, for every case, how an upgrade that fails in that way ended; `make upgrades`, words pick cases.

Exit status 1 where one did not end in the old version, ready, with every row, object, point and key.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from opskit.engine.client import connect
from opskit.files import make_folder
from opskit.paths import STATE
from tests.checkout import Checkout, make_checkout
from tests.upgrades.bench import Bench, bench
from tests.upgrades.cases import CASES
from tests.upgrades.data import Data
from tests.upgrades.harness import DEV, Result, run_case, run_major

MAJOR = "PostgreSQL of a newer major, by way of a set"


@contextmanager
def opened() -> Iterator[tuple[Checkout, Bench, Path]]:
    """A development that runs on an Engine of its own, with its own repository; and a folder on a disk of 100 MiB."""
    make_folder(STATE / "cache")
    with (
        tempfile.TemporaryDirectory() as folder,
        bench(Path(folder)) as own_engine,
        closing(connect(own_engine.place.host)) as client,
    ):
        small, root = Path(folder, "small"), Path(folder, "checkout")
        checkouts = make_checkout(root, client, own_engine.place.host)
        checkout = next(checkouts)
        (root / ".opskit").mkdir()
        (root / ".opskit/cache").symlink_to(STATE / "cache")
        for disk, size in ((small, "100m"), (root / "audit", "64m")):
            disk.mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", disk], check=True)
        Path(folder, "password").write_text("of the test")
        own = {"RESTIC_REPOSITORY": f"{folder}/sets", "RESTIC_PASSWORD_FILE": f"{folder}/password"}
        checkout.environ.update(own)
        try:
            done = checkout.opskit("start", *DEV)
            assert done.returncode == 0, done.stderr
            yield checkout, own_engine, small
        finally:
            next(checkouts, None)
            subprocess.run(["umount", small, root / "audit"], check=True)


def main() -> int:
    words = sys.argv[1:]
    picked = [case for case in CASES if not words or any(word in case.name for word in words)]
    major = not words or any(word in MAJOR for word in words)
    wrong = 0
    with opened() as (checkout, own_engine, small):
        data = Data(checkout)
        data.put()
        print(f"before each: {data.count()}\n")
        print("| an upgrade with | ended | s | way back, s | everything as before |")
        print("| --- | --- | ---: | ---: | --- |", flush=True)
        for case in picked:
            environ = {name: value.format(small=small) for name, value in case.environ.items()}
            result = run_case(checkout, replace(case, environ=environ), data, own_engine)
            wrong += tell(case.name, case.ends, result)
        if major:
            wrong += tell(MAJOR, "moved on", run_major(checkout, data))
    count = len(picked) + major
    print(f"\n{count - wrong} of {count} right")
    return int(bool(wrong))


def tell(name: str, ended: str, result: Result) -> int:
    """Print a row. Returns 1 where something is wrong."""
    back = f"{result.back_s:.0f}" if result.back_s else ""
    kept = "; ".join(result.faults) or "yes"
    print(f"| {name} | {ended} ({result.status}) | {result.seconds:.0f} | {back} | {kept} |", flush=True)
    if result.faults:
        print(result.said, file=sys.stderr, flush=True)
    return int(bool(result.faults))


if __name__ == "__main__":
    sys.exit(main())
