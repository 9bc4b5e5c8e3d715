"""The command `opskit`: holds interrupts back until what it loads can record them."""

from __future__ import annotations

import sys

from opskit.audit.interrupt import held


def main(arguments: list[str] | None = None) -> int:
    """Run the command line. Returns the exit status: 0 done, 1 failed, 2 usage, 130 interrupted."""
    try:
        with held():
            from opskit.cli import run_command  # noqa: PLC0415  half a second in which an interrupt is no one's

            return run_command(arguments)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)  # noqa: T201  a command line prints
        return 130


if __name__ == "__main__":
    sys.exit(main())
