# ruff: noqa: T201, S311  a program that prints; no secret is drawn
"""Kills snapshots, restores and upgrades at random moments: `python tests/upgrades/moments.py [HOW MANY [SEED]]`.

After each the documented way back is taken, and every row, object, point, key, container and image is as before. Exit
status 1 where one is not.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from tests.checkout import Checkout
from tests.upgrades.cases import CASES
from tests.upgrades.data import Data
from tests.upgrades.harness import DEV, changed, state_of
from tests.upgrades.run import opened

MIGRATES = next(case for case in CASES if case.name == "a newer image that migrates its data, then crashes")


def killed(checkout: Checkout, after_s: float, *words: str) -> str:
    """Run a command and kill it and its kernel; how far it came, in words."""
    command = [sys.executable, "-m", "opskit", words[0], *DEV, *words[1:]]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        command, env=checkout.environ, cwd=checkout.root, stdout=quiet, stderr=quiet, start_new_session=True
    ) as run:
        try:
            return f"it had ended ({run.wait(after_s)})"
        except subprocess.TimeoutExpired:
            children = subprocess.run(["pgrep", "-P", str(run.pid)], capture_output=True, text=True, check=False)
            for pid in (*children.stdout.split(), str(run.pid)):
                subprocess.run(["kill", f"-{int(signal.SIGKILL)}", pid], check=False)
    time.sleep(1)
    return "killed"


def well(checkout: Checkout, *words: str) -> list[str]:
    """Run a command; its fault where it did not end well."""
    done = checkout.opskit(words[0], *DEV, *words[1:])
    return [] if done.returncode == 0 else [f"{words[0]}: {done.stderr}"]


def snapshot(checkout: Checkout, after_s: float) -> tuple[str, list[str]]:
    """Killed, then made."""
    return killed(checkout, after_s, "snapshot"), well(checkout, "snapshot")


def restore(checkout: Checkout, after_s: float) -> tuple[str, list[str]]:
    """A set, put back into what was stopped: killed, then put back."""
    faults = well(checkout, "snapshot")
    back = ("restore", "--snapshot", checkout.last()[1]["snapshot"]["set"], "--confirm", checkout.project)
    faults += well(checkout, "stop")
    how = killed(checkout, after_s, *back)
    return how, faults + well(checkout, "stop") + well(checkout, *back)


def upgrade(checkout: Checkout, after_s: float) -> tuple[str, list[str]]:
    """To an image that migrates its data and crashes: killed, then gone back from where it had begun."""
    mark = checkout.root / f".opskit/{checkout.project}.unfinished-upgrade"
    with changed(checkout, MIGRATES):
        how = killed(checkout, after_s, "upgrade", "--confirm", checkout.project, "--observe-s", "4")
        begun = mark.exists()
        faults = well(checkout, "rollback", "--confirm", checkout.project) if begun else []
    return f"{how}, {'begun' if begun else 'not begun'}", faults


ACTS: tuple[tuple[Callable[[Checkout, float], tuple[str, list[str]]], float], ...] = (
    (snapshot, 9.0),
    (restore, 30.0),
    (upgrade, 45.0),
)
"""Each with the seconds in which it is killed."""


def main() -> int:
    """Print a row for each."""
    many, seed = (int(word) for word in (*sys.argv[1:], *("12", "1")[len(sys.argv) - 1 :]))
    draw, wrong = random.Random(seed), 0
    with opened() as (checkout, _, _):
        data = Data(checkout)
        data.put()
        counted, before = data.count(), state_of(checkout)
        print(f"before each: {counted}; seed {seed}\n\n| killed | after, s | | everything as before |", flush=True)
        print("| --- | ---: | --- | --- |", flush=True)
        for number in range(many):
            act, longest_s = ACTS[number % len(ACTS)]
            after_s = draw.uniform(0.3, longest_s)
            how, faults = act(checkout, after_s)
            faults += [f"{data.count()} after"] if data.count() != counted else []
            now = state_of(checkout)
            faults += [f"{name}: {was} before, {now[name]} after" for name, was in before.items() if now[name] != was]
            wrong += bool(faults)
            print(f"| {act.__name__} | {after_s:.1f} | {how} | {'; '.join(faults) or 'yes'} |", flush=True)
    print(f"\n{many - wrong} of {many} right")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
