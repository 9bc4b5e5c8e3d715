"""JupyterLab over the runbook: opskit's notebooks are open to be read and run, and never written.

What an operator tries out in a parameter cell would else be autosaved into the file that automation runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from tornado.web import HTTPError

from opskit.paths import NOTEBOOKS


class RunbookContents(AsyncLargeFileManager):
    """Jupyter's contents manager; what is a shipped notebook is not writable, so that JupyterLab does not autosave."""

    async def get(self, path: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  as Jupyter has it
        """The model of a file or folder."""
        model = await super().get(path, *args, **kwargs)  # type: ignore[no-untyped-call]
        if self._is_shipped(path):
            model["writable"] = False
        return model

    async def save(self, model: Any, path: str = "") -> Any:  # noqa: ANN401
        """Write it where it may be written.

        Raises:
            HTTPError: 403; it is one of opskit's notebooks. JupyterLab shows the message.
        """
        if self._is_shipped(path):
            raise HTTPError(
                403,
                f"{path} is what automation runs, and is not written from JupyterLab: a run keeps what it was given "
                "in its own record. To keep an edit, save it under another name (File, Save Notebook As).",
            )
        return await super().save(model, path)  # type: ignore[no-untyped-call]

    def _is_shipped(self, path: str) -> bool:
        place = Path(self._get_os_path(path)).resolve()  # type: ignore[no-untyped-call]
        return place.suffix == ".ipynb" and place.is_relative_to(NOTEBOOKS.resolve()) and place.exists()
