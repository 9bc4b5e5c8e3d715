"""A widget for each parameter of a notebook, by its type; what differs from the defaults is what a run is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets

from opskit.audit.parameters import Parameter
from opskit.plain import escape

_STYLE = {"description_width": "initial"}
_LABELS = {"env": "Environment", "gpu": "GPU mode", "rehearse": "Rehearse"}
_TOLD = "color:var(--jp-ui-font-color2,inherit);line-height:1.4;padding:4px 0"


class Choices:
    """The parameters of one notebook as widgets; the first few stand in a row, the others fold under it.

    Args:
        parameters: as the notebook's own cell has them.
        values: what is chosen at first; a parameter that is not in it has its default.
        options: the words of a parameter that is one of a few.
        first: names of those in the row.
        changed: called after each change.
    """

    def __init__(
        self,
        parameters: Sequence[Parameter],
        values: Mapping[str, object],
        options: Mapping[str, Sequence[str]],
        *,
        first: Sequence[str],
        changed: Callable[[], None],
    ) -> None:
        self._parameters = {parameter.name: parameter for parameter in parameters}
        self.widgets: dict[str, Any] = {
            name: _make(parameter, values.get(name, parameter.default), options.get(name))
            for name, parameter in self._parameters.items()
        }
        for widget in self.widgets.values():
            widget.observe(lambda _: changed(), names="value")
        self.row = widgets.HBox([self.widgets[name] for name in first], layout={"flex_flow": "row wrap"})
        rest = [_with_help(self.widgets[p.name], p.told) for p in parameters if p.name not in first]
        self.more = widgets.Accordion([widgets.VBox(rest)], titles=("More parameters",), selected_index=None)

    def words(self) -> dict[str, str]:
        """The environment, and every other parameter that is not its default, as a command line has them."""
        return {
            name: str(widget.value).lower() if isinstance(widget.value, bool) else str(widget.value)
            for name, widget in self.widgets.items()
            if name == "env" or widget.value != self._parameters[name].default
        }

    def values(self) -> dict[str, object]:
        """Every parameter with its value."""
        return {name: widget.value for name, widget in self.widgets.items()}


def _make(parameter: Parameter, value: object, options: Sequence[str] | None) -> Any:  # noqa: ANN401  ipywidgets has no types
    label = _LABELS.get(parameter.name, parameter.name)
    about = {"description": label, "style": _STYLE, "tooltip": parameter.told}
    if options is not None:
        return widgets.Dropdown(options=[(word or "(empty)", word) for word in options], value=value, **about)
    if parameter.kind == "bool":
        return widgets.Checkbox(value=value, indent=False, **about)
    if parameter.kind == "float":
        return widgets.BoundedFloatText(value=value, min=0, max=1e6, **about)
    return widgets.Text(value=str(value), continuous_update=False, **about)


def _with_help(widget: Any, told: str) -> Any:  # noqa: ANN401  as above
    return widgets.VBox([widget, widgets.HTML(f'<div style="{_TOLD}">{escape(told)}</div>')])
