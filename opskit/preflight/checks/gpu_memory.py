"""Check of the GPUs' memory against all that a stack puts on them; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from opskit.compose.labels import GPU_GIB
from opskit.compose.model import MODEL_SERVER, Service, Stack
from opskit.gpu.model import Inventory
from opskit.gpu.placement import Placement
from opskit.host.model import Memory
from opskit.llm.budget import Budget, Card, Fit, Worker, plan_budget
from opskit.llm.shape import Model
from opskit.preflight.finding import Finding, Verdict
from opskit.quantity import GIB
from opskit.unknown import Unknown, or_else

_UTILIZATION = "gpu-memory-utilization"
_SYSTEM_BYTES = 8 * GIB
"""What the system and its page cache are left beside the services: an assumption."""
_VERDICTS = {Fit.FITS: Verdict.PASS, Fit.TIGHT: Verdict.WARN, Fit.NO: Verdict.FAIL}


def plan_stack_budget(
    stack: Stack, placement: Placement, inventory: Inventory | Unknown, model: Model, *, running: bool
) -> Budget | Unknown | None:
    """Lay out what vLLM and the services that share its GPUs will take.

    Args:
        stack: vLLM's command says how much it asks for; replicas, WORKERS and labels of the others, how much they need.
        placement: the GPUs that both are put on.
        inventory: what these have, and what is on them now.
        model: Model() where nothing is known of it.
        running: what is on the GPUs now is this stack's own and is not counted a second time.

    Returns:
        Unknown where it cannot be laid out; None where there is no vLLM, or no GPU for each of its parts.
    """
    server = stack.server
    if server is None or isinstance(inventory, Unknown):
        return None
    flags = server.options
    parts = int(_number(flags, "tensor-parallel-size") or 1)
    gpus = list(inventory.taken(placement.device_ids)[:parts])
    if not gpus or len(gpus) < parts:
        return None
    if "kv-cache-memory-bytes" in flags:
        return _not_laid_out("vLLM's --kv-cache-memory-bytes puts its utilisation out of force")
    utilization, length = _number(flags, _UTILIZATION), _number(flags, "max-model-len")
    if utilization is None or not 0 < utilization <= 1:
        told = flags.get(_UTILIZATION, "absent, and its default differs by version")
        return _not_laid_out(f"vLLM's --{_UTILIZATION} is {told}")
    if length is None and "max-model-len" in flags:
        return _not_laid_out(f"vLLM's --max-model-len is {flags['max-model-len']}")
    if model.shape and flags.get("kv-cache-dtype", "").startswith("fp8"):
        model = replace(model, shape=replace(model.shape, element_bytes=1))
    workers = [_worker(service) for service in stack.services if service.uses_gpus and service is not server]
    if running:
        gpus = [replace(gpu, memory_free_bytes=gpu.usable_bytes) for gpu in gpus]
    longest = None if length is None else int(length)
    budget = plan_budget(gpus, model, workers, utilization=utilization, max_model_len=longest)
    look = "look with `nvidia-smi`; a GPU that shares the host's memory tells none of its own: see gpu-shared"
    return budget or Unknown("the memory of its GPUs cannot be read", look)


def _not_laid_out(reason: str) -> Unknown:
    remedy = f"state --{_UTILIZATION} and --max-model-len in numbers; see `docker compose config`"
    return Unknown(reason, remedy)


def _number(texts: Mapping[str, str], name: str) -> float | None:
    """Of the value of that name; None where there is none, or one that is no number above zero."""
    try:
        number = float(texts[name])
    except (KeyError, TypeError, ValueError):
        return None
    return number if 0 < number < float("inf") else None


def _worker(service: Service) -> Worker:
    """A service with its processes: WORKERS is what this stack's own services start in each container."""
    environment: Mapping[str, str] = service.raw.get("environment") or {}
    need_gib = service.labels.gpu_gib
    processes = service.replicas * int(_number(environment, "WORKERS") or 1)
    return Worker(service.name, processes, None if need_gib is None else int(need_gib * GIB))


def check_gpu_budget(
    stack: Stack, placement: Placement, inventory: Inventory | Unknown, model: Model | Unknown, *, running: bool
) -> tuple[Finding, ...]:
    """All that the stack puts on its GPUs has room there; vLLM refuses to start otherwise, and a worker dies later.

    Args:
        stack: see plan_stack_budget, as for the others.
        placement: likewise.
        inventory: likewise.
        model: Unknown says why nothing is known of it.
        running: likewise.
    """
    known = or_else(model, Model())
    budget = plan_stack_budget(stack, placement, inventory, known, running=running)
    if budget is None:
        return ()
    told = stack.server.options.get(_UTILIZATION) if stack.server else None
    if told is not None and not 0 < (_number({_UTILIZATION: told}, _UTILIZATION) or 0) <= 1:
        share = "a share of the GPU: a number above 0, at most 1"
        remedy = "set GPU_MEMORY_UTILIZATION to one such as 0.85"
        return (Finding("gpu-budget", Verdict.FAIL, MODEL_SERVER, f"--{_UTILIZATION} {told}", share, remedy),)
    wanted = "room for all on each GPU, and a KV cache for one request of the longest length"
    if isinstance(budget, Unknown):
        return (
            Finding("gpu-budget", Verdict.SKIP, MODEL_SERVER, budget.reason, wanted, budget.remedy, required=False),
        )
    found = f"{budget.verdict or 'not known'} at {budget.utilization:.2f}: {_cards(budget)}{_cache(budget)}"
    if budget.verdict is None:
        why = f" ({model.reason})" if isinstance(model, Unknown) else ""
        found = f"{found}; not known: {', '.join(budget.unknown)}{why}"
        remedy = _what_to_tell(stack, budget)
        return (Finding("gpu-budget", Verdict.SKIP, MODEL_SERVER, found, wanted, remedy, required=False),)
    verdict = _VERDICTS[budget.verdict]
    remedy = "" if verdict is Verdict.PASS else _remedy(budget)
    return (Finding("gpu-budget", verdict, MODEL_SERVER, found, wanted, remedy),)


def check_gpu_shared(
    stack: Stack, placement: Placement, inventory: Inventory | Unknown, memory: Memory | Unknown, need_bytes: int
) -> tuple[Finding, ...]:
    """A GPU that shares the host's memory leaves enough of it to all else: its share is taken of the host's.

    Source: NVML and nvidia-smi tell no memory for a GB10 (leptonai/gpud#1170, XuehaiPan/nvitop#208).

    Args:
        stack: vLLM's command says which share it takes.
        placement: the GPUs it is put on.
        inventory: what these have.
        memory: the host's.
        need_bytes: what the environment needs of the host.
    """
    if stack.server is None or isinstance(inventory, Unknown) or isinstance(memory, Unknown):
        return ()
    share = _number(stack.server.options, _UTILIZATION)
    shared = [gpu for gpu in inventory.taken(placement.device_ids) if gpu.name and gpu.memory_total_bytes is None]
    if not shared or share is None:
        return ()
    left, least = int(memory.total_bytes * (1 - share)), need_bytes + _SYSTEM_BYTES
    found = (
        f"it shares the host's {_gib(memory.total_bytes)} GiB; vLLM takes {share:.2f} of it and leaves {_gib(left)} GiB"
    )
    wanted = f"{_gib(least)} GiB left for the other services and the system"
    name = f"GPU {shared[0].index} {shared[0].name}"
    if left >= least:
        return (Finding("gpu-shared", Verdict.PASS, name, found, wanted),)
    best = (memory.total_bytes - least) / memory.total_bytes
    remedy = f"set GPU_MEMORY_UTILIZATION={best:.2f}" if best > 0 else "choose an environment that needs less"
    return (Finding("gpu-shared", Verdict.WARN, name, found, wanted, remedy),)


def _what_to_tell(stack: Stack, budget: Budget) -> str:
    shared = [service for service in stack.services if service.uses_gpus and service.name != MODEL_SERVER]
    silent = [service.name for service in shared if _worker(service).each_bytes is None]
    steps = [f"label {' and '.join(silent)} with {GPU_GIB}, the GiB of one process"] if silent else []
    steps += ["serve a model from a folder"] if {"weights", "KV cache per token"} & set(budget.unknown) else []
    steps += ["look with `nvidia-smi` at what is on the GPUs"] if "held" in budget.unknown else []
    return "; ".join(steps) or "state --max-model-len in vLLM's command"


def _cards(budget: Budget) -> str:
    """The poorest card term by term; equal cards are said once."""
    card = min(budget.cards, key=lambda card: card.spare_bytes)
    terms = [f"{name} {_gib(size)}" for name, size in card.terms.items() if size]
    which = (
        "each GPU" if len({card.spare_bytes for card in budget.cards}) == 1 < len(budget.cards) else f"GPU {card.index}"
    )
    return f"{which} {', '.join(terms)} of {_gib(card.usable_bytes)} GiB, {_spare(card)}"


def _spare(card: Card) -> str:
    return f"{_gib(abs(card.spare_bytes))} GiB {'to spare' if card.spare_bytes >= 0 else 'too much'}"


def _cache(budget: Budget) -> str:
    if budget.tokens is None or budget.max_model_len is None:
        return ""
    return (
        f"; the KV cache holds {budget.tokens:,} tokens, {budget.concurrency:.1f} requests of {budget.max_model_len:,}"
    )


def _remedy(budget: Budget) -> str:
    best = budget.largest
    if best is None:
        return "free the GPU: end what holds it (`nvidia-smi`), or start fewer replicas of what shares it"
    if budget.verdict is Fit.TIGHT and best.utilization <= budget.utilization and budget.starts:
        return "set VLLM_MAX_MODEL_LEN lower if vLLM refuses for want of KV cache: the prediction may err by 1.4 GiB"
    setting = f"set GPU_MEMORY_UTILIZATION={best.utilization:.2f}"
    if best.verdict is not Fit.NO:
        return f"{setting}{_cache(best)}"
    if best.longest_context:
        return f"{setting} and VLLM_MAX_MODEL_LEN={best.longest_context}"
    return "no utilisation fits: take a smaller or quantised model, more GPUs, or fewer replicas of what shares them"


def _gib(count: int) -> str:
    return f"{count / GIB:.1f}"
