"""How many uploads are taken in at once: the others wait before a byte of them is read."""

from __future__ import annotations

import asyncio

from fastapi import HTTPException, Request
from fastapi.responses import JSONResponse
from service import need_key
from starlette.types import ASGIApp, Receive, Scope, Send


class Gate:
    """Lets so many uploads in at once, and none without the key.

    An upload takes a thread, a connection to PostgreSQL and its content, twice, of /tmp, which is memory. What is left
    of threads and connections answers `/health` and queries meanwhile.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        """Wrap an application.

        Args:
            app: what is wrapped.
            most: uploads at once.
        """
        self._app = app
        self._turns = asyncio.Semaphore(most)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, an upload when it is its turn."""
        if scope["type"] != "http" or not scope["path"].startswith("/api/v1/process/"):
            await self._app(scope, receive, send)
            return
        try:
            need_key(Request(scope))
        except HTTPException as error:
            await JSONResponse({"detail": error.detail}, error.status_code)(scope, receive, send)
            return
        async with self._turns:
            await self._app(scope, receive, send)
