"""What GPUs do now, from samples: figures with their units and scales, and rates from two readings of a counter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

_GIB = 1024**3


@dataclass(frozen=True, slots=True)
class GpuSample:
    """One GPU at one moment; None is unknown.

    Attributes:
        at_s: monotonic, when its counters were read.
        sent_kib: by NVLink, what it has sent since the driver counts; empty where it has no usable NVLink.
        received_kib: by NVLink, likewise.
        nvlink_mb_s: what its usable NVLinks carry together, in one direction.
    """

    index: int
    at_s: float
    uuid: str | None = None
    name: str | None = None
    utilization_percent: int | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    power_mw: int | None = None
    power_limit_mw: int | None = None
    temperature_c: int | None = None
    sent_kib: Mapping[int, int] | None = None
    received_kib: Mapping[int, int] | None = None
    nvlink_mb_s: int | None = None

    @property
    def key(self) -> str:
        """What it is known by from one sample to the next: an index may pass to another GPU."""
        return self.uuid or str(self.index)


@dataclass(frozen=True, slots=True)
class Sample:
    """The GPUs that answered, and a note for each question that failed."""

    gpus: tuple[GpuSample, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gauge:
    """One figure; `full` is what it is measured against, None where that is not known."""

    label: str
    unit: str
    value: float | None
    full: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One GPU in words and figures; without `sample` it answered before and does not now."""

    key: str
    title: str
    sample: GpuSample | None
    gauges: tuple[Gauge, ...] = ()


@dataclass(frozen=True, slots=True)
class Live:
    """All GPUs, also those that answer no more."""

    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Spread:
    """How one figure of one GPU ranged over the `known` samples that have it; None where no sample has."""

    title: str
    label: str
    unit: str
    known: int
    low: float | None
    median: float | None
    high: float | None


def follow(before: Live | None, sample: Sample) -> Live:
    """The GPUs after one more sample; those of before that are missing in it stay, without figures."""
    known = {row.key: row for row in before.rows} if before else {}
    there = {gpu.key for gpu in sample.gpus}
    rows = [_row(known.get(gpu.key), gpu) for gpu in sample.gpus]
    gone = [Row(row.key, row.title, None) for key, row in known.items() if key not in there]
    return Live((*rows, *gone), sample.notes)


def _row(before: Row | None, gpu: GpuSample) -> Row:
    then = before.sample if before else None
    wide = None if gpu.nvlink_mb_s is None else gpu.nvlink_mb_s / 1000
    sent = _rate_gb_s(then, gpu, then.sent_kib if then else None, gpu.sent_kib)
    received = _rate_gb_s(then, gpu, then.received_kib if then else None, gpu.received_kib)
    gauges = (
        Gauge("utilisation", "%", gpu.utilization_percent, 100),
        Gauge("memory", "GiB", _scaled(gpu.memory_used_bytes, _GIB), _scaled(gpu.memory_total_bytes, _GIB)),
        Gauge("power", "W", _scaled(gpu.power_mw, 1000), _scaled(gpu.power_limit_mw, 1000)),
        Gauge("temperature", "°C", gpu.temperature_c),
        Gauge("NVLink out", "GB/s", sent, wide),
        Gauge("NVLink in", "GB/s", received, wide),
    )
    return Row(gpu.key, f"GPU {gpu.index} {gpu.name or 'of unknown name'}", gpu, gauges)


def _scaled(value: int | None, unit: int) -> float | None:
    return None if value is None else value / unit


def _rate_gb_s(
    then: GpuSample | None, now: GpuSample, before: Mapping[int, int] | None, after: Mapping[int, int] | None
) -> float | None:
    """Of all links together; unknown where there is none, the links are others, or a counter began anew."""
    if then is None or not before or not after or before.keys() != after.keys() or now.at_s <= then.at_s:
        return None
    grown = [after[link] - before[link] for link in after]
    return None if min(grown) < 0 else sum(grown) * 1024 / 1e9 / (now.at_s - then.at_s)


def spread(lives: Sequence[Live]) -> tuple[Spread, ...]:
    """The least, the median and the most of each figure, by GPU in the order they were first seen."""
    found: dict[tuple[str, str], list[float]] = {}
    said: dict[tuple[str, str], tuple[str, str]] = {}
    for live in lives:
        for row in live.rows:
            for gauge in row.gauges:
                key = (row.key, gauge.label)
                said[key] = (row.title, gauge.unit)
                found.setdefault(key, []).extend([] if gauge.value is None else [gauge.value])
    return tuple(
        Spread(
            title=said[key][0],
            label=key[1],
            unit=said[key][1],
            known=len(values),
            low=min(values, default=None),
            median=median(values) if values else None,
            high=max(values, default=None),
        )
        for key, values in found.items()
    )
