"""first-run removes what was listed of the project that was named, and nothing else; interrupted, it finishes."""

from __future__ import annotations

import re
import socket
from contextlib import ExitStack

import pytest

from opskit.engine.holding import read_holdings, remove_holdings
from opskit.secrets.policy import BY_NAME
from opskit.secrets.store import read_secrets
from tests.checkout import LABEL, Checkout

REAL = "POSTGRES_PASSWORD=of-the-real-data\n"
pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]


@pytest.fixture
def furnished(checkout: Checkout, busybox: str, undo: ExitStack) -> Checkout:
    """Things of the project and of another: a container, a network and a volume each; and an env file."""
    for project in (checkout.project, f"{checkout.prefix}-foreign"):
        labels = {LABEL: project}
        checkout.engine.volumes.create(f"{project}_data", labels=labels)
        network = checkout.engine.networks.create(f"{project}_net", labels=labels)
        box = checkout.engine.containers.create(
            busybox, ["sleep", "600"], name=f"{project}-box-1", labels=labels, network=network.name, init=True
        )
        undo.callback(_remove, checkout, box.id)
        box.start()
    (checkout.root / ".env.development").write_text(REAL)
    env = checkout.env_file()
    env.parent.mkdir(parents=True, exist_ok=True)
    env.write_text("HF_TOKEN=mine\nPOSTGRES_PASSWORD=old-password\n")
    return checkout


def _remove(checkout: Checkout, box: str | None) -> None:
    for container in checkout.engine.containers.list(all=True):
        if container.id == box:
            container.remove(force=True)


def held(checkout: Checkout, project: str) -> set[str]:
    return {holding.kind for holding in read_holdings(checkout.engine) if holding.project == project}


def run(checkout: Checkout, confirm: str = "") -> tuple[int, str]:
    done = checkout.run("first_run", "-p", "confirm", confirm, "-p", "rehearse", "true")
    return done.returncode, done.stdout + done.stderr


def test_it_only_shows_until_the_name_is_typed_then_wipes_that_project_and_starts_anew(furnished: Checkout) -> None:
    everything = {"container", "network", "volume"}
    foreign = f"{furnished.prefix}-foreign"
    both = [h for h in read_holdings(furnished.engine) if h.project in {furnished.project, foreign}]
    with pytest.raises(ValueError, match="belongs to"):  # refused whole, before anything is removed
        remove_holdings(furnished.engine, furnished.project, both)
    for wrong in ("", "yes", foreign):
        rc, said = run(furnished, wrong)
        assert rc == 0, said
        assert f"type {furnished.project}" in said
        assert held(furnished, furnished.project) == held(furnished, foreign) == everything
    notebook = (furnished.last()[0] / "first_run.ipynb").read_text()
    assert "would go" in notebook
    assert "stays: not ours" in notebook

    # What could not be finished is refused before anything goes: a container of another project is on the network.
    net = furnished.engine.networks.get(f"{furnished.project}_net")
    stranger = furnished.engine.containers.get(f"{foreign}-box-1")
    net.connect(stranger)
    rc, said = run(furnished, furnished.project)
    assert rc == 1
    assert f"network {net.name}" in said
    assert f"docker network disconnect {net.name} {stranger.name}" in said
    assert "nothing was removed" in said
    assert "Traceback" not in said
    assert held(furnished, furnished.project) == everything
    assert read_secrets(furnished.env_file())["POSTGRES_PASSWORD"].reveal() == "old-password"

    net.disconnect(stranger)
    with socket.create_server(("127.0.0.1", int(furnished.environ["REDIS_PORT"]))):  # and so is a start that cannot be
        rc, said = run(furnished, furnished.project)
        assert (rc, held(furnished, furnished.project)) == (1, everything), said
        assert "[port-free]" in said
    rc, said = run(furnished, furnished.project)
    assert rc == 0, said
    assert "every service is up after" in said
    assert len(furnished.containers()) == 11
    assert held(furnished, foreign) == everything
    env = furnished.env_file()
    secrets = read_secrets(env)
    assert secrets["HF_TOKEN"].reveal() == "mine", "the operator's own line stays"
    assert secrets["POSTGRES_PASSWORD"].reveal() != "old-password"
    assert secrets.keys() - {"HF_TOKEN"} <= BY_NAME.keys()
    (kept,) = [p for p in env.parent.glob(f"{env.name}.before-*") if "old-password" in p.read_text()]
    assert kept.stat().st_mode & 0o777 == 0o600
    assert (furnished.root / ".env.development").read_text() == REAL, "the real environment's secrets are not touched"


def test_what_was_wiped_can_be_put_back_from_its_set(checkout: Checkout) -> None:
    assert checkout.start().returncode == 0
    ask = ["psql", "-U", "postgres", "-d", "multimodal", "-tAc"]
    before = checkout.containers()["postgres"]
    assert before.exec_run([*ask, "INSERT INTO search_sessions (query) VALUES ('kept')"]).exit_code == 0
    openwebui = checkout.containers()["openwebui"]
    assert openwebui.exec_run(["sh", "-c", "echo a-chat > /app/backend/data/chat"]).exit_code == 0
    password = read_secrets(checkout.env_file())["MULTIMODAL_DB_PASSWORD"]

    rc, said = run(checkout, checkout.project)
    assert rc == 0, said
    kept = checkout.last()[1]["snapshot"]["set"]
    assert f"kept is set {kept}, which `opskit restore development -p rehearse yes` puts back" in said
    empty = checkout.containers()["postgres"].exec_run([*ask, "SELECT count(*) FROM search_sessions"])
    assert empty.output == b"0\n"
    assert read_secrets(checkout.env_file())["MULTIMODAL_DB_PASSWORD"] != password

    assert checkout.opskit("stop", "dev", "--rehearse").returncode == 0
    back = checkout.opskit("restore", "dev", "--rehearse", "--snapshot", kept, "--confirm", checkout.project)
    assert back.returncode == 0, back.stderr
    rows = checkout.containers()["postgres"].exec_run([*ask, "SELECT query FROM search_sessions"])
    assert rows.output == b"kept\n"
    assert checkout.containers()["openwebui"].exec_run(["cat", "/app/backend/data/chat"]).output == b"a-chat\n"
    assert read_secrets(checkout.env_file())["MULTIMODAL_DB_PASSWORD"] == password


def test_what_is_stopped_is_kept_too_and_where_no_set_can_be_made_nothing_goes(checkout: Checkout) -> None:
    assert checkout.start().returncode == 0
    assert checkout.run("stop", "-p", "env", "dev", "-p", "rehearse", "yes").returncode == 0
    everything = held(checkout, checkout.project)
    words = ("first_run", "-p", "confirm", checkout.project, "-p", "rehearse", "true")
    refused = checkout.run(*words, RESTIC_REPOSITORY="/proc/sets")
    assert (refused.returncode, held(checkout, checkout.project)) == (1, everything), refused.stdout
    assert "nothing was removed: no set of its data was made: restic: found" in refused.stderr
    assert "-p snapshot False" in refused.stderr
    # A key of the data that is wiped, and a volume that is gone already, keep nobody from wiping.
    path = checkout.env_file()
    path.write_text(re.sub(r"(?m)^(N8N_ENCRYPTION_KEY)=.*$", r"\1=edited-by-hand-0123456789", path.read_text()))
    checkout.engine.volumes.get(f"{checkout.project}_redis_data").remove()
    rc, said = run(checkout, checkout.project)
    assert rc == 0, said
    parts = {part["name"] for part in checkout.last()[1]["snapshot"]["parts"]}
    assert "volume/postgres_data" in parts
    assert not any(name.startswith("postgres/") for name in parts)
