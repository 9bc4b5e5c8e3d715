from __future__ import annotations

from pathlib import Path

import pytest

from opskit.audit import origin
from opskit.audit.parameters import (
    Parameter,
    check_parameters,
    declared_parameters,
    describe_parameters,
    in_effect,
    read_word,
)
from opskit.errors import UsageError

NOTEBOOK = {
    "cells": [
        {"cell_type": "markdown", "metadata": {}, "source": "# x"},
        {
            "cell_type": "code",
            "metadata": {"tags": ["parameters"]},
            "source": 'env: str = ""  # which\nstrict: bool = False\nrehearse: str = "no"\ndeadline_s: float = 900  # seconds',
        },
    ]
}


def test_the_tagged_cell_declares_names_and_types() -> None:
    assert declared_parameters(NOTEBOOK) == {"env": "str", "strict": "bool", "rehearse": "str", "deadline_s": "float"}


@pytest.mark.parametrize(
    ("passed", "said"),
    [
        ({"evn": "x"}, "unknown parameter 'evn'; did you mean env?"),
        ({"strict": "false"}, "strict: found 'false' (str), wanted True or False"),
        ({"rehearse": "fully"}, "rehearse: found 'fully', wanted no, yes or full"),
        ({"rehearse": 2}, "rehearse: found 2, wanted no, yes or full"),
        ({"deadline_s": True}, "deadline_s: found True (bool), wanted float"),
        ({"env": 7}, "env: found 7 (int), wanted str"),
        ({'env="x"; import os; zz': 1}, "unknown parameter"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_name(passed: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match="Nothing was started") as refused:
        check_parameters(declared_parameters(NOTEBOOK), passed, notebook="n")
    assert said in str(refused.value)


def test_every_fault_is_in_one_message() -> None:
    with pytest.raises(UsageError, match=r"(?s)evn.*strict"):
        check_parameters(declared_parameters(NOTEBOOK), {"evn": "x", "strict": 1}, notebook="n")


def test_an_int_fits_a_float() -> None:
    check_parameters(declared_parameters(NOTEBOOK), {"deadline_s": 5, "strict": True, "env": "dev"}, notebook="n")


@pytest.mark.parametrize("value", [True, False, 1, "true", "Yes", "full", "no"])
def test_the_switch_that_rehearse_once_was_is_still_taken(value: object) -> None:
    check_parameters(declared_parameters(NOTEBOOK), {"rehearse": value}, notebook="n")


@pytest.mark.parametrize(
    ("word", "kind", "value"),
    [
        ("true", "bool", True),
        ("No", "bool", False),
        ("maybe", "bool", "maybe"),
        ("1.5", "float", 1.5),
        ("x", "int", "x"),
        ("007", "str", "007"),
    ],
)
def test_a_word_is_read_by_its_type(word: str, kind: str, value: object) -> None:
    assert read_word(word, kind) == value


def test_what_papermill_itself_passes_is_no_parameter_of_the_operator() -> None:
    own = {"PAPERMILL_INPUT_PATH": "a.ipynb", "PAPERMILL_OUTPUT_PATH": "b.ipynb"}
    check_parameters(declared_parameters(NOTEBOOK), own, notebook="n")


def test_what_a_line_says_is_known_by_its_parameter() -> None:
    lines = 'a: str = "x"  # told, # twice\nb: float = -1.5\nc: str = os.environ["C"]  # of the shell\nd: int\ne = 3'
    cell = {"metadata": {"tags": ["parameters"]}, "source": lines}
    assert describe_parameters({"cells": [cell]}) == (
        Parameter("a", "str", "x", "told, # twice"),
        Parameter("b", "float", -1.5, ""),
        Parameter("c", "str", "os.environ['C']", "of the shell"),
        Parameter("d", "int", None, ""),
    )


def test_what_is_in_effect_is_passed_over_defaults_and_an_environment_s_own_notebook_adds_it() -> None:
    cell = {
        "cell_type": "code",
        "metadata": {"tags": ["parameters"]},
        "source": 'env: str = "dev"  # a\nn: int = 1  # b',
    }
    notebook = {"metadata": {"opskit": {"act": "start"}}, "cells": [cell]}
    assert in_effect(notebook, {"n": 2}) == {"env": "dev", "n": 2}
    own = {"metadata": {"opskit": {"act": "start", "env": "staging"}}, "cells": []}
    assert in_effect(own, {"gpu": "cpu"}) == {"env": "staging", "gpu": "cpu"}
    assert in_effect({"metadata": {}, "cells": []}, {}) == {}


def test_the_folder_of_an_owner_s_own_notebook_is_named_by_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(origin, "AUDIT", tmp_path)
    assert origin.open_folder({"metadata": {}, "cells": []}, {}, name="mine").name.endswith("-none-mine")
    own = {"metadata": {"opskit": {"act": "start", "env": "staging"}}, "cells": []}
    assert origin.open_folder(own, {}, name="environments/staging").name.endswith("-staging-start")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, -0.5])
def test_a_number_that_is_negative_or_none_is_refused(value: float) -> None:
    with pytest.raises(UsageError, match=r"deadline_s: found .*, wanted a number that is not below 0"):
        check_parameters(declared_parameters(NOTEBOOK), {"deadline_s": value}, notebook="n")
