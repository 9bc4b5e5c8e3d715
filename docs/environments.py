"""Write notebooks/environments/: start.ipynb for each environment, with what it is and what to look at there."""

from __future__ import annotations

import copy
import json
from typing import Any

from opskit.audit.runner import read_notebook
from opskit.audit.shipped import write_shipped
from opskit.environments import read_environments
from opskit.paths import ENVIRONMENTS, NOTEBOOKS

PLACE = NOTEBOOKS / "environments"
VERIFY = {
    "development": "Every part is up, with verbose logs: open the chat and n8n under *Addresses*, and follow one "
    "service with `opskit logs development SERVICE`.",
    "staging": "The same services as production, with smaller limits and ports of its own computer alone: what passes "
    "here is what production will be given. Compare the two with `matrix.ipynb`.",
    "production": "Only nginx is open to the network; every other address is this machine's. Grafana shows the "
    "dashboards of Prometheus, whose targets are all up; a chat needs an account, and sign-up is closed.",
    "testing": "Allure takes results with its password and shows reports without one: send a run's results, and open "
    "the latest report.",
    "performance": "JMeter runs the plan against the stack that `JMETER_TARGET` names and keeps its reports: open them "
    "under *Addresses*. The load is real; aim it at a stack that may bear it.",
    "monitoring": "Kibana asks for a password, and shows the lines of every service of this project, which Filebeat "
    "reads and Logstash parses.",
    "optimized": "The model server answers through LiteLLM; nothing for people is there. Compare tokens a second with "
    "staging's before you believe that it is faster.",
}

_ANY = "Open its addresses, and follow one service with `opskit logs`."


def make(name: str, purpose: str, project: str) -> dict[str, Any]:
    """The notebook of one environment."""
    notebook = copy.deepcopy(read_notebook("start"))
    parameters = next(cell for cell in notebook["cells"] if "parameters" in cell["metadata"].get("tags", ()))
    parameters["source"] = parameters["source"][1:]  # the environment is this notebook's own
    head, choose = notebook["cells"][0], notebook["cells"][3]
    head["source"] = _lines(
        f"# Start {name}\n\n**Purpose.** {purpose}.\n**Changes.** Creates or recreates containers, networks and "
        f"volumes of the project `{project}`, and adds missing secrets to `.env.{name}`. Nothing else is touched; "
        "nothing is deleted.\n**Undo.** See the last section.\n**Takes.** Under a minute when images and models are "
        "here; minutes for a first download.\n\nThe same run as `notebooks/start.ipynb` with this environment, by the "
        f"same code, and the same record. Headless: `papermill notebooks/environments/{name}.ipynb`."
    )
    text = "".join(choose["source"])
    text = text.replace("start = Start(env=env,", f'start = Start(env="{name}",')
    text = text.replace(
        "from opskit.runbook.start", "from opskit.runbook.matrix import Matrix\nfrom opskit.runbook.start"
    )
    choose["source"] = _lines(text.replace("start.choose()", f'Matrix().distinguish("{name}")'))
    notebook["cells"][2]["source"] = _lines(
        "## What it is\n\nIn what it differs from the other environments, computed from the files. Good: what you "
        "expected of it; `matrix.ipynb` has every row."
    )
    place = notebook["cells"].index(choose) + 1
    notebook["cells"][place:place] = [
        _cell("markdown", f"{name}-choose", "## 1. Choose\n\nThe parameters above decide; in JupyterLab, the panel."),
        _cell("code", f"{name}-panel", "start.choose()"),
    ]
    notebook["cells"] = [cell for cell in notebook["cells"] if "".join(cell["source"]) not in _LEFT_OUT][:-1]
    undo = f"## Undo\n\n`opskit stop {name}` takes it down; its data is kept."
    verify = f"## 9. Look yourself\n\n{VERIFY.get(name, _ANY)}\n\n{undo}"
    notebook["cells"].append(_cell("markdown", f"{name}-verify", verify))
    notebook["metadata"]["opskit"] = {"act": "start", "env": name, "name": f"environments/{name}"}
    return notebook


_LEFT_OUT = frozenset({"start.placement()", "start.commands()"})


def _cell(kind: str, identity: str, text: str) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": kind, "id": identity, "metadata": {}, "source": _lines(text)}
    return cell if kind == "markdown" else {**cell, "execution_count": None, "outputs": []}


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def write() -> dict[str, str]:
    """The text of each notebook, by the name of its environment."""
    stacks = [e for e in read_environments(ENVIRONMENTS).values() if not e.act_on]
    return {e.name: json.dumps(make(e.name, e.purpose, e.project), indent=1, sort_keys=False) + "\n" for e in stacks}


if __name__ == "__main__":
    PLACE.mkdir(exist_ok=True)
    for name, text in write().items():
        (PLACE / f"{name}.ipynb").write_text(text, encoding="utf-8")
    write_shipped(NOTEBOOKS)
