"""The kernel of a recorded run: encrypted, quiet, and what it writes as it dies belongs to the record."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jupyter_client.manager import AsyncKernelManager
from traitlets.config import Config

from opskit.audit.journal import Journal

LOG = "kernel.log"

_ENCRYPTED = Config({"KernelManager": {"transport_encryption": "required"}})
"""ipykernel 7 warns of a plain TCP transport on every run, and rightly: other users of the host could listen."""

_QUIET = ["--log-level=CRITICAL"]
"""What ipykernel logs at an interrupt ("KeyboardInterrupt caught in kernel", tracebacks of closed sockets) would stand
between the lines of the run; what a cell says and raises does not go by its log."""


@contextmanager
def kernel_options(journal: Journal) -> Iterator[dict[str, Any]]:
    """What nbclient is told of a run's kernel, whose stderr is kept as `kernel.log` where there was any.

    What cells write goes by Jupyter's messages. What is left is of a kernel that crashes (a stack of C, an assertion
    of libzmq as it ends): on the terminal it stood above the answer, and the record did not have it.
    """
    with tempfile.TemporaryFile() as sink:

        class Manager(AsyncKernelManager):
            async def _async_start_kernel(self, **kwargs: Any) -> None:  # noqa: ANN401
                await super()._async_start_kernel(stderr=sink, **kwargs)

            start_kernel = _async_start_kernel

        try:
            yield {"config": _ENCRYPTED, "extra_arguments": _QUIET, "kernel_manager_class": Manager}
        finally:
            sink.seek(0)
            if text := sink.read().decode(errors="replace"):
                journal.keep(LOG, text)
