from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from opskit.compose.faults import Failure
from opskit.engine.facts import EngineFacts
from opskit.errors import ConfigError
from opskit.host.model import Disk, Files, ListeningSocket
from opskit.llm.huggingface import Hub
from opskit.preflight.archive import facts_from_json, to_json
from opskit.preflight.facts import Facts
from opskit.preflight.report import Report
from opskit.secrets.value import make_redact
from opskit.unknown import Unknown
from tests.facts import engine, facts, stack

WORLDS = {
    "sound": facts(),
    "no engine": facts(engine=Unknown("Docker Engine at x: gone", "start it")),
    "no compose": facts(compose=Unknown("none", ""), stack=Failure("compose_missing", None, "none", ("a",), "install it")),
    "no gpu": facts(inventory=Unknown("no driver", "install it")),
    "unread": facts(engine=engine(containers=Unknown("too slow", "look", required=True))),
    "rehearsal": facts(rehearsal=True, files=Files({"/a": Disk(1, 0.5), "/b": None}, {"/x": "file"}, 0o600, {"pg": "18"})),
}  # fmt: skip


@pytest.mark.parametrize("found", WORLDS.values(), ids=WORLDS)
def test_facts_come_back_from_json_as_they_were_and_are_judged_alike(found: Facts) -> None:
    back = facts_from_json(to_json(found))
    assert back == found
    assert Report.from_facts(back) == Report.from_facts(found)


def test_no_secret_gets_into_the_json_and_the_verdicts_stay() -> None:
    password = 'tiger"lily\\1'
    found = facts(stack=stack(environment={"REDIS_PASSWORD": password, "URL": f"redis://:{password}@redis"}))
    text = to_json(found, make_redact({"REDIS_PASSWORD": password}))
    assert "lily" not in text
    assert json.loads(text)["resolved"]["services"]["redis"]["environment"]["URL"] == "redis://:[REDIS_PASSWORD]@redis"
    assert Report.from_facts(facts_from_json(text)) == Report.from_facts(found)


def test_facts_of_an_older_opskit_are_read_and_what_they_lack_has_its_default() -> None:
    said = json.loads(to_json(facts()))
    del said["seconds"], said["moved"], said["files"]["postgres_majors"]
    assert facts_from_json(json.dumps(said)) == facts()


def first(**changed: Any) -> dict[str, Any]:
    """Facts as schema 1 had them: sentences in the place of what is not known, or null and the reason beside."""
    record = json.loads(to_json(facts()))
    record["schema"] = 1
    record["host"]["holders"] = record["host"].pop("sockets")
    record["model"] = record["model"]["reason"]
    record["unread"] = {}
    return {**record, **changed}


def test_facts_of_schema_1_are_judged_as_they_were() -> None:
    assert Report.from_facts(facts_from_json(json.dumps(first()))) == Report.from_facts(facts())


@pytest.mark.parametrize(
    ("hub", "becomes"),
    [("", Hub("the hub")), ("https://h: Timeout", Unknown("https://h: Timeout", ""))],
)
def test_what_schema_1_recorded_of_the_hub_in_words_is_judged_as_it_was(hub: str, becomes: object) -> None:
    said = first(hub=hub)
    del said["files"]["certificates"], said["files"]["cached"], said["placement"]["worker_overlay"]
    assert facts_from_json(json.dumps(said)).hub == becomes


def test_what_schema_1_could_not_read_is_unknown_with_its_reason() -> None:
    why = {"reason": "no answer within 10 s", "remedy": "look", "required": True}
    said = first(unread={"containers": why, "holders": why, "memory": why, "disks": why}, engine=first()["engine"])
    said["engine"]["containers"] = said["host"]["memory"] = said["host"]["holders"] = None
    back, unknown = facts_from_json(json.dumps(said)), Unknown(**why)  # type: ignore[arg-type]
    assert isinstance(back.engine, EngineFacts)
    assert (back.engine.containers, back.host.memory, back.host.sockets, back.files) == (unknown,) * 4
    gone = facts_from_json(json.dumps(first(engine="Docker Engine at x: gone. Remedy: start it.")))
    assert gone.engine == Unknown("Docker Engine at x: gone", "start it")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "a.json: found no JSON"),
        ("[]", "a.json: found schema None; wanted 1 to 2"),
        ("[" * 100_000, "a.json: found no JSON"),
        (f'{{"schema": {"9" * 5000}}}', "a.json: found no JSON"),
        ('{"schema": 3}', "a.json: found schema 3; wanted 1 to 2"),
        ('{"schema": true}', "a.json: found schema True"),
        ('{"schema": 1}', "a.json: environment: Field required"),
    ],
)
def test_what_is_no_facts_is_refused_with_its_place(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        facts_from_json(text, "a.json")
    assert str(caught.value).startswith(says)


def test_every_damaged_place_is_named() -> None:
    said = json.loads(to_json(facts(host=facts().host)))
    said["host"]["memory"]["total_bytes"] = "many"
    said["files"]["kinds"] = 3
    said["resolved"]["services"]["redis"]["ports"] = [{"published": "x"}]
    with pytest.raises(ConfigError) as caught:
        facts_from_json(json.dumps(said), "a.json")
    assert [line.split(": ")[1] for line in str(caught.value).splitlines()] == [
        "host.memory.total_bytes",
        "files.kinds",
    ]
    del said["host"]["memory"], said["files"]["kinds"]
    said["files"]["kinds"] = {}
    with pytest.raises(ConfigError, match=r"a\.json: resolved: found no model as Compose prints it"):
        facts_from_json(json.dumps(said), "a.json")


def test_a_holder_without_a_name_stays_without_one() -> None:
    host = facts().host
    unseen = ListeningSocket("::", 80, "tcp", None, None)
    found = facts(host=replace(host, sockets=(unseen,)))
    assert facts_from_json(to_json(found)).host.sockets == (unseen,)
