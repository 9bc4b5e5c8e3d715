"""Parse command lines with vLLM's own parser, without torch: `python vllm_parser.py WHEEL < commands.json`.

Run by test_vllm_arguments.py in a venv of its own. The parser, the classes that its options and their types come from, and
the registry of tool parsers are vLLM's. What computes is not needed for that and stands in as empty classes: torch and what
comes with it, and vLLM's own models.
"""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.machinery
import io
import json
import os
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

# Of other projects, then of vLLM; what is below one of these stands in likewise.
STAND_INS = """
PIL cachetools cbor2 cloudpickle huggingface_hub msgspec numpy openai openai_harmony partial_json_parser psutil requests
safetensors torch transformers triton urllib3 xxhash zmq
vllm.compilation vllm.config.quantization vllm.distributed vllm.entrypoints.chat_utils vllm.entrypoints.generate
vllm.entrypoints.openai vllm.model_executor vllm.multimodal vllm.sampling_params vllm.transformers_utils vllm.v1
"""


class Anything(type):
    """The kind of an empty class: it has every attribute, and decorates by returning what it is given."""

    def __getattr__(cls, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        made = Anything(name, (Empty,), {})
        setattr(cls, name, made)
        return made

    def __call__(cls, *values: Any, **more: Any) -> Any:
        return values[0] if len(values) == 1 and not more and callable(values[0]) else super().__call__()

    def __or__(cls, other: Any) -> Any:
        return cls

    __ror__ = __getitem__ = __or__

    def __iter__(cls) -> Iterator[Any]:
        return iter(())

    def __bool__(cls) -> bool:
        return False


class Empty(metaclass=Anything):
    def __getattr__(self, name: str) -> Any:
        return getattr(type(self), name)

    def __call__(self, *values: Any, **more: Any) -> Any:
        return type(self)(*values, **more)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Callable[[Any], Any]) -> Any:
        from pydantic_core import core_schema  # noqa: PLC0415  it is in the venv of its own

        return core_schema.any_schema()


class Module(types.ModuleType):
    __version__ = "2.13.0"  # torch's, which vLLM compares

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        made = Anything(name, (Empty,), {})
        setattr(self, name, made)
        return made


class StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        here = any(name == other or name.startswith(f"{other}.") for other in STAND_INS.split())
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if here else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return Module(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing is in it."""


def main() -> None:
    commands, sys.argv[1:], wheel = json.load(sys.stdin), ["serve"], sys.argv[1]
    os.environ["VLLM_PLUGINS"] = ""
    os.environ["VLLM_LOGGING_LEVEL"] = "ERROR"
    sys.path.insert(0, wheel)
    sys.meta_path.insert(0, StandIns())
    from vllm.entrypoints.launchers.cli_args import (  # noqa: PLC0415  after the stand-ins
        make_arg_parser,
        validate_parsed_serve_args,
    )
    from vllm.tool_parsers import ToolParserManager  # noqa: PLC0415  likewise
    from vllm.utils.argparse_utils import FlexibleArgumentParser  # noqa: PLC0415  likewise

    answers = []
    for command in commands:
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said):
                arguments = make_arg_parser(FlexibleArgumentParser(prog="vllm serve")).parse_args(command)
                validate_parsed_serve_args(arguments)
            values = {
                name: value for name, value in vars(arguments).items() if isinstance(value, str | int | float | list)
            }
            answers.append({"values": values, "tool_parsers": ToolParserManager.list_registered()})
        except (SystemExit, TypeError) as error:  # argparse's way to refuse, and that of vLLM's own look afterwards
            answers.append({"error": said.getvalue() or str(error)})
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
