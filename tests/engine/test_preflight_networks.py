"""Networks, volumes and names that are in the way or missing: preflight names them, its printed remedy fixes it."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from docker.errors import APIError

from opskit.preflight.finding import Verdict
from tests.checkout import LABEL, Checkout
from tests.remedies import OVERRIDE, append, follow, gone_at_last, trouble

if TYPE_CHECKING:
    from docker import DockerClient

pytestmark = pytest.mark.engine

NETWORK = "com.docker.compose.network"
ROUTE = "10.213.77.0/24"


@pytest.fixture
def route(undo: ExitStack) -> str:
    """A subnet that the host routes to by a device of its own."""
    ip = shutil.which("ip")
    if ip is None:
        pytest.skip("no ip; apt-get install iproute2")
    words = [ip, "route", "{}", ROUTE, "dev", "lo"]
    subprocess.run([word.format("add") for word in words], check=True)
    undo.callback(subprocess.run, [word.format("del") for word in words], check=True)
    return ROUTE


def fixed(subnet: str) -> str:
    return f"networks:\n  multimodal-net: {{ipam: {{config: [{{subnet: {subnet}}}]}}}}\n"


def test_a_fixed_subnet_names_the_network_that_has_it_and_left_out_clashes_no_more(
    checkout: Checkout, engine: DockerClient, network: str, undo: ExitStack
) -> None:
    (other,) = engine.networks.list(names=[network])
    subnet = other.attrs["IPAM"]["Config"][0]["Subnet"]
    override = checkout.root / OVERRIDE
    before = append(override, fixed(subnet), undo)
    (finding,) = trouble(checkout, "network-subnet")
    assert (finding.verdict, finding.subject) == (Verdict.FAIL, f"multimodal-net {subnet}")
    assert finding.found == f"network {network} ({subnet})"
    assert "leave `ipam` of networks/multimodal-net out" in finding.remedy
    override.write_text(before)
    assert not trouble(checkout, "network-subnet")


def test_a_fixed_subnet_that_the_host_routes_to_fails_and_another_one_passes(
    checkout: Checkout, route: str, undo: ExitStack
) -> None:
    override = checkout.root / OVERRIDE
    before = append(override, fixed(route), undo)
    (finding,) = trouble(checkout, "network-subnet")
    assert (finding.verdict, finding.found) == (Verdict.FAIL, f"a route of the host ({route})")
    assert "or give it a subnet that nobody has" in finding.remedy
    override.write_text(before + fixed("10.213.78.0/24"))
    assert not trouble(checkout, "network-subnet")


def test_a_network_of_our_name_that_compose_did_not_make_goes_by_the_printed_command(
    checkout: Checkout, engine: DockerClient, undo: ExitStack
) -> None:
    name = f"{checkout.prefix}-development_stores-net"
    undo.enter_context(gone_at_last(engine.networks.create(name)))
    (finding,) = trouble(checkout, "network-foreign")
    assert (finding.verdict, finding.subject) == (Verdict.FAIL, name)
    assert finding.found == "there already, made by hand"
    assert follow(checkout, finding) == f"docker network rm {name}"
    assert not trouble(checkout, "network-foreign")


def test_two_networks_of_one_name_go_by_the_printed_command(
    checkout: Checkout, engine: DockerClient, undo: ExitStack
) -> None:
    name = f"{checkout.prefix}-development_multimodal-net"
    labels = {LABEL: f"{checkout.prefix}-development", NETWORK: "multimodal-net"}
    undo.enter_context(gone_at_last(engine.networks.create(name, labels=labels)))
    try:
        undo.enter_context(gone_at_last(engine.networks.create(name, labels=labels)))
    except APIError as error:
        pytest.skip(f"this Engine lets no name be given twice: {error.explanation}")
    (finding,) = trouble(checkout, "network-unique")
    assert (finding.verdict, finding.subject, finding.found) == (Verdict.FAIL, name, "2 of that name")
    assert follow(checkout, finding).startswith("docker network rm ")
    assert not trouble(checkout, "network-unique")


def test_what_the_files_call_external_is_made_by_the_printed_commands(
    checkout: Checkout, engine: DockerClient, undo: ExitStack
) -> None:
    name = f"{checkout.prefix}-shared"
    external = f"{{external: true, name: {name}}}"
    append(
        checkout.root / OVERRIDE, f"networks: {{multimodal-net: {external}}}\nvolumes: {{n8n_data: {external}}}\n", undo
    )
    network, volume = trouble(checkout, "external-present")
    assert [(f.verdict, f.subject, f.found) for f in (network, volume)] == [
        (Verdict.FAIL, f"network {name}", "not there"),
        (Verdict.FAIL, f"volume {name}", "not there"),
    ]
    assert follow(checkout, network) == f"docker network create {name}"
    undo.enter_context(gone_at_last(engine.networks.get(name)))
    assert follow(checkout, volume) == f"docker volume create {name}"
    undo.enter_context(gone_at_last(engine.volumes.get(name)))
    assert not trouble(checkout, "external-present")


@pytest.mark.parametrize("project", ["stranger", None])
def test_a_fixed_container_name_that_another_one_bears_is_freed_by_the_printed_command(
    checkout: Checkout, engine: DockerClient, busybox: str, undo: ExitStack, project: str | None
) -> None:
    name = f"{checkout.prefix}-n8n"
    labels = {LABEL: f"{checkout.prefix}-{project}"} if project else {}
    undo.enter_context(gone_at_last(engine.containers.create(busybox, ["sleep", "9"], name=name, labels=labels)))
    append(checkout.root / OVERRIDE, f"  n8n: {{container_name: {name}}}\n", undo)
    (finding,) = trouble(checkout, "container-name")
    assert (finding.verdict, finding.subject) == (Verdict.FAIL, f"n8n {name}")
    assert finding.found == (
        f"held by project {checkout.prefix}-{project}" if project else "held by a container of no project"
    )
    assert follow(checkout, finding) == f"docker rm -f {name}"
    assert not trouble(checkout, "container-name")
