"""Reads NVLinks and what lies between two GPUs from NVML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from opskit.gpu.model import Gpu, LinkState, NvLink, Pair, RemoteKind, nominal_gb_s
from opskit.host.nvml_field import FieldReader

_STATES: Mapping[int, LinkState] = {0: "inactive", 1: "active", 2: "sleep"}
_REMOTES: Mapping[int, RemoteKind] = {0: "gpu", 1: "npu", 2: "switch"}
_DISTANCES = {0: "INTERNAL", 10: "PIX", 20: "PXB", 30: "PHB", 40: "NODE", 50: "SYS"}
_P2P = {0: "OK", 1: "CNS", 2: "GNS", 3: "TNS", 4: "DR", 5: "NS"}
# Plain integers: pynvml's NVML_P2P_CAPS_INDEX_READ is the tuple (0,) in every version up to 13.615.
_P2P_READ, _P2P_WRITE, _P2P_NVLINK = 0, 1, 2
_SWITCH_LINKS = 147  # NVML_FI_DEV_NVSWITCH_CONNECTED_LINK_COUNT, which older nvidia-ml-py has no name for
_VALUES = {0: "dVal", 1: "uiVal", 2: "ulVal", 3: "ullVal", 4: "sllVal", 5: "siVal", 6: "usVal"}


def short_bus_id(bus_id: str) -> str:
    """A PCI address as sysfs writes it: NVML's `00000000:21:00.0` is `0000:21:00.0` there."""
    domain, _, rest = bus_id.lower().partition(":")
    return f"{int(domain, 16):04x}:{rest}"


def read_links(reader: FieldReader, index: int, handle: Any) -> tuple[NvLink, ...] | None:  # noqa: ANN401
    """All NVLinks of one GPU; none where it has no NVLink, None where that cannot be said."""
    nvml, links = reader.nvml, []
    for number in range(nvml.NVML_NVLINK_MAX_LINKS):
        try:
            state = _STATES.get(nvml.nvmlDeviceGetNvLinkState(handle, number), "unknown")
        except (nvml.NVMLError_NotSupported, nvml.NVMLError_InvalidArgument):
            break
        except (nvml.NVMLError, nvml.NVMLLibraryMismatchError) as error:
            reader.notes.append(f"GPU {index}: NVLink {number}: {error}")
            return None
        links.append(_read_link(reader, index, handle, number, state))
    return _name_switch(reader, index, handle, links)


def _read_link(reader: FieldReader, index: int, handle: Any, number: int, state: LinkState) -> NvLink:  # noqa: ANN401
    if state not in ("active", "sleep"):
        return NvLink(index, number, state)
    subject = f"GPU {index} NVLink {number}"
    remote = reader.read(subject, "nvmlDeviceGetNvLinkRemotePciInfo", handle, number)
    kind = reader.read(subject, "nvmlDeviceGetNvLinkRemoteDeviceType", handle, number)
    return NvLink(
        gpu=index,
        link=number,
        state=state,
        speed_mb_s=_read_speed(reader, subject, handle, number),
        remote_bus_id=None if remote is None else short_bus_id(remote.busId),
        remote_kind=_REMOTES.get(kind, "unknown"),
    )


def _read_speed(reader: FieldReader, subject: str, handle: Any, number: int) -> int | None:  # noqa: ANN401
    nvml = reader.nvml
    wanted = [(nvml.NVML_FI_DEV_NVLINK_GET_SPEED, number), nvml.NVML_FI_DEV_NVLINK_SPEED_MBPS_COMMON]
    return next((speed for speed in read_fields(reader, subject, handle, wanted) if speed > 0), None)


def read_fields(reader: FieldReader, subject: str, handle: Any, wanted: Sequence[Any]) -> Sequence[int]:  # noqa: ANN401
    """The values there are: the call as a whole succeeds, and each value carries its own return code."""
    return [
        int(getattr(field.value, _VALUES[field.valueType]))
        for field in reader.read(subject, "nvmlDeviceGetFieldValues", handle, wanted) or ()
        if field.nvmlReturn == reader.nvml.NVML_SUCCESS and field.valueType in _VALUES
    ]


def _name_switch(reader: FieldReader, index: int, handle: Any, links: Sequence[NvLink]) -> tuple[NvLink, ...]:  # noqa: ANN401
    """Links whose other end has no name are a switch's where NVML counts as many to switches."""
    nameless = [link for link in links if _is_nameless(link)]
    count = sum(read_fields(reader, f"GPU {index}", handle, [_SWITCH_LINKS])) if nameless else 0
    if not nameless or count < len(nameless):
        return tuple(links)
    return tuple(replace(link, remote_kind="switch") if link in nameless else link for link in links)


def _is_nameless(link: NvLink) -> bool:
    usable = link.state in ("active", "sleep")
    return usable and link.remote_bus_id is None and link.remote_kind == "unknown"


def read_pairs(
    reader: FieldReader, gpus: Sequence[tuple[Gpu, Any]], links: Mapping[int, tuple[NvLink, ...] | None]
) -> tuple[Pair, ...]:
    """Every pair of GPUs; `gpus` holds each with its NVML handle, by index."""
    return tuple(_read_pair(reader, a, b, links) for at, a in enumerate(gpus) for b in gpus[at + 1 :])


def _read_pair(
    reader: FieldReader, first: tuple[Gpu, Any], second: tuple[Gpu, Any], links: Mapping[int, tuple[NvLink, ...] | None]
) -> Pair:
    (a, handle), (b, other) = first, second
    subject = f"GPU {a.index} to GPU {b.index}"
    distance = reader.read(subject, "nvmlDeviceGetTopologyCommonAncestor", handle, other)
    read, write, nvlink = (
        reader.read(subject, "nvmlDeviceGetP2PStatus", handle, other, capability)
        for capability in (_P2P_READ, _P2P_WRITE, _P2P_NVLINK)
    )
    between = _between(reader, a, b, links, switched=nvlink in (0, None))
    speeds = [link.speed_mb_s for link in between or ()]
    measured = sum(filter(None, speeds)) / 1000 if speeds and all(speeds) else None
    bandwidth = measured or nominal_gb_s(a.name, len(speeds))
    return Pair(
        a=a.index,
        b=b.index,
        pcie=_DISTANCES.get(distance),
        nvlinks=None if between is None else len(between),
        bandwidth_gb_s=bandwidth,
        bandwidth_source="nvml" if measured else "nominal" if bandwidth else None,
        p2p_read=None if read is None else _P2P.get(read, "U"),
        p2p_write=None if write is None else _P2P.get(write, "U"),
    )


def _between(
    reader: FieldReader, a: Gpu, b: Gpu, links: Mapping[int, tuple[NvLink, ...] | None], *, switched: bool
) -> Sequence[NvLink] | None:
    ours, theirs = links.get(a.index), links.get(b.index)
    if ours is None or theirs is None:
        return None
    there = [link for link in ours if link.remote_bus_id is not None and link.remote_bus_id == b.pci_bus_id]
    back = [link for link in theirs if link.remote_bus_id is not None and link.remote_bus_id == a.pci_bus_id]
    if not there and not back and switched:
        there, back = ([link for link in side if link.remote_kind == "switch"] for side in (ours, theirs))
        if not there and not back and any(map(_is_nameless, (*ours, *theirs))):
            return None
    if len(there) != len(back):
        reader.notes.append(
            f"GPU {a.index} sees {len(there)} NVLinks to GPU {b.index}, which sees {len(back)} back; the fewer count"
        )
    return min(there, back, key=len)
