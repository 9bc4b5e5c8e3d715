"""Pulls images through the Engine, several at once, and knows how far each is."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docker import DockerClient

_GOT = frozenset({"Download complete", "Verifying Checksum", "Extracting", "Pull complete"})


@dataclass(slots=True)
class Pulling:
    """One image being pulled, in a thread of its own.

    Attributes:
        layers: bytes there and bytes in all, by layer, of those whose size is known yet.
        error: the Engine's own text; empty while there is none.
        moved: monotonic time of the last step forward.
    """

    image: str
    platform: str | None = None
    layers: dict[str, tuple[int, int]] = field(default_factory=dict)
    error: str = ""
    ended: bool = False
    moved: float = field(default_factory=time.monotonic)

    @property
    def bytes(self) -> tuple[int, int]:
        """Bytes there, and in all as far as known."""
        there = tuple(self.layers.values())
        return sum(got for got, _ in there), sum(whole for _, whole in there)

    def start(self, client: DockerClient) -> None:
        """Begin; a pull that is given up goes on in the Engine, and a later one takes it up."""
        threading.Thread(target=self._pull, args=(client,), name=f"pull of {self.image}", daemon=True).start()

    def _pull(self, client: DockerClient) -> None:
        from docker.errors import DockerException  # noqa: PLC0415  docker is imported where it is used
        from requests.exceptions import RequestException  # noqa: PLC0415

        try:
            for step in client.api.pull(self.image, stream=True, decode=True, platform=self.platform):
                self._take(step)
        except (DockerException, RequestException) as error:
            self.error = str(getattr(error, "explanation", None) or error)
        finally:
            self.ended = True

    def _take(self, step: dict[str, Any]) -> None:
        """One line of the Engine's. Source: moby pkg/jsonmessage, `{id, status, progressDetail: {current, total}}`."""
        if "error" in step:
            self.error = str(step["error"])
            return
        identity, status = step.get("id", ""), step.get("status", "")
        detail = step.get("progressDetail") or {}
        before = self.layers.get(identity)
        if status == "Downloading" and detail.get("total"):
            self.layers[identity] = (int(detail.get("current", 0)), int(detail["total"]))
        elif status in _GOT and before is not None:
            self.layers[identity] = (before[1], before[1])
        if self.layers.get(identity) != before or status != "Downloading":
            self.moved = time.monotonic()
