"""docs/secrets.md says of each secret what the policy says."""

from __future__ import annotations

import re

from opskit.paths import ROOT
from opskit.secrets.policy import RULES

TEXT = (ROOT / "docs/secrets.md").read_text(encoding="utf-8")


def test_the_table_is_the_policy() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| .*? \| (.*?) \| (.*?) \|$", TEXT, re.MULTILINE)
    wanted = [
        (
            rule.name,
            ", ".join(f"`{volume}`" for volume in sorted(rule.volumes)) or "no data",
            rule.why_not_rotated or "`rotate`",
            rule.wants,
        )
        for rule in RULES
    ]
    assert rows == wanted
