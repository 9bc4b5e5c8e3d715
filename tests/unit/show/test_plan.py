from __future__ import annotations

from opskit.compose.model import parse_stack
from opskit.compose.plan import Step
from opskit.show.plan import draw_plan

DEVICES = [{"driver": "nvidia", "device_ids": ["0", "1"], "capabilities": ["gpu"]}]
STACK = parse_stack({"name": "p", "services": {
    "vllm": {"image": "v:1", "deploy": {"resources": {"reservations": {"devices": DEVICES}}}},
    "web": {"image": "w:1", "scale": 2, "ports": [{"target": 80, "published": "8080", "host_ip": "127.0.0.1"}]},
}})  # fmt: skip


def test_equal_steps_are_one_row_with_what_the_service_takes() -> None:
    steps = [
        Step("network", "p_net", "create", "not there yet"),
        Step("container", "vllm", "keep", "runs as configured", "1"),
        *[Step("container", "web", "create", "not there yet")] * 2,
    ]
    table = draw_plan(steps, STACK, "p", usual_s=42.4, rehearsal=False)
    assert table.title == "Plan for p; earlier launches took 42 s"
    assert table.rows == [
        ("network", "p_net", "create", "not there yet", "", ""),
        ("container", "vllm", "keep", "runs as configured", "", "GPU 0, 1"),
        ("container", "web (2 containers)", "create", "not there yet", "w:1", "127.0.0.1:8080"),
    ]


def test_where_nothing_changes_that_is_the_title() -> None:
    steps = [Step("container", "vllm", "keep", "runs as configured", "1")]
    assert draw_plan(steps, STACK, "p", usual_s=42.4, rehearsal=False).title == "Plan for p: nothing changes"
