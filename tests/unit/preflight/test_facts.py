"""Whatever a machine says, every check has an answer, and the facts come back from their JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from opskit.compose.model import parse_stack
from opskit.engine.facts import ContainerFact, EngineFacts, NetworkFact, PublishedPort, VolumeFact
from opskit.engine.model import Pull
from opskit.gpu.model import Gpu, Inventory, NvLink, Pair
from opskit.gpu.placement import place
from opskit.host.model import Files, Host
from opskit.llm.shape import Model
from opskit.preflight.archive import facts_from_json, to_json
from opskit.preflight.facts import Facts
from opskit.preflight.finding import CRASHED
from opskit.preflight.report import Report, Terms
from opskit.unknown import Unknown
from tests.facts import facts

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8)
SUBNETS = st.ip_addresses().map(lambda address: f"{address}/{24 if address.version == 4 else 64}") | WORDS
PORTS = st.integers(1, 65535)
st.register_type_strategy(str, WORDS)
st.register_type_strategy(Unknown, st.builds(Unknown, st.just("no"), st.just("look"), st.booleans()))
st.register_type_strategy(float, st.floats(0, 1e10))
st.register_type_strategy(Mapping, lambda kind: st.dictionaries(*map(st.from_type, get_args(kind)), max_size=2))
FEW = settings(max_examples=40, phases=[Phase.explicit, Phase.reuse, Phase.generate])

BINDS = st.fixed_dictionaries({"type": st.just("bind"), "source": WORDS, "target": WORDS})
DEVICES = st.fixed_dictionaries({"driver": st.just("nvidia"), "device_ids": st.lists(WORDS), "capabilities": st.just(["gpu"])})  # fmt: skip
SERVICES: st.SearchStrategy[Mapping[str, Any]] = st.fixed_dictionaries(
    {
        "image": st.sampled_from(["redis:8", "postgres:18", "vllm/vllm-openai:v0.30.0-cu129", "elasticsearch:9"]) | WORDS,
        "ports": st.lists(st.fixed_dictionaries({"target": PORTS, "published": PORTS.map(str), "host_ip": st.ip_addresses().map(str)}), max_size=2),
        "volumes": st.lists(BINDS, max_size=2),
        "command": st.lists(st.sampled_from(["--model", "--gpu-memory-utilization", "0.9", "/models/x"]) | WORDS, max_size=4),
        "deploy": st.fixed_dictionaries({"resources": st.fixed_dictionaries({"reservations": st.fixed_dictionaries({"devices": st.lists(DEVICES, max_size=1)})})}),
    },
    optional={"container_name": WORDS, "scale": st.integers(0, 3)},
)  # fmt: skip
STACKS = st.builds(
    lambda services, networks: parse_stack({"name": "multimodal-staging", "services": services, "networks": networks}),
    st.dictionaries(st.sampled_from(["redis", "vllm", "multimodal-worker", "nginx"]), SERVICES),
    st.dictionaries(WORDS, st.none() | st.fixed_dictionaries({"external": st.booleans()}), max_size=2),
)
GPUS = st.lists(st.from_type(Gpu), max_size=3).map(
    lambda gpus: tuple(replace(g, index=at) for at, g in enumerate(gpus))
)
INVENTORIES = st.builds(
    Inventory, st.none() | WORDS, st.none(), st.none(), GPUS, st.lists(st.from_type(NvLink), max_size=3).map(tuple),
    st.lists(st.from_type(Pair), max_size=2).map(tuple), st.just("nvml"),
)  # fmt: skip
CONTAINERS = st.builds(
    ContainerFact, WORDS, WORDS, st.none() | WORDS, st.none() | WORDS, WORDS, WORDS, WORDS,
    st.lists(st.builds(PublishedPort, st.ip_addresses().map(str) | st.just(""), PORTS, st.just("tcp")), max_size=1).map(tuple),
)  # fmt: skip
ENGINES = st.builds(
    EngineFacts,
    time=st.none() | st.datetimes().map(lambda when: f"{when.isoformat()}Z"),
    containers=st.lists(CONTAINERS, max_size=2).map(tuple),
    networks=st.lists(st.builds(NetworkFact, WORDS, WORDS, st.none() | WORDS, st.lists(SUBNETS, max_size=1).map(tuple)), max_size=2).map(tuple),
    volumes=st.lists(st.from_type(VolumeFact), max_size=2).map(tuple),
    images=st.frozensets(WORDS, max_size=2),
)  # fmt: skip


UNKNOWN = st.builds(Unknown, WORDS, st.just("install it"), st.booleans())


@st.composite
def worlds(draw: st.DrawFn) -> Facts:
    inventory = draw(INVENTORIES | UNKNOWN)
    mode = draw(st.sampled_from(["auto", "dual", "single", "cpu"]))
    return facts(
        stack=draw(STACKS),
        engine=draw(ENGINES | UNKNOWN),
        inventory=inventory,
        placement=place(mode, inventory, {"dual": "d.yml", "single": "s.yml", "cpu": "c.yml"}),
        model=draw(UNKNOWN | st.from_type(Model)),
        host=replace(draw(st.from_type(Host)), kernel=draw(st.from_type(Host)).kernel),
        files=draw(st.from_type(Files) | UNKNOWN),
        pulls=draw(st.none() | st.lists(st.from_type(Pull), max_size=2).map(tuple)),
        rehearsal=draw(st.booleans()),
    )


@FEW
@given(worlds(), st.booleans())
def test_no_world_makes_a_check_crash_and_every_finding_that_is_no_pass_says_what_to_do(
    world: Facts, strict: bool
) -> None:
    report = Report.from_facts(world, Terms(strict=strict))
    assert [f.evidence for f in report.findings if f.check == CRASHED] == []
    assert [f for f in report.findings if f.stops and not f.remedy] == []


@FEW
@given(worlds())
def test_every_world_comes_back_from_its_json_and_is_judged_alike(world: Facts) -> None:
    back = facts_from_json(to_json(world))
    assert Report.from_facts(back) == Report.from_facts(world)
