from __future__ import annotations

from pathlib import Path

import pytest

from opskit.compose.source import read_service_names, read_source
from opskit.environments import read_environments
from opskit.paths import COMPOSE, ENVIRONMENTS


def write(folder: Path, *texts: str) -> list[Path]:
    files = [folder / f"{number}.yml" for number in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    return files


def test_the_services_of_all_files_are_named_whatever_their_variables_tags_and_profiles(tmp_path: Path) -> None:
    files = write(
        tmp_path,
        "services:\n  a: {image: '${A:?set it}'}\n  b: {image: x, profiles: [off]}\n",
        "services:\n  c: !reset null\n  a: {ports: !override []}\nvolumes: {data: {}}\n",
    )
    assert read_service_names(files) == frozenset("abc")


@pytest.mark.parametrize(
    "text",
    [
        "services: [",
        "",
        "services: [a]",
        "volumes: {}",
        "include: [other.yml]\nservices: {a: {image: x}}",
        "x-all: &all {b: {image: x}}\nservices:\n  <<: *all\n  a: {image: x}\n",
    ],
)
def test_where_the_text_does_not_tell_the_services_are_unknown(tmp_path: Path, text: str) -> None:
    assert read_service_names(write(tmp_path, "services: {a: {image: x}}", text)) is None


def test_a_file_that_is_not_there_leaves_them_unknown(tmp_path: Path) -> None:
    assert read_service_names([tmp_path / "none.yml"]) is None


def test_the_files_of_every_environment_tell() -> None:
    told = {}
    for name, environment in read_environments(ENVIRONMENTS).items():
        told[name] = read_service_names([COMPOSE / file for file in (*environment.compose, *environment.gpu.values())])
        assert told[name] is not None
        assert "postgres" in (told[name] or ()) or not environment.gpu
    assert not any("postgres" in (told[name] or ()) for name in ("first-run", "testing", "performance"))


def test_a_comment_behind_a_value_demands_nothing(tmp_path: Path) -> None:
    text = "services:\n  a:\n    image: x:1  # was ${OLD:?no longer}\n    environment: {N: '${NEW:?set it}'}\n"
    source = read_source(write(tmp_path, text))
    assert source.demanded == {"NEW"}
    assert source.used == {"NEW"}


def test_what_a_config_is_made_of_is_no_compose_file(tmp_path: Path) -> None:
    (tmp_path / "app.yml").write_text("dsn: ${DB:?the application reads it}\n")
    text = "services: {a: {image: 'x:1', configs: [c]}}\nconfigs: {c: {file: ./app.yml}}\n"
    assert read_source(write(tmp_path, text)).demanded == frozenset()


def test_what_is_extended_or_included_counts(tmp_path: Path) -> None:
    (tmp_path / "more.yml").write_text("services: {b: {image: 'x:${B:?}'}}\n")
    for text in (
        "services: {a: {extends: {file: more.yml, service: b}}}",
        "include: [more.yml]",
        "include: [{path: more.yml}]",
    ):
        assert read_source(write(tmp_path, text)).demanded == {"B"}, text


def test_an_escape_is_no_variable_and_damage_is_left_to_compose(tmp_path: Path) -> None:
    assert read_source(write(tmp_path, "services: {a: {command: 'echo $${X:?}'}}")).used == frozenset()
    assert read_source(write(tmp_path, "services: [")).used == frozenset()
    assert read_source([tmp_path / "none.yml"]).used == frozenset()


@pytest.mark.parametrize(
    "port",
    [
        '{host_ip: "${H:-127.0.0.1}", published: "${P:-4000}", target: 80}',
        '"127.0.0.1:${P:-4000}:80"',
        '"${P:-4000}:${T:-80}"',
    ],
)
def test_a_port_s_variable_and_its_default_are_read_in_both_forms(tmp_path: Path, port: str) -> None:
    assert read_source(write(tmp_path, f"services: {{a: {{ports: [{port}, '80:80']}}}}")).ports == {"P": 4000}


def test_a_service_that_a_later_file_takes_away_and_one_that_reserves_are_told(tmp_path: Path) -> None:
    gpu = "deploy: {resources: {reservations: {devices: [{capabilities: [gpu], count: 1}]}}}"
    files = write(
        tmp_path,
        f"services:\n  a: {{image: x, {gpu}}}\n  b: {{image: x, deploy: {{resources: {{limits: {{memory: 1G}}}}}}}}\n",
        "services: {b: !reset null}\n",
    )
    source = read_source(files)
    assert source.reserving == {"a"}
    assert source.removed == {"b"}
