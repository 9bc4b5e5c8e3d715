from __future__ import annotations

from pathlib import Path

import pytest

from opskit.compose.services import read_service_names
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
    for environment in read_environments(ENVIRONMENTS).values():
        files = [COMPOSE / name for name in (*environment.compose, *environment.gpu.values())]
        names = read_service_names(files)
        assert names is not None
        assert ("postgres" in names) is bool(environment.gpu)
