"""The derivation checker has power: planted false steps fail, whichever way they are false, and true ones pass."""

import pytest
import sympy as sp

from theory.derivation import Derivation, DerivationError, Step, cited, identity, inequality, instance, limit, series
from theory.notation import K, dim, n_items, rank

a, b, c = sp.symbols("a b c", positive=True)
r, s = sp.symbols("r s", real=True)
m = sp.Symbol("m", integer=True, nonnegative=True)
K_23 = sp.ImmutableMatrix(2, 3, sp.symbols("e1:7", real=True))
PENTAGON = sp.ImmutableMatrix(2, 5, lambda row, j: (sp.cos, sp.sin)[row](2 * sp.pi * j / 5))
TRACE = sp.Eq(sp.Trace(K * K.T), sp.Trace(K.T * K), evaluate=False)
RANK = sp.Eq(sp.Trace(K.T * sp.Inverse(K * K.T) * K), n_items, evaluate=False)  # false: the trace is the dimension
FRAME = sp.Eq(K * K.T, (n_items / dim) * sp.Identity(dim), evaluate=False)
LUCKY = sp.Eq(sp.Trace(K.T * sp.Inverse(K * K.T) * K), n_items - 1, evaluate=False)  # right for K of 2 rows, 3 columns
K_12, K_13, K_24 = (
    sp.ImmutableMatrix(n, m, sp.symbols(f"e1:{n * m + 1}", real=True)) for n, m in ((1, 2), (1, 3), (2, 4))
)
TETRAHEDRON = {K: sp.ImmutableMatrix([[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]]) / sp.sqrt(3), n_items: 4, dim: 3}
B = sp.IndexedBase("B", positive=True)
TINY = sp.Rational(1, 10**30)

# For each way to be false, a step and what the message must say.
FALSE: dict[str, tuple[Step, str]] = {
    "inequality flipped": (inequality("f", "", 2 * r * s, r**2 + s**2, (r - s) ** 2), "false"),
    "certificate of the wrong sign": (inequality("f", "", r**2 + s**2, 2 * r * s, -((r - s) ** 2)), "nonnegative"),
    "certificate not manifestly nonnegative": (inequality("f", "", r**3 + 1, sp.Integer(1), r**3), "nonnegative"),
    "certificate of another gap": (inequality("f", "", r**2 + s**2, 2 * r * s, (r + s) ** 2), "false"),
    "wrong constant": (identity("f", "", (a + b) ** 2, a**2 + 2 * a * b + sp.Rational(101, 100) * b**2), "false"),
    "off by 1e-30 x": (identity("f", "", (a + b) ** 2, a**2 + 2 * a * b + b**2 + TINY * a), "false"),
    # Below the 50 digits of the numerical check: only the symbolic one can see it.
    "off by 1e-90 x": (identity("f", "", (a + b) ** 2, a**2 + 2 * a * b + b**2 + TINY**3 * a), "could not reduce"),
    # A sign in a term that vanishes to machine precision over much of the domain, and to all orders at 0.
    "sign of a vanishing term": (identity("f", "", a + sp.exp(-1 / a**2), a - sp.exp(-1 / a**2)), "false"),
    "sign of a term below 50 digits": (
        identity("f", "", a + sp.exp(-200 - a), a - sp.exp(-200 - a)), "could not reduce",
    ),
    "sign on half of the domain": (identity("f", "", sp.sqrt(r**2), r), "false"),
    "true only asymptotically": (identity("f", "", sp.tanh(a), sp.Integer(1)), "false"),
    "true to leading order": (identity("f", "", a / (a - 2), 1 + 2 / a, domain=sp.Gt(a, 2)), "false"),
    "true at small integers only": (identity("f", "", sp.binomial(m, 3) * (m - 60), sp.Integer(0)), "false"),
    "true at sampled integers only": (
        identity("f", "", sp.prod([m - i for i in range(61)]), sp.Integer(0)), "could not reduce",
    ),
    "hidden in a decimal number": (identity("f", "", a * (1 + sp.Float("1e-30")), a), "decimal"),
    "hidden in a decimal stand-in": (
        instance("f", "", sp.Eq(a * (1 + b), a, evaluate=False), {b: 1e-30}, {b: 1e-40}), "decimal",
    ),
    "undefined": (identity("f", "", sp.oo * a - sp.oo, a), "could not evaluate"),
    "limit of the wrong value": (limit("f", "", (1 + 1 / a) ** a, a, sp.oo, sp.Integer(3)), "false"),
    "limit that diverges": (limit("f", "", a, a, sp.oo, sp.Integer(3)), "false"),
    "limit from one side only": (limit("f", "", sp.Abs(r) / r, r, 0, sp.Integer(1)), "does not exist"),
    "series with a wrong coefficient": (series("f", "", sp.cos(r), r, 0, 4, 1 - r**2 / 3), "false"),
    "series with a term too many": (series("f", "", sp.cos(r), r, 0, 4, 1 - r**2 / 2 + r**4 / 24), "false"),
    "vacuous": (identity("f", "", (a + b) ** 2, (b + a) ** 2), "says nothing"),
    "vacuous instance": (instance("f", "", sp.Eq(K * K.T, K * K.T, evaluate=False), {K: K_23}), "says nothing"),
    "evaluated away": (instance("f", "", sp.Eq(a + 1, 1 + a), {}), "cannot be settled"),
    "instance claimed at another size": (instance("f", "", FRAME, {K: PENTAGON, n_items: 6, dim: 2}, TETRAHEDRON), "stated is 6"),
    "instance claimed at another dimension": (instance("f", "", TRACE, {K: K_23, dim: 5}), "stated is 5"),
    "instance that claims a size it does not use": (instance("f", "", TRACE, {K: K_23, rank: 9}), "has no rank"),
    "instance false at its size": (instance("f", "", RANK, {K: K_23, n_items: 3}, {K: K_12, n_items: 2}), "false"),
    "instance of one lucky size": (instance("f", "", LUCKY, {K: K_23, n_items: 3}), "n_items = 3 only"),
    "instance of a lucky and another size": (instance("f", "", LUCKY, {K: K_23, n_items: 3}, {K: K_13, n_items: 3}), "n_items = 3 only"),
    "instance of a lucky and an unlucky size": (instance("f", "", LUCKY, {K: K_23, n_items: 3}, {K: K_24, n_items: 4}), "false"),
    "instance of a number": (instance("f", "", sp.Eq(a**2, a, evaluate=False), {a: 1}), "a = 1 only"),
    "instance of nothing": (instance("f", "", sp.Eq(B[1], a, evaluate=False)), "states no instance"),
    "two entries taken for one": (instance("f", "", sp.Eq(B[1, 2], B[1, 3], evaluate=False), {}), "false"),
    "a row of equal entries": (instance("f", "", sp.Eq(sp.Sum(B[1, m], (m, 1, 3)), 3 * B[1, 1], evaluate=False), {}), "false"),
    "an entry taken for a symbol": (instance("f", "", sp.Eq(B[1], sp.Symbol("B_1", positive=True), evaluate=False), {}), "false"),
    "instance that leaves a matrix symbolic": (instance("f", "", TRACE, {}), "could not evaluate"),
    # Relations that the wording would pass off as proved.
    "equality with a gap for a certificate": (
        instance("f", "", sp.Eq(a, a + r**2, evaluate=False), {}, certificate=r**2), "cannot be settled",
    ),
    "strict inequality, flipped": (
        instance("f", "", sp.Gt(a, a + r**2, evaluate=False), {}, certificate=r**2), "cannot be settled",
    ),
    "inequality with no certificate": (instance("f", "", sp.Ge(a + b, a, evaluate=False), {}), "cannot be settled"),
    "unequal shown by equality": (
        instance("f", "", sp.Ne(sp.expand((a + 1) ** 2), (a + 1) ** 2, evaluate=False), {}), "cannot be settled",
    ),
    "domain with no point": (identity("f", "", (a + 1) ** 2, a**2 + 2 * a + 1, domain=sp.Lt(a, -1)), "no random point"),
}  # fmt: skip

TRUE = {
    "identity": identity("t", "", (a + b) ** 2, a**2 + 2 * a * b + b**2),
    "identity on a domain": identity("t", "", a / (a - 2) - 1, 2 / (a - 2), domain=sp.Gt(a, 2)),
    "identity in special functions": identity("t", "", sp.gamma(a + 1), a * sp.gamma(a)),
    "identity at nonnegative integers": identity("t", "", sp.factorial(m + 1), (m + 1) * sp.factorial(m)),
    "identity of a negative number": identity("t", "", sp.sqrt((-c) ** 2) * (c + 1), c**2 + c),
    "inequality": inequality("t", "", r**2 + s**2, 2 * r * s, (r - s) ** 2),
    "upper bound": instance("t", "", sp.Le(2 * r * s, r**2 + s**2, evaluate=False), {}, certificate=(r - s) ** 2),
    "limit at infinity": limit("t", "", (1 + 1 / a) ** a, a, sp.oo, sp.E),
    "two-sided limit": limit("t", "", sp.sin(r) / r, r, 0, sp.Integer(1)),
    "limit at the edge of the domain": limit("t", "", a * sp.log(a), a, 0, sp.Integer(0)),
    "series": series("t", "", sp.cos(r), r, 0, 4, 1 - r**2 / 2),
    "instance": instance("t", "", FRAME, {K: PENTAGON, n_items: 5, dim: 2}, TETRAHEDRON),
    "cited": cited("t", "A theorem.", "welch1974"),
}


@pytest.mark.parametrize("name", FALSE)
def test_a_false_step_is_caught(name: str) -> None:
    step, says = FALSE[name]
    with pytest.raises(DerivationError, match=says) as caught:
        step.check()
    assert "'f'" in str(caught.value), "the message must name the step"


@pytest.mark.parametrize("name", TRUE)
def test_a_true_step_passes(name: str) -> None:
    TRUE[name].check()


def test_a_derivation_does_not_show_a_false_step() -> None:
    derivation = Derivation("First [t], then [f].", (TRUE["identity"], FALSE["wrong constant"][0]))
    with pytest.raises(DerivationError, match="'f' is false"):
        derivation.show()


@pytest.mark.parametrize("proof", ["Nothing is pointed at.", "Points [t] and at [nowhere].", "Twice [t], [t2]."])
def test_a_proof_points_at_every_step_and_at_no_other(proof: str) -> None:
    with pytest.raises(ValueError, match="a sentence that points at it"):
        Derivation(proof, (TRUE["identity"],))


def test_a_derivation_of_no_steps_or_of_no_source_proves_nothing() -> None:
    with pytest.raises(ValueError, match="without steps"):
        Derivation("Obvious.", ())
    with pytest.raises(ValueError, match="cites nothing"):
        cited("f", "2 + 2 = 5.", "")
    with pytest.raises(ValueError, match="says nothing"):
        series("f", "", sp.sin(r), r, 0, 0, sp.Integer(0))


def test_step_names_are_unique() -> None:
    with pytest.raises(ValueError, match="unique name"):
        Derivation("See [t].", (TRUE["identity"], TRUE["limit at infinity"]))


def test_the_page_says_how_a_step_was_checked() -> None:
    assert "SymPy reduces the difference" in TRUE["identity"].markdown()
    assert r"\mathbb{R}^{2\times 5}" in TRUE["instance"].markdown()
    assert "$n = 5$" in TRUE["instance"].markdown()
    assert "not checked" in TRUE["cited"].established
    assert "nonnegative" in TRUE["inequality"].markdown()
    assert r"O\left(r^{4}\right)" in TRUE["series"].markdown()
    assert "where $a > 2$" in TRUE["identity on a domain"].markdown()
    assert r"\lim_{" in TRUE["limit at infinity"].markdown()
