"""Files that are missing, damaged or another's: preflight names them, and its printed remedy fixes them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from opskit.preflight.finding import Verdict
from tests.checkout import Checkout
from tests.remedies import OVERRIDE, append, commands, follow, judge, trouble

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def kept(checkout: Checkout) -> Checkout:
    """The checkout under git, as an operator has it."""
    author = ("-c", "user.name=o", "-c", "user.email=o@localhost")
    for words in (("init", "-q"), ("add", "."), (*author, "commit", "-qm", "as it was")):
        subprocess.run(["git", *words], cwd=checkout.root, check=True)
    return checkout


@pytest.fixture
def env_file(checkout: Checkout) -> Iterator[Path]:
    path = checkout.root / ".env.development"
    yield path
    path.unlink(missing_ok=True)


def test_a_missing_file_that_is_mounted_comes_back_by_the_printed_command(kept: Checkout) -> None:
    config = kept.root / "configs/nginx.conf"
    config.unlink()
    (finding,) = trouble(kept, "file-present")
    assert (finding.verdict, finding.subject, finding.found) == (Verdict.FAIL, "nginx", f"{config}: missing")
    assert follow(kept, finding) == f"git restore {config}"
    assert not trouble(kept, "file-present")


def test_a_folder_that_the_engine_made_for_a_missing_file_gives_way_by_the_printed_commands(kept: Checkout) -> None:
    script = kept.root / "sql/init.sql"
    script.unlink()
    script.mkdir()
    (finding,) = trouble(kept, "file-present")
    assert (finding.verdict, finding.subject, finding.found) == (Verdict.FAIL, "postgres", f"{script}: directory")
    assert [follow(kept, finding, nth) for nth in (0, 1)] == [f"rmdir {script}", f"git restore {script}"]
    assert not trouble(kept, "file-present")


def test_a_missing_folder_that_the_engine_would_make_as_root_is_made_by_the_printed_command(
    checkout: Checkout, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    worker, finding = trouble(checkout, "file-present", MODELS_DIR=str(models))
    assert (finding.verdict, finding.subject, finding.found) == (Verdict.WARN, "vllm", f"{models}: missing")
    assert (worker.subject, worker.remedy) == ("multimodal-worker", finding.remedy)
    assert follow(checkout, finding) == f"mkdir -p {models}"
    assert not trouble(checkout, "file-present", MODELS_DIR=str(models))


def test_a_missing_config_of_the_files_is_named_and_passes_once_it_is_put_there(
    checkout: Checkout, undo: ExitStack
) -> None:
    extra = checkout.root / "configs/extra.conf"
    undo.callback(extra.unlink, missing_ok=True)
    append(
        checkout.root / OVERRIDE, "  n8n: {configs: [extra]}\nconfigs: {extra: {file: ../configs/extra.conf}}\n", undo
    )
    (finding,) = trouble(checkout, "file-present")
    assert (finding.verdict, finding.subject, finding.found) == (Verdict.FAIL, "configs/extra", f"{extra}: missing")
    assert finding.remedy.startswith("put it there")
    extra.touch()
    assert not trouble(checkout, "file-present")


def test_an_env_file_that_others_may_read_is_closed_by_the_printed_command(checkout: Checkout, env_file: Path) -> None:
    env_file.write_text("REDIS_PASSWORD=a\n")
    env_file.chmod(0o644)
    (finding,) = trouble(checkout, "secret-file")
    assert (finding.verdict, finding.subject, finding.found) == (Verdict.WARN, ".env.development", "0644")
    assert follow(checkout, finding) == "chmod 600 .env.development"
    assert not trouble(checkout, "secret-file")


def test_every_damaged_line_of_the_env_file_is_named_without_its_value(checkout: Checkout, env_file: Path) -> None:
    env_file.write_text("REDIS_PASSWORD='s3cret\nno value at all\nN8N_ENCRYPTION_KEY=\n")
    env_file.chmod(0o600)
    (finding,) = trouble(checkout, "secret-readable")
    assert (finding.verdict, finding.subject) == (Verdict.FAIL, ".env.development")
    assert [f"{env_file}:{line}: " in finding.found for line in (1, 2, 3)] == [True] * 3
    assert "s3cret" not in finding.found
    assert "Traceback" not in finding.found
    assert "correct these lines of .env.development" in finding.remedy
    env_file.write_text("REDIS_PASSWORD='s3cret'\n")
    assert not trouble(checkout, "secret-readable")


def test_a_variable_that_nobody_set_passes_once_the_printed_line_is_added(
    checkout: Checkout, env_file: Path, undo: ExitStack
) -> None:
    append(checkout.root / OVERRIDE, "  n8n: {environment: {A: '${ONE:?say it}', B: '${TWO:?say it}'}}\n", undo)
    one, two = trouble(checkout, "variable-set")
    assert (one.verdict, one.subject) == (Verdict.FAIL, "ONE")
    assert "add a line ONE=… to .env.development" in one.remedy
    (exported,) = commands(two)
    name, value = exported.removeprefix("export ").replace("…", "2").split("=")
    env_file.write_text("ONE=1\n")
    assert not trouble(checkout, "variable-set", **{name: value})


def test_an_image_that_nobody_named_is_built_and_its_base_is_asked_for(checkout: Checkout, env_file: Path) -> None:
    found = {f.subject: f for f in judge(checkout) if f.check == "image-present"}
    for service in ("multimodal-worker", "retrieval-proxy"):
        assert found[service].found.startswith(f"opskit/{service}:")
        assert found[service].found.endswith(" is not here; the launch builds it")
    assert any("python:3.11.15-slim-bookworm" in f.subject for f in trouble(checkout, "image-reachable"))
    env_file.write_text("MULTIMODAL_WORKER_IMAGE=worker:1\nRETRIEVAL_PROXY_IMAGE=proxy:1\n")
    named = {f.subject: f for f in judge(checkout) if f.check == "image-present"}
    assert named["multimodal-worker"].found == "worker:1 is not here; the launch pulls it"


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("  n8n: [image\n", "yaml"),
        ("  n8n: {imagee: x}\n", "imagee"),
        ("  n8n: {networks: [nowhere]}\n", "undefined network nowhere"),
        ("  n8n: {depends_on: {nobody: {condition: service_started}}}\n", "nobody"),
    ],
)
def test_files_that_compose_cannot_resolve_are_told_in_its_own_words(
    kept: Checkout, undo: ExitStack, broken: str, said: str
) -> None:
    append(kept.root / OVERRIDE, broken, undo)
    (finding,) = trouble(kept, "config-valid")
    assert (finding.verdict, finding.subject) == (Verdict.FAIL, "Compose files")
    assert said in finding.found
    assert "correct the Compose file at the place named" in finding.remedy
    undo.close()
    assert [f.verdict for f in judge(kept) if f.check == "config-valid"] == [Verdict.PASS]
