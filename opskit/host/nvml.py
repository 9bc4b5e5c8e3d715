"""Reads NVML through nvidia-ml-py: bounded in time, and an answer, not an exception, where there is none to read."""

from __future__ import annotations

import math
import os
from pathlib import Path
from types import ModuleType
from typing import Any

from opskit.errors import NotReadError
from opskit.gpu.model import Gpu, Inventory, format_cpu_list
from opskit.host.nvlink import read_links, read_pairs, short_bus_id
from opskit.host.nvml_field import FieldReader
from opskit.reading import Reading
from opskit.unknown import Unknown

_CPU_MODE = "or run without, by gpu=cpu"
_NO_LIBRARY = Unknown(
    "NVML library not found: libnvidia-ml.so.1 is not on this machine",
    f"install the NVIDIA driver (Debian: apt install nvidia-driver), {_CPU_MODE}",
)
_NO_BINDING = Unknown("nvidia-ml-py is not installed", "make install")
# By NVML's return code, since not every nvidia-ml-py has a class for each.
_FAULTS = {
    12: _NO_LIBRARY,
    9: Unknown(
        "NVIDIA driver not loaded",
        f"sudo modprobe nvidia; where that fails, dkms status and dmesg say why; {_CPU_MODE}",
    ),
    18: Unknown(
        "NVIDIA library and kernel driver are of different versions: the driver was upgraded without a reboot",
        "reboot this machine, or unload and load the nvidia kernel modules",
    ),
    15: Unknown(
        "GPU is lost: it has fallen off the bus", "look for Xid in `sudo dmesg`, check power and riser, then reboot"
    ),
    4: Unknown(
        "no permission to use the NVIDIA devices",
        "ls -l /dev/nvidia*; add this user to the group that owns them, or run where they are passed in",
    ),
}


def read_inventory(*, timeout_s: float = 5.0) -> Inventory | Unknown:
    """Read all GPUs and their links.

    Args:
        timeout_s: after so long the answer is "unavailable"; the reading thread is left behind, it cannot be ended.
    """
    try:
        return Reading("NVML", _read_here, timeout_s=timeout_s, refused=()).result()
    except NotReadError:
        return Unknown(
            f"NVML did not answer within {timeout_s:g} s",
            "run nvidia-smi; where it hangs too, look for Xid in `sudo dmesg` and reboot",
        )


def _read_here() -> Inventory | Unknown:
    nvml = import_nvml()
    if nvml is None:
        return _NO_BINDING
    return collect_inventory(nvml, cpus=os.sysconf("SC_NPROCESSORS_CONF"), sysfs=Path("/sys"))


def import_nvml() -> ModuleType | None:
    """The module pynvml; None where it is not installed."""
    try:
        import pynvml  # noqa: PLC0415  0.1 s, and only where GPUs are asked for
    except ImportError:
        return None
    return pynvml  # type: ignore[no-any-return]


def collect_inventory(nvml: Any, *, cpus: int, sysfs: Path) -> Inventory | Unknown:  # noqa: ANN401
    """Read everything through `nvml`: the module pynvml, or an object that answers like it.

    Args:
        nvml: not yet initialised.
        cpus: CPUs of this machine, which is the width of the affinity masks.
        sysfs: where the kernel tells a PCI device's NUMA node.
    """
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        return unavailable(error)
    try:
        return _collect(FieldReader(nvml), cpus, sysfs)
    except nvml.NVMLError as error:
        return unavailable(error)
    finally:
        FieldReader(nvml).read("NVML", "nvmlShutdown")


def unavailable(error: Any) -> Unknown:  # noqa: ANN401  NVMLError comes from an untyped module
    """What an error of NVML as a whole means, and what to do."""
    other = Unknown(f"NVML failed: {error}", f"run nvidia-smi and do as it says, {_CPU_MODE}")
    return _FAULTS.get(error.value, other)


def _collect(reader: FieldReader, cpus: int, sysfs: Path) -> Inventory | Unknown:
    nvml = reader.nvml
    gpus, links, first_error = [], {}, None
    for index in range(nvml.nvmlDeviceGetCount()):
        subject = f"GPU {index}"
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
        except nvml.NVMLError as error:
            first_error = first_error or error
            reader.notes.append(f"{subject} is left out: {error}")
            continue
        gpu = _read_gpu(reader, index, handle, cpus, sysfs)
        if subject in reader.lost:
            first_error = first_error or nvml.NVMLError(nvml.NVML_ERROR_GPU_IS_LOST)
            reader.notes.append(f"{subject} is left out: it is lost")
            continue
        gpus.append((gpu, handle))
        links[index] = read_links(reader, index, handle)
    if first_error and not gpus:
        return unavailable(first_error)
    cuda = reader.read("NVML", "nvmlSystemGetCudaDriverVersion")
    return Inventory(
        driver=reader.read("NVML", "nvmlSystemGetDriverVersion"),
        nvml=reader.read("NVML", "nvmlSystemGetNVMLVersion"),
        cuda=None if cuda is None else (cuda // 1000, cuda % 1000 // 10),
        gpus=tuple(gpu for gpu, _ in gpus),
        links=tuple(link for of_gpu in links.values() for link in of_gpu or ()),
        pairs=read_pairs(reader, gpus, links),
        source="nvml",
        notes=tuple(reader.notes),
    )


def _read_gpu(reader: FieldReader, index: int, handle: Any, cpus: int, sysfs: Path) -> Gpu:  # noqa: ANN401
    def read(function: str, *arguments: Any) -> Any:  # noqa: ANN401  NVML's values are untyped
        return reader.read(f"GPU {index}", function, handle, *arguments)

    nvml = reader.nvml
    memory = read_memory(reader, f"GPU {index}", handle)
    pci = read("nvmlDeviceGetPciInfo")
    bus_id = None if pci is None else short_bus_id(pci.busId)
    utilization, mig = read("nvmlDeviceGetUtilizationRates"), read("nvmlDeviceGetMigMode")
    words = read("nvmlDeviceGetCpuAffinity", math.ceil(cpus / 64))
    # The name without a suffix turns a missing symbol into an error that is no NVMLError.
    processes = read("nvmlDeviceGetComputeRunningProcesses_v3")
    return Gpu(
        index=index,
        uuid=read("nvmlDeviceGetUUID"),
        name=read("nvmlDeviceGetName"),
        pci_bus_id=bus_id,
        memory_total_bytes=None if memory is None else memory.total,
        memory_reserved_bytes=getattr(memory, "reserved", None),
        memory_used_bytes=None if memory is None else memory.used,
        memory_free_bytes=None if memory is None else memory.free,
        utilization_percent=None if utilization is None else utilization.gpu,
        power_mw=read("nvmlDeviceGetPowerUsage"),
        power_limit_mw=read("nvmlDeviceGetEnforcedPowerLimit"),
        temperature_c=read("nvmlDeviceGetTemperature", nvml.NVML_TEMPERATURE_GPU),
        pcie_generation=read("nvmlDeviceGetCurrPcieLinkGeneration"),
        pcie_generation_max=read("nvmlDeviceGetMaxPcieLinkGeneration"),
        pcie_width=read("nvmlDeviceGetCurrPcieLinkWidth"),
        pcie_width_max=read("nvmlDeviceGetMaxPcieLinkWidth"),
        numa_node=_read_numa_node(sysfs, bus_id),
        cpu_affinity=None if words is None else _cpus_of(words),
        mig=None if mig is None else bool(mig[0]),
        processes=None if processes is None else tuple((p.pid, p.usedGpuMemory) for p in processes),
    )


def read_memory(reader: FieldReader, subject: str, handle: Any) -> Any:  # noqa: ANN401  NVML's values are untyped
    """A GPU's memory, None where it is not told; `reserved` is there where the driver's part is known apart."""
    # Version 1 counts what the driver reserves as used, so it is only the second choice (driver < 510).
    split = reader.read(subject, "nvmlDeviceGetMemoryInfo", handle, reader.nvml.nvmlMemory_v2)
    return split or reader.read(subject, "nvmlDeviceGetMemoryInfo", handle)


def _cpus_of(words: Any) -> str | None:  # noqa: ANN401  a ctypes array of 64-bit masks, lowest CPUs first
    return format_cpu_list(64 * at + bit for at, word in enumerate(words) for bit in range(64) if word >> bit & 1)


def _read_numa_node(sysfs: Path, bus_id: str | None) -> int | None:
    """The host's node; the kernel writes -1 where it does not know."""
    try:
        node = int((sysfs / f"bus/pci/devices/{bus_id}/numa_node").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return node if node >= 0 else None
