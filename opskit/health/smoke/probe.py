"""Runs one probe and says what came of it; also inside a container, where the modules come by the environment."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from opskit.health.smoke.client import Fault, Steps
from opskit.health.smoke.models import check_litellm, check_openwebui, check_vllm
from opskit.health.smoke.n8n import check_n8n
from opskit.health.smoke.own import check_own
from opskit.health.smoke.stores import check_qdrant, check_s3
from opskit.health.smoke.watch import (
    check_alertmanager,
    check_elasticsearch,
    check_nginx,
    check_page,
    check_port,
    check_prometheus,
)

PROBES: Mapping[str, Callable[..., None]] = {
    "alertmanager": check_alertmanager,
    "elasticsearch": check_elasticsearch,
    "litellm": check_litellm,
    "n8n": check_n8n,
    "nginx": check_nginx,
    "openwebui": check_openwebui,
    "own": check_own,
    "page": check_page,
    "port": check_port,
    "prometheus": check_prometheus,
    "qdrant": check_qdrant,
    "s3": check_s3,
    "vllm": check_vllm,
}

VARIABLE = "OPSKIT_SMOKE"
"""What the modules, the probe and its values come in: JSON, since an argument would be seen by `ps`."""

_BOOT = f"""
import json, os, sys, types
given = json.loads(os.environ.pop("{VARIABLE}"))
for name, source in given["modules"].items():
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(source, module.__dict__)
module.answer(given["probe"], given["values"])
"""
COMMAND = ("python3", "-c", _BOOT)

_MODULES = ("client", "models", "n8n", "stores", "own", "watch", "probe")
"""In the order of their imports."""


def pack(probe: str, values: Mapping[str, Any]) -> str:
    """What VARIABLE holds for COMMAND inside a container."""
    package = __name__.rpartition(".")[0]
    files = {f"{package}.{name}": f"{os.path.dirname(__file__)}/{name}.py" for name in _MODULES}  # noqa: PTH120
    modules = {name: _read(path) for name, path in files.items()}
    return json.dumps({"modules": modules, "probe": probe, "values": values})


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:  # noqa: PTH123
        return file.read()


def answer(probe: str, values: Mapping[str, Any]) -> None:
    """Run a probe and print what came of it as one line of JSON."""
    sys.stdout.write(json.dumps(run_probe(probe, values)) + "\n")


def run_probe(probe: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Run a probe to its end.

    Returns:
        Steps done with milliseconds, the step that failed with kind and text (empty where none did), and what is left.
    """
    steps = Steps()
    kind = text = ""
    try:
        PROBES[probe](steps, **values)
    except Fault as fault:
        kind, text = fault.kind, str(fault)
    except (KeyError, IndexError, TypeError, AttributeError) as error:  # an answer of another shape
        kind, text = "bad_answer", f"found an answer without what was wanted: {type(error).__name__}: {error}"
    if steps.left and not kind:
        kind, text = "left_behind", f"could not take away {', '.join(steps.left)}"
    return {"done": steps.done, "at": steps.at, "kind": kind, "text": text, "left": steps.left}
