"""opskit: a notebook operations runbook for the LLM Multimodal Stack.

Imports nothing heavy: a public name is fetched from its room when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opskit.launch import launch_project

__all__ = ["launch_project"]

_HOMES = {"launch_project": "opskit.launch"}


def __getattr__(name: str) -> Any:  # noqa: ANN401  whatever the name is
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'opskit' has no attribute {name!r}")
