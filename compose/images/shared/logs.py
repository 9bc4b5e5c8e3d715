"""What both services write to their log: what they did, and what is wrong; not that somebody asked how they are."""

from __future__ import annotations

import logging

_PROBES = frozenset({"/health", "/health/live", "/metrics"})


class _NoProbes(logging.Filter):
    """Leaves out uvicorn's lines of probes, one every few seconds; /metrics counts them."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line is kept; its arguments are client, method, path, version and status."""
        args = record.args if isinstance(record.args, tuple) else ()
        return not (len(args) > 2 and str(args[2]).partition("?")[0] in _PROBES)  # noqa: PLR2004


def set_up_logs(level: str) -> None:
    """Set up the log of this process.

    Args:
        level: of the services' own lines.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    logging.getLogger("uvicorn.access").addFilter(_NoProbes())
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # a store that does not answer has a line of ours
    for name in ("service", "jobs", "models"):
        logging.getLogger(name).setLevel(level.upper())
