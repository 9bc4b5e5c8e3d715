"""Tables on a terminal and in a pipe."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

from opskit.errors import OpskitError, UsageError
from opskit.plain import plain_text

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


def print_again(look: Callable[[], Iterable[Table | FindingsTable]]) -> None:
    """One of many looks: the whole answer replaces the last on a terminal; an Engine that is away may come back.

    Args:
        look: reads the tables.

    Raises:
        UsageError: it was asked for what there is not; no look helps.
    """
    fault, tables = "", list[Any]()
    try:
        tables = list(look())
    except UsageError:
        raise
    except OpskitError as error:
        fault = plain_text(str(error))
    click.clear()  # nothing where it is no terminal
    click.echo(time.strftime("%Y-%m-%d %H:%M:%S UTC, Ctrl-C ends", time.gmtime()))
    print_tables(tables)
    if fault:
        click.echo(fault)


def print_json(value: object) -> None:
    """A value as JSON."""
    click.echo(json.dumps(value, indent=1))
