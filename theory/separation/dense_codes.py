"""Sparse codes against dense ones: the sphere, centred codes, and the number of active units that is best."""

import sympy as sp

from theory.claim import Claim, Hypothesis, Statement
from theory.derivation import Derivation, identity, inequality, instance, series
from theory.evidence import Kind, Verdict
from theory.notation import (
    best_forgetting,
    best_size,
    centred_square,
    code_size,
    dim,
    expected_forgetting,
    first_forgetting,
    n_writes,
    rate,
    sphere_forgetting,
    steady_forgetting,
)
from theory.separation.forgetting import delta_rule, random_memory, random_targets
from theory.separation.overlap import random_codes

_k, _d, _n, _eta = code_size, dim, n_writes, rate
_e, _kappa, _x = sp.symbols("epsilon kappa x", positive=True)
_energy, _product, _other = sp.symbols("A gamma X", real=True)
_i, _j, _l, _m = sp.symbols("i j l m", integer=True)

_kept = 1 - (2 * _eta - _eta**2) / _d  # of the squared length, by one write
_across = 1 - 2 * _eta / _d + 2 * _eta**2 / (_d * (_d + 2))
_square = ((_d - 1) * _across**_n + _kept**_n) / _d
_sphere = 1 - 2 * (1 - _eta / _d) ** _n + _square + _eta / (2 - _eta) * (1 - _kept**_n)
_one_write = 1 / _d + 3 / (_d * (_d + 2))
_first = Hypothesis("The item is the first: the memory was empty, $N_0 = 0$.")
_on_sphere = Hypothesis("Codes are independent and uniform on the unit sphere.")
_one = Hypothesis("The rate is 1.")
_fourth = 3 / (_d * (_d + 2))  # mean fourth power of one coordinate on the sphere


def _pairings() -> sp.Expr:
    delta = sp.KroneckerDelta
    return delta(_i, _j) * delta(_l, _m) + delta(_i, _l) * delta(_j, _m) + delta(_i, _m) * delta(_j, _l)


dense = Claim(
    id="dense-forgetting",
    title="The forgetting of dense codes",
    part="separation",
    hypotheses=(delta_rule, random_targets),
    statements=(
        Statement(
            "sphere",
            sp.Eq(sphere_forgetting, _sphere),
            Kind.EXPECTATION,
            "Codes with all units active, as evenly spread as can be.",
            hypotheses=(_on_sphere, _first, Hypothesis("$0 < \\eta_z < 2$.", sp.Lt(_eta, 2))),
            resolution=0.1,
        ),
        Statement(
            "centred",
            sp.Eq(centred_square, 1 / (_d - 1)),
            Kind.EXACT,
            "Random codes of $k$ active units, less their mean $a$. Whatever the activity, the mean squared cosine is the same.",
            hypotheses=(random_codes, Hypothesis("$1 \\leq k < d$.", sp.Lt(_k, _d))),
        ),
    ),
    derivation=Derivation(
        proof=(
            "*Sphere.* The proof of the exact formula needs nothing of the codes but that they are independent, alike, and of equal length. "
            "What is to be found are the moments of $u_N$, with $\\|z\\|^2 = 1$ in place of $k$. A random direction takes the share $1/d$ of every vector, so $\\mathbb{E}\\gamma_N = (1 - \\eta_z/d)^N$, and the squared length keeps $1 - (2\\eta_z - \\eta_z^2)/d$. "
            "The mean fourth power of a coordinate is $3/(d(d+2))$, and that of two squared coordinates a third of it [fourth]. So the mean of $\\langle z, u\\rangle^2\\langle z, z_j\\rangle^2$ is $(\\|u\\|^2 + 2\\gamma^2)/(d(d+2))$, and "
            "one write takes $\\gamma^2$ to $\\gamma^2(1 - 2\\eta_z/d) + \\eta_z^2(\\|u\\|^2 + 2\\gamma^2)/(d(d+2))$. The stated mean square solves this recursion [solves].\n\n"
            "*Centred.* A code less its mean has squared length $k(1-a)$ [length], and the product of two is $O - k^2/d$, whose mean square is the variance of the overlap [cosine]."
        ),
        steps=(
            identity(
                "fourth",
                "All $d$ fourth powers and $d(d-1)$ products of squares sum to $\\|z\\|^4 = 1$.",
                _d * _fourth + _d * (_d - 1) * _fourth / 3,
                sp.Integer(1),
            ),
            identity(
                "solves",
                "One more write.",
                _square * (1 - 2 * _eta / _d) + _eta**2 * (_kept**_n + 2 * _square) / (_d * (_d + 2)),
                ((_d - 1) * _across**_n * _across + _kept**_n * _kept) / _d,
            ),
            identity(
                "length",
                "Active and silent units.",
                _k * (1 - _k / _d) ** 2 + (_d - _k) * (_k / _d) ** 2,
                _k * (1 - _k / _d),
            ),
            identity(
                "cosine",
                "Variance of the overlap over the squared squared length.",
                _k**2 * (_d - _k) ** 2 / (_d**2 * (_d - 1)) / (_k * (1 - _k / _d)) ** 2,
                1 / (_d - 1),
                domain=sp.And(sp.Lt(_k, _d), sp.Gt(_d, 1)),
            ),
        ),
    ),
    references=(),
    counterexamples=(
        "*Dense codes without negative entries* have a large common part, and forget far more. It is the common part that does it, not the density: subtract it, and they are as good as any.",
        "*A readout that cannot subtract the mean*, because weights or activities have one sign, does not have the choice.",
        "*All or no units active*: less its mean, such a code is zero.",
    ),
)  # fmt: skip

least = Claim(
    id="sphere-forgets-least",
    title="No independent codes forget less in one write than the sphere",
    part="separation",
    hypotheses=(
        delta_rule,
        random_targets,
        Hypothesis("The codes of both items are independent draws from one distribution over unit vectors, whatever it is."),
        _first,
        Hypothesis("One write at rate 1, $N = 1$."),
    ),
    statements=(
        Statement(
            "bound",
            sp.Ge(first_forgetting, _one_write),
            Kind.EXACT,
            "The right side is the forgetting with codes uniform on the sphere. Sparse codes, scaled to unit length, are among those that cannot get below it.",
        ),
        Statement(
            "attained",
            sp.Eq(first_forgetting, _one_write),
            Kind.EXACT,
            "It is attained by finitely many codes, too.",
            hypotheses=(
                Hypothesis(
                    "The codes are as even as the sphere up to the fourth power, as are the corners of a pentagon and the axes of an icosahedron."
                ),
            ),
        ),
    ),
    derivation=Derivation(
        proof=(
            "With $c = \\langle z, z'\\rangle$ forgetting is $\\mathbb{E}c^2 + \\mathbb{E}c^4$, as for sparse codes. For independent $z, z'$ of one distribution these are squared lengths: $\\mathbb{E}c^2 = \\|\\mathbb{E}\\,zz^\\top\\|^2$ and "
            "$\\mathbb{E}c^4 = \\|\\mathbb{E}\\,z\\otimes z\\otimes z\\otimes z\\|^2$. Project the first on the identity, of squared length $d$, and the second on the sum of the three pairings of four indices, of squared length $3d(d+2)$ [pairings]. "
            "As $\\|z\\| = 1$ the products are 1 and 3. By the inequality of Cauchy and Schwarz the squared lengths are at least $1/d$ and $9/(3d(d+2))$ [sum]. They are equal where the two tensors are multiples of the ones they are projected on, as on the sphere."
        ),
        steps=(
            instance(
                "pairings",
                "The squared length of the sum of the three pairings.",
                sp.Eq(
                    sp.Sum(_pairings() ** 2, (_i, 1, _d), (_j, 1, _d), (_l, 1, _d), (_m, 1, _d)),
                    3 * _d * (_d + 2),
                    evaluate=False,
                ),
                {_d: 2},
                {_d: 3},
            ),
            identity("sum", "Both together.", 1 / _d + 9 / (3 * _d**2 + 6 * _d), _one_write),
        ),
    ),
    references=("welch1974", "benedetto2003"),
    counterexamples=(
        "*Codes that are chosen together* are not independent. Orthogonal codes, dense or not, forget nothing until the units are used up.",
        "*Mean squares* are compared. A user who cares for how many memories are hit at all, not by how much, will prefer sparse codes: they hit few, and hard.",
    ),
)  # fmt: skip

popular = Claim(
    id="sparse-forgets-less",
    title="False: sparse codes forget less than dense ones",
    part="separation",
    hypotheses=(delta_rule, random_codes, random_memory, random_targets, _first),
    statements=(
        Statement(
            "less",
            sp.Le(expected_forgetting, _sphere),
            Kind.EXACT,
            "The forgetting of a memory with $k$ of $d$ units active is below that with dense codes in as many units.",
        ),
    ),
    derivation=None,
    references=("french1999",),
    counterexamples=(
        "It is true if the dense codes have no negative entries. Those have a mean in common; the sentence is about means, not about density.",
        "It is true of memories that resemble each other, where sparse codes can separate what dense ones leave together. That needs a layer that separates.",
    ),
    expected=Verdict.REFUTED,
)

_chance = (_kappa / _e - 1) ** 2 / (_e**-4 - 1)


def _collisions(order: int) -> sp.Expr:
    """The mean of the falling factorial of the overlap, relative to k^4 and times d, at k = kappa/epsilon, d = epsilon^-4."""
    pairs = [((_kappa / _e - place) ** 2, _e**-4 - place) for place in range(order)]
    return sp.cancel(sp.prod(upper / lower for upper, lower in pairs) * (_e / _kappa) ** 4 * _e**-4)


_o = sp.Symbol("O", integer=True, nonnegative=True)

collision = Claim(
    id="collision-optimum",
    title="A first memory likes the fourth root of the units to be active",
    part="separation",
    hypotheses=(delta_rule, random_codes, random_memory, random_targets, Hypothesis("One write at rate 1, $N = 1$.")),
    statements=(
        Statement(
            "size",
            sp.Eq(best_size, _d ** sp.Rational(1, 4)),
            Kind.ASYMPTOTIC,
            "The number of active units, taken as a real number, at which one write harms a first memory least.",
            size=_d,
            rate=0.25,
        ),
        Statement(
            "forgetting",
            sp.Eq(best_forgetting, (1 + 2 / sp.sqrt(_d)) / _d),
            Kind.ASYMPTOTIC,
            "The forgetting there, at the best whole number. It is hardly above the floor $1/d$: there is little to be gained.",
            size=_d,
            rate=0.75,
        ),
        Statement(
            "steady",
            sp.Ge(steady_forgetting, 2 / _d),
            Kind.EXACT,
            "In the steady state there is no such optimum. One write costs at least what it costs with a single active unit, the least number, which is what it costs on the sphere.",
        ),
    ),
    derivation=Derivation(
        proof=(
            "By the exact formula one write costs a first memory $\\mathbb{E}(O/k)^2 + \\mathbb{E}(O/k)^4$. The fourth power of $O$ is a sum of falling factorials [powers], whose means are $(k)_r^2/(d)_r$. Put $k = \\kappa d^{1/4}$ and let $d$ grow. Times $d$, what exceeds the floor is $(\\kappa^2 + \\kappa^{-2})\\,d^{-1/2}$ "
            "and $-2\\kappa\\, d^{-3/4}$, up to terms of order $1/d$: from chance, which grows with $k$ [chance], and from collisions, which get rarer [collisions]. The sum of the leading terms is at least 2, with equality at $\\kappa = 1$ [balance]. The next order moves the optimum by a "
            "quarter of a unit, and the cost by a relative $d^{-3/4}$; a whole number differs from the optimum by less than 1, which costs less than that. In the steady state one write costs $2I(k)$, without the fourth power, and $I(k)$ has its floor $1/d$ at $k = 1$ [floor]."
        ),
        steps=(
            identity(
                "powers",
                "The fourth power in falling factorials: $(O)_1 + 7(O)_2 + 6(O)_3 + (O)_4$.",
                _o**4,
                sp.expand_func(sp.ff(_o, 1) + 7 * sp.ff(_o, 2) + 6 * sp.ff(_o, 3) + sp.ff(_o, 4)),
            ),
            series(
                "chance",
                "The mean square times $d$, less 1, in $\\epsilon = d^{-1/4}$ with $k = \\kappa/\\epsilon$.",
                _chance,
                _e,
                0,
                4,
                _kappa**2 * _e**2 - 2 * _kappa * _e**3,
            ),
            series(
                "collisions",
                "The fourth power times $d$: its first two falling factorials. The others are of higher order still.",
                _collisions(1) + 7 * _collisions(2),
                _e,
                0,
                4,
                _e**2 / _kappa**2,
            ),
            inequality("balance", "Chance and collisions.", _kappa**2 + _kappa**-2, sp.Integer(2), (_kappa - 1 / _kappa) ** 2),
            inequality(
                "floor",
                "With $d = 1 + x$: twice the mean square overlap.",
                (2 * (1 / _d + (_k - 1) ** 2 / (_d * (_d - 1)))).subs(_d, 1 + _x),
                2 / (1 + _x),
                2 * (_k - 1) ** 2 / (_x * (1 + _x)),
            ),
        ),
    ),
    references=(),
    counterexamples=(
        "*A memory in use* has no such optimum: see the last statement.",
        "*Cues with noise* and *memories that are alike* have optima of their own, for other reasons.",
    ),
)  # fmt: skip

collision_in_use = Claim(
    id="collision-optimum-in-use",
    title="False: a memory in use has the same optimum",
    part="separation",
    hypotheses=(delta_rule, random_codes, random_memory, random_targets, _one),
    statements=(
        Statement(
            "better",
            sp.Le(steady_forgetting, 2 / _d),
            Kind.EXACT,
            "With about $d^{1/4}$ active units one write costs no more than with a single one.",
        ),
    ),
    derivation=None,
    references=(),
    counterexamples=("The optimum is that of a first memory, and fades as earlier writes fill the weights.",),
    expected=Verdict.REFUTED,
)
