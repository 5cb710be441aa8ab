"""Typed parameters of a notebook, read from its ``parameters`` cell and validated before any kernel starts.

The cell holds one ``name: type = default  # help [low, high]`` a line. The range, in interval notation, may use round
brackets for open ends and ``inf``; ``{a, b}`` lists the allowed values. For a list, the range holds for each entry.
Nothing is executed: the cell is parsed.
"""

import ast
import io
import math
import re
import tokenize
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le, Lt, MinLen, Predicate
from nbformat import NotebookNode
from pydantic import TypeAdapter, ValidationError

_TYPES: dict[str, Any] = {
    "int": int, "float": float, "bool": bool, "str": str,
    "list[int]": list[int], "list[float]": list[float], "list[str]": list[str],
}  # fmt: skip
_RANGE = re.compile(r"\s*([\[(])\s*(\S+)\s*,\s*(\S+?)\s*([\])])\s*$")
_CHOICES = re.compile(r"\s*\{([^{}]+)\}\s*$")


class ParameterError(ValueError):
    """A parameter that is not there, of the wrong type, or out of range; the message is one line for the user."""


@dataclass(frozen=True)
class Parameter:
    """One line of a parameters cell."""

    name: str
    type: str
    default: Any
    help: str
    allowed: str  # the range or the choices as written; empty if any value will do

    def validate(self, value: Any) -> Any:
        """``value`` (a string from the command line will do) as plain Python of the type; raises ParameterError."""
        if self.type.startswith("list") and isinstance(value, str):
            value = [part.strip() for part in value.strip("[] ").split(",") if part.strip()]
        try:
            return self._adapter().validate_python(value)
        except ValidationError as error:
            allowed = f"{self.type}{' in ' + self.allowed if self.allowed else ''}"
            raise ParameterError(
                f"{self.name}={_show(value)}: {_reason(error)}; {self.name} is {allowed} ({self.help})"
            ) from error

    def _adapter(self) -> TypeAdapter:
        entry = _TYPES[self.type]
        constraints = _constraints(self.allowed)
        if self.type.startswith("list"):
            inner = entry.__args__[0]
            return TypeAdapter(Annotated[list[Annotated[inner, *constraints]] if constraints else entry, MinLen(1)])
        if entry is float:
            constraints = (*constraints, Predicate(math.isfinite))
        return TypeAdapter(Annotated[entry, *constraints] if constraints else entry)


def read_parameters(notebook: NotebookNode) -> dict[str, Parameter]:
    """The parameters of a notebook by name, in order; raises ParameterError where the cell does not follow the form."""
    cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())]
    if len(cells) != 1:
        raise ParameterError(f"{len(cells)} cells are tagged 'parameters'; a notebook needs exactly one")
    source = cells[0].source
    comments = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    found: dict[str, Parameter] = {}
    for node in ast.parse(source).body:
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None):
            raise ParameterError(
                f"{ast.unparse(node)!r}: a parameters cell holds only lines `name: type = default  # help [low, high]`"
            )
        name, kind = node.target.id, ast.unparse(node.annotation)
        if kind not in _TYPES:
            raise ParameterError(f"{name}: {kind} is no parameter type; use {', '.join(_TYPES)}")
        try:
            default = ast.literal_eval(node.value)
        except ValueError as error:
            raise ParameterError(f"{name}: the default {ast.unparse(node.value)!r} is no literal value") from error
        text = comments.get(node.end_lineno or node.lineno, "")
        match = _RANGE.search(text) or _CHOICES.search(text)
        found[name] = Parameter(
            name,
            kind,
            default,
            text[: match.start()].strip() if match else text,
            match.group().strip() if match else "",
        )
    for parameter in found.values():
        parameter.validate(parameter.default)
    if "seed" not in found:
        raise ParameterError("the parameters cell has no `seed: int = ...`; results must be reproducible")
    return found


def resolve(parameters: Mapping[str, Parameter], *given: Mapping[str, Any]) -> dict[str, Any]:
    """All parameters as plain values: defaults, overridden by each mapping in turn; raises ParameterError."""
    values = {name: parameter.validate(parameter.default) for name, parameter in parameters.items()}
    for mapping in given:
        for name, value in mapping.items():
            if name not in parameters:
                close = get_close_matches(name, parameters, n=1, cutoff=0.5)
                hint = f" (did you mean {close[0]!r}?)" if close else ""
                raise ParameterError(f"unknown parameter {name!r}{hint}; there are {', '.join(parameters)}")
            values[name] = parameters[name].validate(value)
    return values


def split_assignments(assignments: Sequence[str]) -> dict[str, str]:
    """``["a=1", "b=x"]`` as a mapping; raises ParameterError on an entry without ``=`` and on a name given twice."""
    values: dict[str, str] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not name.strip():
            raise ParameterError(f"{assignment!r}: give parameters as name=value")
        if name.strip() in values:
            raise ParameterError(f"{name.strip()!r} is given twice; give each parameter once")
        values[name.strip()] = value.strip()
    return values


def _constraints(allowed: str) -> tuple[Any, ...]:
    if choices := _CHOICES.match(allowed):
        options = [option.strip() for option in choices.group(1).split(",")]
        return (Predicate(lambda value: str(value) in options),)
    if not allowed:
        return ()
    opening, low, high, closing = _RANGE.match(allowed).groups()
    lower, upper = float(low), float(high)
    bounds: list[Any] = []
    if math.isfinite(lower):
        bounds.append((Ge if opening == "[" else Gt)(lower))
    if math.isfinite(upper):
        bounds.append((Le if closing == "]" else Lt)(upper))
    return tuple(bounds)


def _reason(error: ValidationError) -> str:
    first = error.errors()[0]
    if first["type"] == "predicate_failed":
        return "Not an allowed value"
    return first["msg"].replace("Input should be", "should be").split(", unable")[0]


def _show(value: Any) -> str:
    return str(value) if not isinstance(value, list) else ",".join(map(str, value))
