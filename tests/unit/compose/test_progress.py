from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opskit.compose.progress import ComposeEvent, parse_progress


# Lines as Compose v2.40.3 and v5.6.1 printed them.
@pytest.mark.parametrize(
    ("line", "event"),
    [
        ('{"id":"Container p-a-1","status":"Created"}', ComposeEvent("container", "p-a-1", "Created")),
        (
            '{"id":"Container p-a-1","status":"Done","text":"Created"}',
            ComposeEvent("container", "p-a-1", "Created"),
        ),
        ('{"id":"Network p_default","status":"Working","text":"Creating"}', ComposeEvent("network", "p_default", "Creating")),
        ('{"id":"a","text":"Pulling"}', ComposeEvent("image", "a", "Pulling")),
        ('{"id":"Image busybox:1","status":"Working","text":"Pulling","details":"1.1MB"}', ComposeEvent("image", "busybox:1", "Pulling", "1.1MB")),
        ('{"id":"ab12","parent_id":"a","text":"Downloading","status":"[==>  ]"}', ComposeEvent("layer", "ab12", "[==>  ]", "Downloading")),
        ('{"id":"a","text":"Error","status":"toomanyrequests: wait"}', ComposeEvent("image", "a", "Error", "toomanyrequests: wait")),
        ('{"id":"Image x:1","status":"Error","text":"Error","details":"not found"}', ComposeEvent("image", "x:1", "Error", "not found")),
        ('{"error":true,"message":"container p-a-1 exited (1)"}', ComposeEvent("error", "", "container p-a-1 exited (1)")),
        ('{"error":true}', ComposeEvent("error", "", "")),
        ('{"level":"warning","msg":"the X variable is not set","time":"t"}', ComposeEvent("warning", "", "the X variable is not set")),
        ("unknown flag: --x", ComposeEvent("raw", "", "unknown flag: --x")),
        ("[]", ComposeEvent("raw", "", "[]")),
    ],
)  # fmt: skip
def test_a_line_of_either_schema_says_the_same(line: str, event: ComposeEvent) -> None:
    assert parse_progress(line) == event


@given(st.text())
def test_no_line_is_refused(line: str) -> None:
    assert isinstance(parse_progress(line), ComposeEvent)
