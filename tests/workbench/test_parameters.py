"""Parameters are read without executing anything, and whatever gets past them is plain Python in its range."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_notebook

from cls_toys.workbench.parameters import ParameterError, read_parameters, resolve, split_assignments

SEED = "\nseed: int = 0"


def notebook(*sources: str) -> Any:
    return new_notebook(cells=[new_code_cell(source, metadata={"tags": ["parameters"]}) for source in sources])


def read(source: str) -> dict:
    return read_parameters(notebook(source + SEED))


def accepts(line: str, value: Any) -> Any:
    """What a value given for the parameter ``x`` of that line becomes."""
    return resolve(read(line), {"x": value})["x"]


def refuses(line: str, value: Any) -> str:
    with pytest.raises(ParameterError) as caught:
        accepts(line, value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def misread(source: str) -> str:
    with pytest.raises(ParameterError) as caught:
        read(source)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_fields_of_a_line() -> None:
    parameter = read("x: list[int] = [1, 2]  # sizes to try [1, 9]")["x"]
    assert (parameter.name, parameter.type, parameter.default) == ("x", "list[int]", [1, 2])
    assert (parameter.help, parameter.allowed) == ("sizes to try", "[1, 9]")
    bare = read("x: str = 'a'")["x"]
    assert (bare.help, bare.allowed) == ("", "")


def test_order_is_kept() -> None:
    assert list(read("b: int = 1\na: int = 2")) == ["b", "a", "seed"]


def test_nothing_is_executed() -> None:
    assert "no literal value" in misread("x: int = __import__('os').getpid()")
    assert "no literal value" in misread("x: int = {[]: 1}")


@pytest.mark.parametrize(
    ("line", "value", "plain"),
    [
        ("x: int = 1", "64", 64),
        ("x: int = 1", "64.0", 64),
        ("x: int = 1", "-3", -3),
        ("x: float = 1", "-2.5e-3", -0.0025),
        ("x: float = 1", "7", 7.0),
        ("x: float = 1", 7, 7.0),
        ("x: bool = False", "true", True),
        ("x: bool = True", "false", False),
        ("x: str = 'a'", "b=c [d], e", "b=c [d], e"),
        ("x: str = 'a'", "", ""),
        ("x: list[int] = [1]", "1,2, 3", [1, 2, 3]),
        ("x: list[int] = [1]", "[1, 2]", [1, 2]),
        ("x: list[int] = [1]", (1, 2), [1, 2]),
        ("x: list[float] = [1]", "0.5", [0.5]),
        ("x: list[str] = ['a']", "['b', 'c']", ["b", "c"]),
        ("x: int = 1", np.int32(5), 5),
        ("x: float = 1", np.float64(0.5), 0.5),
        ("x: str = 'a'", np.str_("b"), "b"),
        ("x: bool = True", np.bool_(False), False),
        ("x: list[float] = [1]", np.array([1.0, 2.0]), [1.0, 2.0]),
    ],
)
def test_values_become_plain_python(line: str, value: Any, plain: Any) -> None:
    got = accepts(line, value)
    assert got == plain
    assert type(got) is type(plain)
    if isinstance(plain, list):
        assert [type(entry) for entry in got] == [type(entry) for entry in plain]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("x: int = 1", "abc"),
        ("x: int = 1", "1.5"),
        ("x: int = 1", ""),
        ("x: int = 1", None),
        ("x: int = 1", [1]),
        ("x: float = 1", "abc"),
        ("x: float = 1", "nan"),
        ("x: float = 1", "inf"),
        ("x: float = 1", -math.inf),
        ("x: bool = True", "2"),
        ("x: bool = True", "maybe"),
        ("x: str = 'a'", 3),
        ("x: list[int] = [1]", ""),
        ("x: list[int] = [1]", "1,,2"),
        ("x: list[int] = [1]", "1,a"),
        ("x: list[float] = [1]", "1,nan"),
        ("x: list[int] = [1]", 3),
    ],
)
def test_wrong_types(line: str, value: Any) -> None:
    assert refuses(line, value).startswith("x=")


@pytest.mark.parametrize(
    ("allowed", "inside", "outside"),
    [
        ("[1, 3]", ["1", "2.5", "3"], ["0.999", "3.001", "-1", "nan", "inf"]),
        ("(1, 3)", ["1.001", "2.999"], ["1", "3"]),
        ("(1, 3]", ["3"], ["1"]),
        ("[1, 3)", ["1"], ["3"]),
        ("(0, inf)", ["1e-300", "1e300"], ["0", "-1", "inf"]),
        ("[0, inf]", ["0"], ["inf"]),
        ("(-inf, -1.5]", ["-1.5", "-1e9"], ["-1.4"]),
        ("[ .5 ,1e3 ]", [".5", "1000"], [".4", "1001"]),
    ],
)
def test_ranges(allowed: str, inside: list[str], outside: list[str]) -> None:
    default = inside[0]
    for value in inside:
        assert accepts(f"x: float = {default}  # help {allowed}", value) == float(value)
    for value in outside:
        assert allowed in refuses(f"x: float = {default}  # help {allowed}", value)


def test_a_range_holds_exactly_and_for_each_entry() -> None:
    greatest = 2**64 - 1  # no float: rounded, the range would hold 2**64 too
    assert accepts(f"x: int = 0  # [0, {greatest}]", greatest) == greatest
    refuses(f"x: int = 0  # [0, {greatest}]", greatest + 1)
    assert accepts("x: list[int] = [1]  # [1, 9]", "1,9") == [1, 9]
    assert "each in [1, 9]" in refuses("x: list[int] = [1]  # [1, 9]", "1,10")


def test_choices() -> None:
    assert accepts("x: str = 'relu'  # activation {relu, linear}", "linear") == "linear"
    assert "among {relu, linear}" in refuses("x: str = 'relu'  # activation {relu, linear}", "rely")
    assert accepts("x: float = 0.1  # {1e-1, 0.5}", "0.10") == 0.1
    assert accepts("x: list[str] = ['a']  # {a, b}", "b,a") == ["b", "a"]
    refuses("x: list[str] = ['a']  # {a, b}", "b,c")


@pytest.mark.parametrize(
    "comment",
    [
        "a mean (mean, median)",
        "as in [Elhage, 2022]",
        "of f(1, 2)",
        "set x_{i}",
        "[later] the size",
        "(0, 1] or so",
        "",
    ],
)
def test_other_brackets_are_text(comment: str) -> None:
    parameter = read(f"x: int = 7  # {comment}")["x"]
    assert (parameter.help, parameter.allowed) == (comment, "")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("x: int = 0  # [1, 3]", "x=0: x must be an int in [1, 3]"),
        ("x: str = 'c'  # {a, b}", "x=c"),
        ("x: list[int] = []", "x="),
        ("x: int = 1.5", "x=1.5"),
        ("x: int = 8.0", "x=8.0"),
        ("x: int = '8'", "x=8"),
        ("x: bool = 1", "x=1"),
        ("x: int = 1  # [1, 1OO]", "[1, 1OO] is no range"),
        ("x: int = 1  # [3, 1]", "[3, 1] is no range"),
        ("x: int = 1  # [0, nan]", "is no range"),
        ("x: str = 'a'  # [1, 3]", "no range or choice of str"),
        ("x: bool = True  # [0, 1]", "no range or choice of bool"),
        ("x: int = 1  # {1, two}", "no range or choice of int"),
        ("x: int | None = 1", "int | None is no parameter type"),
        ("x: int = 1\nx: int = 2", "defines x twice"),
        ("x = 1", "'x = 1': a parameters cell holds only lines"),
        ("x: int", "a parameters cell holds only lines"),
        ("import os", "a parameters cell holds only lines"),
        ("if True:\n    x: int = 1", "a parameters cell holds only lines"),
        ("x: int = = 1", "line 1 of the parameters cell"),
        ("%load_ext memory", "line 1 of the parameters cell"),
        ("x: str = 'a", "line 1 of the parameters cell"),
    ],
)
def test_cells_that_do_not_follow_the_form(source: str, said: str) -> None:
    assert said in misread(source)


def test_a_seed_is_needed() -> None:
    for source in ("x: int = 1", "seed: str = 'a'", ""):
        with pytest.raises(ParameterError, match="no `seed: int"):
            read_parameters(notebook(source))


def test_exactly_one_cell_is_tagged() -> None:
    with pytest.raises(ParameterError, match="2 cells are tagged"):
        read_parameters(notebook("seed: int = 0", "seed: int = 0"))
    with pytest.raises(ParameterError, match="0 cells are tagged"):
        read_parameters(notebook())


def test_errors_say_what_was_given_what_is_allowed_and_what_to_do() -> None:
    line = "dim: int = 4  # dimensions of a key [1, 128]"
    for value in ("abc", "0", "-3"):
        with pytest.raises(ParameterError) as caught:
            resolve(read(line), {"dim": value})
        assert str(caught.value) == f"dim={value}: dim (dimensions of a key) must be an int in [1, 128]"
    with pytest.raises(ParameterError) as caught:
        resolve(read("n_items: int = 4"), {"n_itmes": "64"})
    assert str(caught.value) == "unknown parameter 'n_itmes' (did you mean 'n_items'?); there are n_items, seed"
    with pytest.raises(ParameterError) as caught:
        resolve(read("n_items: int = 4"), {"zzz": "64"})
    assert "did you mean" not in str(caught.value)


def test_later_mappings_go_over_earlier_ones() -> None:
    parameters = read("a: int = 1\nb: int = 1\nc: int = 1")
    assert resolve(parameters, {"a": 2, "b": 2}, {"b": "3"}) == {"a": 2, "b": 3, "c": 1, "seed": 0}


def test_assignments() -> None:
    assert split_assignments([" a = 1", "b=x=y", "c="]) == {"a": "1", "b": "x=y", "c": ""}
    for wrong in (["a"], ["=1"], [" =1"]):
        with pytest.raises(ParameterError, match="name=value"):
            split_assignments(wrong)
    with pytest.raises(ParameterError, match="'a' is given twice"):
        split_assignments(["a=1", "a = 2"])


ENTRIES = {
    "int": st.integers(),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "str": st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])),
    "bool": st.booleans(),
}
VALUES = st.one_of(
    *(st.tuples(st.just(kind), entries) for kind, entries in ENTRIES.items()),
    *(st.tuples(st.just(f"list[{kind}]"), st.lists(ENTRIES[kind], min_size=1)) for kind in ("int", "float", "str")),
)


@given(VALUES, st.booleans())
def test_resolved_values_are_plain_and_survive_json(typed: tuple[str, Any], as_default: bool) -> None:
    kind, value = typed
    plain = {"int": "1", "float": "1.0", "str": "''", "bool": "True"}
    simple = plain.get(kind) or f"[{plain[kind[5:-1]]}]"
    parameters = read(f"x: {kind} = {value!r}" if as_default else f"x: {kind} = {simple}")
    values = resolve(parameters, {} if as_default else {"x": value})
    assert values["x"] == value
    assert type(values["x"]) is type(value)
    again = json.loads(json.dumps(values))
    assert again == values
    assert resolve(parameters, again) == values


@given(st.one_of(ENTRIES["int"], ENTRIES["float"], ENTRIES["bool"]))
def test_numbers_may_be_given_as_text(value: Any) -> None:
    kind = type(value).__name__
    got = accepts(f"x: {kind} = {type(value)(1)!r}", str(value))
    assert got == value
    assert type(got) is type(value)
