"""Values of random env files are what the real Compose makes of them; `OPSKIT_ENV_FILES=1000` tries as many."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opskit.compose.client import find_compose
from opskit.secrets.envfile import Entry, parse_lines

FILES = int(os.environ.get("OPSKIT_ENV_FILES", "100"))
SHELL = {"SHELL_GIVES": "of the shell", "NAME": "another of the shell"}
PIECES = st.sampled_from([
    "a", "B", "7", " ", "  ", "#", " #", "$", "$$", "${V0}", "${V0:-x}", "${NONE:-d e}", "${NONE-}", "${V0:+y}", "$V1",
    "$SHELL_GIVES", "${", "\\", "\\n", "\\0", '\\"', "\\'", "\\$", '"', "'", "=", ":", "%", ";", "\t", "\v", "\r", "é", "{", "}",
    "(", "&", "|", "`", "-", ".", "export ", "!", "?", "*", "\u00a0", "\u2028", "\x1c", "\ufeff",
])  # fmt: skip
TEXTS = st.lists(PIECES, max_size=8).map("".join)
QUOTED = st.sampled_from(["{}", '"{}"', "'{}'", '"{}" # c', "'{}' #c", '"{}"\u2028', " {} "])
LINES = st.tuples(
    st.sampled_from(["", "", "export ", " ", "\t", "\u00a0"]),
    st.sampled_from(["=", "=", " = ", ": ", "=  ", ":", "\u00a0="]),
    st.builds(lambda quoted, text: quoted.replace("{}", text), QUOTED, TEXTS),
    st.sampled_from(["", "", " ", "\r"]),
)


@settings(max_examples=FILES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(lines=st.lists(LINES, min_size=1, max_size=4), end=st.sampled_from(["", "\n"]))
def test_every_value_that_is_read_is_compose_s(
    lines: list[tuple[str, str, str, str]], end: str, tmp_path: Path
) -> None:
    names = [f"V{at}" for at in range(len(lines))]
    rows = [
        before + name + sign + value + after for name, (before, sign, value, after) in zip(names, lines, strict=True)
    ]
    text = "\n".join(rows) + end
    read = list(parse_lines(text, SHELL))
    if all(isinstance(line, Entry) and line.value is not None for line in read):  # else it is refused, with its place
        assert {line.name: line.value for line in read if isinstance(line, Entry)} == ask_compose(text, names, tmp_path)


def ask_compose(text: str, names: list[str], folder: Path) -> dict[str, str] | str:
    """What Compose puts in the place of each variable that the env file gives; its message where it refuses the file."""
    file, env_file = folder / "compose.yml", folder / "env"
    env_file.write_bytes(text.encode())
    environment = {name: f"${{{name}-not given}}" for name in names}
    file.write_text(json.dumps({"services": {"one": {"image": "x", "environment": environment}}}))
    words = [*find_compose().words, "-f", str(file), "--env-file", str(env_file), "config", "--format", "json"]
    environ = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **SHELL}
    done = subprocess.run(words, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        return done.stderr
    found = json.loads(done.stdout)["services"]["one"]["environment"]
    return {name: value.replace("$$", "$") for name, value in found.items() if value != "not given"}
