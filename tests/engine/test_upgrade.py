"""Upgrades that fail, each undone: the old version ready, every row, object, point and key as before; and good ones."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.checkout import Checkout
from tests.upgrades.cases import CASES, OVERRIDE, Case, override
from tests.upgrades.data import Data
from tests.upgrades.harness import DEV, forget_newer, ids, run_case

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]
CHOSEN = (
    "a newer image that migrates its data, then crashes",
    "ready, and does not do its work",
    "a new service that crash-loops",
    "files that Compose refuses",
    "killed as containers are replaced",
)
"""The others are in `make upgrades`."""


@pytest.fixture(scope="module")
def data(checkout: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Data]:
    """A development that runs, with data in each store and a repository of its own."""
    folder = tmp_path_factory.mktemp("restic")
    (folder / "password").write_text("of the test")
    own = {"RESTIC_REPOSITORY": str(folder / "sets"), "RESTIC_PASSWORD_FILE": str(folder / "password")}
    checkout.environ.update(own)
    forget_newer(checkout.engine)
    done = checkout.opskit("start", *DEV)
    assert done.returncode == 0, done.stderr
    data = Data(checkout)
    data.put()
    yield data
    for name in own:
        del checkout.environ[name]


def made_again(checkout: Checkout, before: dict[str, str]) -> set[str]:
    return {name for name, box in checkout.containers().items() if before.get(name) != box.id}


def test_a_release_is_named_after_what_it_is_made_of_and_holds_no_secret(checkout: Checkout, data: Data) -> None:
    del data
    (folder,) = checkout.root.glob(f".opskit/releases/{checkout.project}/*")
    done = checkout.opskit("start", *DEV)
    assert done.returncode == 0, done.stderr
    assert [folder] == list(checkout.root.glob(f".opskit/releases/{checkout.project}/*"))
    assert checkout.last()[1]["release"]["id"] == folder.name
    secrets = re.findall(r"^[A-Z_]+=(\S{12,})$", checkout.env_file().read_text(), re.MULTILINE)
    assert len(secrets) > 10
    texts = [path.read_text() for path in folder.rglob("*") if path.is_file() and path.parts[-2] != "models"]
    assert not [text for text in texts for secret in secrets if secret in text]


def test_a_good_upgrade_replaces_what_changed_alone_and_a_rollback_takes_it_back(
    checkout: Checkout, data: Data
) -> None:
    before, text = ids(checkout), (checkout.root / OVERRIDE).read_text()
    (old,) = checkout.root.glob(f".opskit/releases/{checkout.project}/*")
    counted = data.count()
    override(nginx={"labels": {"changed": "yes"}})(checkout)
    shown = checkout.opskit("upgrade", *DEV)
    assert (shown.returncode, ids(checkout)) == (0, before), "it only shows"
    assert "Services with data whose image changes: none" in shown.stdout
    other = checkout.opskit("upgrade", *DEV, "--confirm", "development")
    assert (other.returncode, f"type {checkout.project}" in other.stderr) == (2, True)
    done = checkout.opskit("upgrade", *DEV, "--confirm", checkout.project, "--observe-s", "2")
    assert done.returncode == 0, done.stderr
    record = checkout.last()[1]
    assert (record["upgrade"]["verdict"], record["upgrade"]["since"]["release"]) == ("good", old.name)
    assert record["release"]["id"] != old.name
    assert made_again(checkout, before) == {"nginx"}
    assert checkout.containers()["nginx"].labels["changed"] == "yes"

    unknown = checkout.opskit("rollback", *DEV, "--release", "0badc0de", "--confirm", checkout.project)
    assert (unknown.returncode, f"there are: {record['release']['id']}, {old.name}" in unknown.stderr) == (2, True)
    upgraded = ids(checkout)
    back = checkout.opskit("rollback", *DEV, "--confirm", checkout.project)
    assert back.returncode == 0, back.stderr
    assert checkout.last()[1]["release"]["id"] == old.name
    assert made_again(checkout, upgraded) == {"nginx"}
    assert "changed" not in checkout.containers()["nginx"].labels
    assert data.count() == counted
    (checkout.root / OVERRIDE).write_text(text)


@pytest.mark.parametrize("case", [case for case in CASES if case.name in CHOSEN], ids=lambda case: case.name)
def test_an_upgrade_that_fails_is_undone(checkout: Checkout, data: Data, case: Case) -> None:
    result = run_case(checkout, case, data)
    assert not result.faults, f"{result.faults}\n{result.said}"
    if case.moved:
        record = checkout.last()[1]
        assert record["upgrade"]["kept"] == record["snapshot"]["set"]
        (n8n,) = (part for part in record["snapshot"]["parts"] if part["name"] == "postgres/n8n")
        assert any("moved_on" in table for table in n8n["rows"]), "what was written since the first set"


def test_what_has_no_way_back_is_not_upgraded(checkout: Checkout, data: Data) -> None:
    del data
    assert checkout.opskit("stop", *DEV).returncode == 0
    refused = checkout.opskit("upgrade", *DEV, "--confirm", checkout.project)
    assert (refused.returncode, "nothing of it up" in refused.stderr) == (2, True)
