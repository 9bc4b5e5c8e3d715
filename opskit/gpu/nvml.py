"""Reads NVML through nvidia-ml-py: soft per field, bounded in time, and an answer where there is no NVML to read."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from opskit.gpu.model import Gpu, GpuUnavailable, Inventory, NvLink, Pair, format_cpu_list, nominal_bandwidth_gb_s
from opskit.gpu.nvlink import read_links, read_pairs
