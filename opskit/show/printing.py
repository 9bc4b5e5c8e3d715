"""Tables on a terminal and in a pipe."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from opskit.show.tables import FindingsTable, Table


def print_tables(tables: Iterable[Table | FindingsTable]) -> None:
    """Each table as it comes, an empty line between two; as wide as the terminal and in colour where it is one."""
    for number, table in enumerate(tables):
        if number:
            click.echo()
        if sys.stdout.isatty():
            from rich import print as show  # noqa: PLC0415  only there

            show(table)
        else:
            click.echo(str(table))


def print_json(value: object) -> None:
    """A value as JSON."""
    click.echo(json.dumps(value, indent=1))
