"""How a recorded run that failed ends papermill's command line, and opskit's."""

from __future__ import annotations

import click

from opskit import errors


class RunFailedError(click.ClickException):
    """A recorded run failed: the command line shows the message alone and exits with the error's own status.

    Args:
        message: what was found, wanted and what to do.
        name: of the exception that ended the run; one of `opskit.errors` brings its exit status.
    """

    def __init__(self, message: str, name: str = "") -> None:
        super().__init__(message)
        known = getattr(errors, name, None)
        status = known.exit_status if isinstance(known, type) and issubclass(known, errors.OpskitError) else 1
        vars(self)["exit_code"] = status  # click declares it for the class
