"""Where a busy published port can go; pure. Only the host's side of a port ever moves."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from opskit.compose.model import Port

_LAST = 65535
_REACH = 500
"""How far from its own number a port is looked for: near ones are remembered more easily."""


def plan_moves(
    busy: Iterable[Port], values: Mapping[str, int], taken: Collection[int]
) -> tuple[Mapping[str, int], tuple[Port, ...]]:
    """A new value for the variable of each busy port: the next number that is free.

    Args:
        busy: published ports that somebody else holds.
        values: the port each variable publishes now.
        taken: every number that is held on the host or published by the stack.

    Returns:
        The new values by variable, and the busy ports that no variable moves.
    """
    variable_of = {port: name for name, port in values.items()}
    used = set(taken)
    moves: dict[str, int] = {}
    stuck = []
    for port in busy:
        start = port.published or 0
        name = variable_of.get(start)
        free = next((n for n in range(start + 1, min(start + _REACH, _LAST)) if n not in used), None)
        if name is None or free is None:
            stuck.append(port)
        elif name not in moves:
            moves[name] = free
            used.add(free)
    return moves, tuple(stuck)
