"""docs/real.md, which `make real` writes, is kept with the code and tells of no failure."""

from __future__ import annotations

from tests.checkout import ROOT
from tests.real.findings import FINDINGS


def test_the_document_tells_of_every_finding_and_of_no_failure() -> None:
    text = (ROOT / "docs/real.md").read_text()
    assert "passed" in text
    assert "failed" not in text.partition("## ")[0]
    assert [finding for finding in FINDINGS if f"| {finding} |" not in text] == []
    assert "data: [DONE]" in text
