"""Typed parameters of a notebook, read from its ``parameters`` cell and validated before any kernel starts.

The cell holds one ``name: type = default  # help [low, high]`` a line. The range, in interval notation, may use round
brackets for open ends and ``inf``; ``{a, b}`` lists the allowed values. For a list, either holds for each entry. Other
brackets at the end of the help are just text. Nothing is executed: the cell is parsed.
"""

import ast
import io
import math
import re
import tokenize
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import TypeAdapter, ValidationError

_TYPES: dict[str, TypeAdapter] = {
    name: TypeAdapter(kind)
    for name, kind in {
        "int": int, "float": float, "bool": bool, "str": str,
        "list[int]": list[int], "list[float]": list[float], "list[str]": list[str],
    }.items()
}  # fmt: skip
_NOUNS = {"int": "an int", "float": "a finite float", "bool": "true or false", "str": "a str"}
_FORM = "`name: type = default  # help [low, high]`"
_NUMBER = r"[-+]?(?:inf|[\d.][\d.eE+-]*)"
# A bracket whose first entry is a number is a range, so that a typing error in the second cannot pass for text.
_RANGE = re.compile(rf"(?:^|\s)(?P<opening>[\[(])\s*(?P<low>{_NUMBER})\s*,\s*(?P<high>[^\s,]+)\s*(?P<closing>[\])])$")
_CHOICES = re.compile(r"(?:^|\s)\{(?P<choices>[^{}]+)\}$")


class ParameterError(ValueError):
    """Input that cannot be run: of a parameter, a notebook's name, its file. The message is one line for the user."""


@dataclass(frozen=True)
class Parameter:
    """One line of a parameters cell."""

    name: str
    type: str
    default: Any
    help: str
    allowed: str  # the range or the choices as written; empty if any value will do

    def validate(self, value: Any, *, strict: bool = False) -> Any:
        """``value`` as plain Python of the type (a string from the command line will do, unless ``strict``).

        Raises ParameterError on a wrong type, a number that is not finite, an empty list, a value that is not allowed.
        """
        given = value
        if self._is_list and isinstance(value, str) and not strict:
            value = [part.strip(" '\"") for part in inside.split(",")] if (inside := value.strip("[] ")) else []
        elif hasattr(value, "tolist"):  # of NumPy or torch, whose scalars papermill would inject as strings
            value = value.tolist()
        try:
            plain = _TYPES[self.type].validate_python(value, strict=strict)
        except ValidationError:
            raise self._refused(given) from None
        entries = plain if self._is_list else [plain]
        if not entries or not all(_finite(entry) and _permits(self, entry) for entry in entries):
            raise self._refused(given)
        return plain

    @property
    def _is_list(self) -> bool:
        return self.type.startswith("list")

    @property
    def _entry(self) -> TypeAdapter:
        return _TYPES[self.type.removeprefix("list[").removesuffix("]")]

    def _refused(self, value: Any) -> ParameterError:
        shown = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        noun = _NOUNS[self.type.removeprefix("list[").removesuffix("]")]
        kind = f"one or more of {noun}, separated by commas" if self._is_list else noun
        each = ", each" if self._is_list else ""
        allowed = f"{each} {'among' if self.allowed.startswith('{') else 'in'} {self.allowed}" if self.allowed else ""
        meaning = f" ({self.help})" if self.help else ""
        return ParameterError(f"{self.name}={shown}: {self.name}{meaning} must be {kind}{allowed}")


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` or nothing."""
    close = get_close_matches(word, list(options), n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


def read_parameters(notebook: Mapping[str, Any]) -> dict[str, Parameter]:
    """The parameters of a notebook by name, in order; raises ParameterError where the cell does not follow the form."""
    cells = [cell for cell in notebook["cells"] if "parameters" in cell["metadata"].get("tags", ())]
    if len(cells) != 1:
        raise ParameterError(f"{len(cells)} cells are tagged 'parameters'; a notebook needs exactly one")
    source = cells[0]["source"]
    try:
        lines = ast.parse(source).body
    except SyntaxError as error:
        raise ParameterError(f"line {error.lineno} of the parameters cell: {error.msg}; write {_FORM}") from None
    comments = {
        token.start[0]: token.string.lstrip("# ").rstrip()
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    found: dict[str, Parameter] = {}
    for line in lines:
        parameter = _parse(line, comments)
        if parameter.name in found:
            raise ParameterError(f"the parameters cell defines {parameter.name} twice; leave one line")
        found[parameter.name] = parameter
    if "seed" not in found or found["seed"].type != "int":
        raise ParameterError("the parameters cell has no `seed: int = ...`; results must be reproducible")
    return found


def resolve(parameters: Mapping[str, Parameter], *given: Mapping[str, Any]) -> dict[str, Any]:
    """All parameters as plain values: defaults, overridden by each mapping in turn; raises ParameterError."""
    values = {name: parameter.default for name, parameter in parameters.items()}
    for mapping in given:
        for name, value in mapping.items():
            if name not in parameters:
                hint = did_you_mean(name, parameters)
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


def _parse(line: ast.stmt, comments: Mapping[int, str]) -> Parameter:
    """The parameter that one statement of the cell defines, its default validated."""
    if not (isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and line.value is not None):
        raise ParameterError(f"{ast.unparse(line).splitlines()[0]!r}: a parameters cell holds only lines {_FORM}")
    name, kind = line.target.id, ast.unparse(line.annotation)
    if kind not in _TYPES:
        raise ParameterError(f"{name}: {kind} is no parameter type; use {', '.join(_TYPES)}")
    try:
        default = ast.literal_eval(line.value)
    except (ValueError, TypeError):
        raise ParameterError(f"{name}: the default {ast.unparse(line.value)!r} is no literal value") from None
    text = comments.get(line.end_lineno or line.lineno, "")
    match = _RANGE.search(text) or _CHOICES.search(text)
    allowed = match.group().strip() if match else ""
    parameter = Parameter(name, kind, default, text[: match.start()].strip() if match else text, allowed)
    try:  # any value tells whether the range or the choices make sense for the type
        _permits(parameter, parameter._entry.validate_python("1"))
    except (ValueError, TypeError):
        raise ParameterError(f"{name}: {allowed} is no range or choice of {kind} values") from None
    return Parameter(name, kind, parameter.validate(default, strict=True), parameter.help, allowed)


def _permits(parameter: Parameter, entry: Any) -> bool:
    """Whether the range or the choices hold an entry; raises ValueError or TypeError where they make no sense for it."""
    if choices := _CHOICES.match(parameter.allowed):
        return entry in [parameter._entry.validate_python(option.strip()) for option in choices["choices"].split(",")]
    if not parameter.allowed:
        return True
    match = _RANGE.match(parameter.allowed)
    low, high = _number(match["low"]), _number(match["high"])
    if isinstance(entry, str | bool) or not low <= high:
        raise ValueError
    above = low < entry if match["opening"] == "(" else low <= entry
    below = entry < high if match["closing"] == ")" else entry <= high
    return above and below


def _number(text: str) -> int | float:
    try:
        return int(text)  # exactly: a float cannot hold the greatest 64-bit seed
    except ValueError:
        return float(text)


def _finite(entry: Any) -> bool:
    return not isinstance(entry, float) or math.isfinite(entry)
