"""Small stacks for the rules of opskit.lint.lint: a sound service, and what one rule says about a changed one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opskit.compose.model import parse_stack
from opskit.lint.lint import LintFault, lint

SOUND: Mapping[str, Any] = {
    "image": "nginx:1.30.4-alpine",
    "restart": "unless-stopped",
    "mem_limit": "1024",
    "healthcheck": {"test": ["CMD", "curl", "-f", "http://127.0.0.1/"]},
    "logging": {"options": {"max-size": "10m"}},
}


def sound(**changed: Any) -> dict[str, Any]:
    """The sound service with these keys instead; None takes one away."""
    return {key: value for key, value in {**SOUND, **changed}.items() if value is not None}


def faults(
    services: Mapping[str, Any] | None = None,
    *,
    text: str = "{}",
    present: Mapping[str, bool] | None = None,
    **top: Any,
) -> tuple[LintFault, ...]:
    """All faults of these services, and of a file c.yml of that text; `top` are other sections of the stack."""
    stack = parse_stack({"name": "p", "services": services or {}, **top})
    return lint(stack, texts={"c.yml": text}, root="/project", present=present, secrets={"REDIS_PASSWORD"})


def places(rule: str, services: Mapping[str, Any] | None = None, **more: Any) -> list[str]:
    """Where that rule found something."""
    return [fault.place for fault in faults(services, **more) if fault.rule == rule]


def breaks(rule: str, **changed: Any) -> bool:
    """Whether that rule finds fault with the sound service changed so."""
    return bool(places(rule, {"web": sound(**changed)}))
