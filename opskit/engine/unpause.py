"""Lets containers go on where the process that paused them was killed: `python -m opskit.engine.unpause HOST ID...`."""

from __future__ import annotations

import contextlib
import sys

from opskit.engine.client import connect


def main() -> None:
    """Wait for the end of the input; where nothing was said before it, unpause what is named."""
    if sys.stdin.read():
        return
    from docker.errors import DockerException  # noqa: PLC0415  docker is imported where it is used

    host, *containers = sys.argv[1:]
    client = connect(host)
    for container in containers:
        with contextlib.suppress(DockerException):  # it is gone, or goes on already
            client.api.unpause(container)
    client.close()


if __name__ == "__main__":
    main()
