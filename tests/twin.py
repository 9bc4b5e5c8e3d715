"""A container like one of a stack's: its image, variables, networks and rights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container


def make_twin(
    engine: DockerClient,
    box: Container,
    command: list[str] | None = None,
    *,
    alias: str | None = None,
    variables: Iterable[str] = (),
    **more: Any,
) -> Container:
    """Create it; it is started and removed by the caller.

    Args:
        engine: that `box` is on.
        box: the one it is like.
        command: in place of the image's.
        alias: its name on each network; None: its container's alone.
        variables: `NAME=value`, beside those of `box`.
        more: of docker-py's `create`.
    """
    image, host = box.image, box.attrs["HostConfig"]
    assert image is not None
    made: Container = engine.containers.create(
        image,
        command,
        environment=[*box.attrs["Config"]["Env"], *variables],
        read_only=host["ReadonlyRootfs"],
        cap_drop=host["CapDrop"],
        tmpfs=host["Tmpfs"],
        **more,
    )
    engine.networks.get("bridge").disconnect(made)
    for name in box.attrs["NetworkSettings"]["Networks"]:
        engine.networks.get(name).connect(made, aliases=[alias] if alias else None)
    return made
