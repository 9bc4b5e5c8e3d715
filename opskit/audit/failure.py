"""How a recorded run that failed ends papermill's command line, its Python interface, and opskit's."""

from __future__ import annotations

import click
from papermill.exceptions import PapermillException

from opskit import errors


class RunFailedError(click.ClickException, PapermillException, errors.OpskitError):  # type: ignore[misc]  # papermill has no types
    """A recorded run failed: the command line shows the message alone and exits with the error's own status.

    Callers of papermill's Python interface catch it as papermill's exception, or as opskit's.

    Args:
        message: what was found, wanted and what to do.
        name: of the exception that ended the run; one of `opskit.errors` brings its exit status.

    Attributes:
        name: as given.
        exit_status: of a command that ends so.
    """

    def __init__(self, message: str, name: str = "") -> None:
        super().__init__(message)
        self.name = name
        known = getattr(errors, name, None)
        self.exit_status = known.exit_status if isinstance(known, type) and issubclass(known, errors.OpskitError) else 1
        self.__dict__["exit_code"] = self.exit_status  # click declares it for the class
