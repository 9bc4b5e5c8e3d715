from __future__ import annotations

import multiprocessing
import time
from pathlib import Path

from filelock import FileLock

from opskit.secrets.policy import RULES
from opskit.secrets.store import ensure_secrets, read_secrets


def test_processes_that_write_at_once_end_with_one_value_of_each_secret(tmp_path: Path) -> None:
    path = tmp_path / ".env.development"
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=ensure_secrets, args=(path, RULES)) for _ in range(4)]
    with FileLock(tmp_path / f"{path.name}.lock"):  # they gather behind it
        for writer in writers:
            writer.start()
        time.sleep(1.5)
        assert not path.exists()
        assert all(writer.is_alive() for writer in writers)
    for writer in writers:
        writer.join(30)
    assert [writer.exitcode for writer in writers] == [0, 0, 0, 0]
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert len(lines) == len(read_secrets(path)) == len(RULES)  # two values of one name would be refused
