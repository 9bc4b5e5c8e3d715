"""Asks NVML for samples: one at a time, each bounded in time, with NVML held open in between."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from opskit.errors import NotReadError
from opskit.gpu.field import FieldReader
from opskit.gpu.model import GpuUnavailable
from opskit.gpu.nvlink import read_fields, read_links
from opskit.gpu.nvml import NO_BINDING, import_nvml, read_memory, unavailable
from opskit.gpu.sample import GpuSample, Sample
from opskit.reading import Reading

_SENT, _RECEIVED = 138, 139
"""NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX and _RX: KiB since the driver counts, by link in the scope (nvml.h)."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What does not change while NVML is open; `links` are the usable ones, None where that cannot be said."""

    index: int
    handle: Any
    uuid: str | None
    name: str | None
    links: tuple[int, ...] | None
    nvlink_mb_s: int | None


class Sampler:
    """NVML held open: without persistence mode a driver that nobody holds is woken for each sample, and shows that.

    Args:
        nvml: the module pynvml, or an object that answers like it; None imports it.
        timeout_s: for one sample. A question that hangs is left behind, and no second one is asked while it does.
    """

    def __init__(self, nvml: Any = None, *, timeout_s: float = 5.0) -> None:  # noqa: ANN401  the module, or a test's object
        self._nvml = nvml
        self._timeout_s = timeout_s
        self._gpus: list[_Known] | None = None
        self._notes: tuple[str, ...] = ()
        self._asking: Reading[Sample | GpuUnavailable] | None = None

    def read(self) -> Sample | GpuUnavailable:
        """One sample of all GPUs."""
        if self._asking is None or self._asking.done:
            self._asking = Reading("NVML", self._ask, timeout_s=self._timeout_s, refused=())
        try:
            return self._asking.result()
        except NotReadError as error:
            return GpuUnavailable(str(error), "run nvidia-smi; where it hangs too, look for Xid in `sudo dmesg`")

    def close(self) -> None:
        """Let NVML go; one that hangs is left as it is."""
        if self._asking is not None and self._asking.done:
            with suppress(NotReadError):
                Reading("NVML", self._shut, timeout_s=self._timeout_s).result()

    def _ask(self) -> Sample | GpuUnavailable:
        nvml = self._nvml or import_nvml()
        if nvml is None:
            return NO_BINDING
        self._nvml = nvml
        try:
            if self._gpus is None:
                nvml.nvmlInit()
                self._gpus = []
                self._gpus, self._notes = _open(FieldReader(nvml))
            return _read_sample(FieldReader(nvml), self._gpus, self._notes)
        except nvml.NVMLError as error:
            self._shut()
            return unavailable(error)

    def _shut(self) -> None:
        if self._gpus is not None:
            self._gpus = None
            FieldReader(self._nvml).read("NVML", "nvmlShutdown")


def _open(reader: FieldReader) -> tuple[list[_Known], tuple[str, ...]]:
    """The GPUs there are; one without a handle is left out, and a note says so."""
    found = []
    for index in range(reader.nvml.nvmlDeviceGetCount()):
        subject = f"GPU {index}"
        handle = reader.read(subject, "nvmlDeviceGetHandleByIndex", index)
        if handle is None:
            continue
        uuid, name = (reader.read(subject, f"nvmlDeviceGet{what}", handle) for what in ("UUID", "Name"))
        links = read_links(reader, index, handle)
        usable = None if links is None else [link for link in links if link.state in ("active", "sleep")]
        speeds = [link.speed_mb_s for link in usable or ()]
        wide = sum(filter(None, speeds)) if speeds and all(speeds) else None
        numbers = None if usable is None else tuple(link.link for link in usable)
        found.append(_Known(index, handle, uuid, name, numbers, wide))
    return found, tuple(reader.notes)


def _read_sample(reader: FieldReader, gpus: list[_Known], notes: tuple[str, ...]) -> Sample:
    read = [(f"GPU {gpu.index}", _read_gpu(reader, gpu)) for gpu in gpus]
    return Sample(tuple(gpu for subject, gpu in read if subject not in reader.lost), (*notes, *reader.notes))


def _read_gpu(reader: FieldReader, gpu: _Known) -> GpuSample:
    def read(function: str, *arguments: Any) -> Any:  # noqa: ANN401  NVML's values are untyped
        return reader.read(f"GPU {gpu.index}", function, gpu.handle, *arguments)

    nvml = reader.nvml
    sent, received = (_read_counters(reader, gpu, counter) for counter in (_SENT, _RECEIVED))
    at_s = time.monotonic()
    utilization = read("nvmlDeviceGetUtilizationRates")
    memory = read_memory(reader, f"GPU {gpu.index}", gpu.handle)
    return GpuSample(
        index=gpu.index,
        at_s=at_s,
        uuid=gpu.uuid,
        name=gpu.name,
        utilization_percent=None if utilization is None else utilization.gpu,
        memory_used_bytes=None if memory is None else memory.used,
        memory_total_bytes=None if memory is None else memory.total,
        power_mw=read("nvmlDeviceGetPowerUsage"),
        power_limit_mw=read("nvmlDeviceGetEnforcedPowerLimit"),
        temperature_c=read("nvmlDeviceGetTemperature", nvml.NVML_TEMPERATURE_GPU),
        sent_kib=sent,
        received_kib=received,
        nvlink_mb_s=gpu.nvlink_mb_s,
    )


def _read_counters(reader: FieldReader, gpu: _Known, counter: int) -> Mapping[int, int] | None:
    """By link; None where one of them is unknown, since the rest would pass for the whole."""
    if not gpu.links:
        return None if gpu.links is None else {}
    values = read_fields(reader, f"GPU {gpu.index}", gpu.handle, [(counter, link) for link in gpu.links])
    return dict(zip(gpu.links, values, strict=True)) if len(values) == len(gpu.links) else None


def take(
    sampler: Sampler, count: int, interval_s: float, *, wait: Callable[[float], object] = time.sleep
) -> Iterator[Sample | GpuUnavailable]:
    """So many samples, begun so far apart; the last one is the first that finds no GPU."""
    began = time.monotonic()
    for number in range(count):
        wait(max(0.0, began + number * interval_s - time.monotonic()))
        found = sampler.read()
        yield found
        if isinstance(found, GpuUnavailable):
            return
