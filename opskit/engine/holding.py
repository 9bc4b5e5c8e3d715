"""What is on the Engine, thing by thing, and removing named things of one project and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from opskit.engine.cleanup import read_df
from opskit.engine.model import PROJECT_LABEL
from opskit.engine.usage import DiskUnknown, parse_entries

if TYPE_CHECKING:
    from docker import DockerClient

_SIZES_S = 20.0
Kind = Literal["container", "network", "volume"]


@dataclass(frozen=True, slots=True)
class Holding:
    """One container, network or volume.

    Attributes:
        id: what it is removed by; a volume's is its name.
        project: the Compose project that made it; None where none did.
        bytes: of a volume; None where the Engine did not say.
    """

    kind: Kind
    id: str
    name: str
    project: str | None
    bytes: int | None = None


def read_holdings(client: DockerClient) -> tuple[Holding, ...]:
    """Every container, network and volume, in the order in which they could be removed."""
    sizes = _read_sizes(client)
    networks = [entry for entry in client.api.networks() if entry["Name"] not in {"bridge", "host", "none"}]
    volumes = client.api.volumes()["Volumes"] or []
    return (
        *(
            Holding("container", e["Id"], e["Names"][0].lstrip("/"), _project(e))
            for e in client.api.containers(all=True)
        ),
        *(Holding("network", e["Id"], e["Name"], _project(e)) for e in networks),
        *(Holding("volume", e["Name"], e["Name"], _project(e), sizes.get(e["Name"])) for e in volumes),
    )


def foreign_users(client: DockerClient, project: str, holdings: Iterable[Holding]) -> tuple[tuple[Holding, str], ...]:
    """The containers of others, by name, that mount a volume or are on a network of the project, running or not."""
    wanted = {(holding.kind, holding.id): holding for holding in holdings}
    found = []
    for entry in client.api.containers(all=True):
        if _project(entry) == project:
            continue
        networks = (entry.get("NetworkSettings") or {}).get("Networks") or {}
        used = [("volume", mount.get("Name")) for mount in entry.get("Mounts") or ()]
        used += [("network", network.get("NetworkID")) for network in networks.values()]
        found += [(wanted[use], entry["Names"][0].lstrip("/")) for use in used if use in wanted]
    return tuple(found)


def remove_holdings(client: DockerClient, project: str, holdings: Iterable[Holding]) -> tuple[tuple[Holding, str], ...]:
    """Remove things of a project one by one, by id; what is gone already counts as removed.

    Returns:
        What could not be removed, each with the Engine's reason.

    Raises:
        ValueError: one of them is not the project's; nothing was removed.
    """
    wanted = tuple(holdings)
    for holding in wanted:
        if holding.project != project:
            raise ValueError(
                f"{holding.kind} {holding.name} belongs to {holding.project or 'no project'}, not {project}"
            )
    return tuple((holding, fault) for holding in wanted if (fault := _remove(client, holding)) is not None)


def _remove(client: DockerClient, holding: Holding) -> str | None:
    from docker.errors import APIError, NotFound  # noqa: PLC0415  docker is imported where it is used

    try:
        if holding.kind == "container":
            client.api.remove_container(holding.id, force=True)
        elif holding.kind == "network":
            client.api.remove_network(holding.id)
        else:
            client.api.remove_volume(holding.id)
    except NotFound:
        return None
    except APIError as error:
        return str(error.explanation or error)
    return None


def _read_sizes(client: DockerClient) -> dict[str, int]:
    """Bytes by volume, where the Engine says so in time: it walks every file for it."""
    df = read_df(client, timeout_s=_SIZES_S)
    volumes = () if isinstance(df, DiskUnknown) else parse_entries(df, "volumes") or ()
    return {v["Name"]: size for v in volumes if (size := (v.get("UsageData") or {}).get("Size", -1)) >= 0}


def _project(entry: dict[str, Any]) -> str | None:
    return (entry.get("Labels") or {}).get(PROJECT_LABEL)
