"""Symmetries of a network make parameters redundant: they lower the rank of its tangent features."""

import sympy as sp

from theory.claim import Claim, Hypothesis, Statement
from theory.derivation import Derivation, identity, instance
from theory.evidence import Kind, Verdict
from theory.notation import n_features, n_hidden, n_parameters, tangent_rank, weight_rank

_scale = sp.Symbol("a", positive=True)
_w, _x, _b, _v = sp.symbols("w x b v", real=True)
_half = sp.Symbol("t", real=True)  # tangent of half the angle
_hidden = sp.Symbol("m", integer=True, positive=True)
_W = sp.MatrixSymbol("W", _hidden, n_features)
_E = sp.MatrixSymbol("E", _hidden, n_features)
_Q = sp.MatrixSymbol("Q", _hidden, _hidden)
_S = sp.MatrixSymbol("S", n_features, n_features)
_turn = sp.ImmutableMatrix([[1 - _half**2, -2 * _half], [2 * _half, 1 - _half**2]]) / (1 + _half**2)
_W_23 = sp.ImmutableMatrix(2, 3, sp.symbols("w_11:14 w_21:24", real=True))
_W_22 = sp.ImmutableMatrix(2, 2, sp.symbols("w_11:13 w_21:23", real=True))
_sigma, _a11, _a12, _a21, _a22 = sp.symbols("sigma a_11 a_12 a_21 a_22", real=True)
_E_22 = sp.ImmutableMatrix([[_a11, _a12], [_a21, _a22]])
_tau, _E_33 = sp.Symbol("tau", real=True), sp.ImmutableMatrix(3, 3, sp.symbols("e_1:4_1:4", real=True))
_beside = _sigma * _E_33[0, 1] + _tau * _E_33[1, 0]
_mirrored = sp.ImmutableMatrix(
    [
        [2 * _sigma * _E_33[0, 0], _beside, _sigma * _E_33[0, 2]],
        [_beside, 2 * _tau * _E_33[1, 1], _tau * _E_33[1, 2]],
        [_sigma * _E_33[0, 2], _tau * _E_33[1, 2], 0],
    ]
)


def _relu(z: sp.Expr) -> sp.Expr:
    return (z + sp.Abs(z)) / 2


_pre = _w * _x + _b

symmetry_rank = Claim(
    id="symmetry-rank",
    title="Symmetries take dimensions from the budget",
    part="compression",
    hypotheses=(),
    statements=(
        Statement(
            "relu",
            sp.Le(tangent_rank, n_parameters - n_hidden),
            Kind.EXACT,
            "Each ReLU unit takes one dimension.",
            hypotheses=(
                Hypothesis(
                    "The network is feed-forward with $n_h$ hidden ReLU units that have a bias, without identity skips and "
                    "without shared weights; no weight and no pre-activation of the data is exactly 0."
                ),
            ),
        ),
        Statement(
            "autoencoder",
            sp.Eq(tangent_rank, n_features * weight_rank - weight_rank * (weight_rank - 1) / 2),
            Kind.EXACT,
            "The linear autoencoder $x \\mapsto W^\\top W x$ with weights of rank $r_W$ has, at inputs that span its $n_x$ features, this "
            "rank.",
            hypotheses=(
                Hypothesis(
                    "The weights have rank $r_W$, which is at most the number of features.",
                    sp.Le(weight_rank, n_features),
                ),
            ),
        ),
    ),
    derivation=Derivation(
        proof=(
            "Multiply the weights and bias into a ReLU unit by $a > 0$ and divide those out of it by $a$: the network computes the "
            "same [rescaling]. So the derivative along this change of parameters is 0, for each hidden unit one "
            "direction in the kernel of $J$. These directions are independent: in a vanishing combination the coefficients "
            "of two units that are joined by a nonzero weight are equal, and that of a unit joined to an input or output, or "
            "with a nonzero bias, is 0; a pre-activation that is not 0 joins every unit to one of these. "
            "For the autoencoder, outputs at inputs that span see exactly the matrix $W^\\top W$, which no rotation $Q$ of the "
            "hidden units changes [gauge]. Its derivative along $E$ is $E^\\top W + W^\\top E$. By singular values and rotations, "
            "$W$ may be taken to hold a diagonal of $r_W$ positive numbers $\\sigma$ and to be 0 elsewhere. Then the derivative holds "
            "any symmetric matrix in the block of the first $r_W$ features, anything in the rows beside it (mirrored in the columns), "
            "and 0 in the last block [blocks], which leaves $r_W(r_W+1)/2 + r_W(n_x - r_W)$ dimensions [count]."
        ),
        steps=(
            identity(
                "rescaling",
                "One ReLU unit, with $\\mathrm{ReLU}(z) = (z + |z|)/2$, for $a > 0$.",
                _v / _scale * _relu(_scale * _pre),
                _v * _relu(_pre),
            ),
            instance(
                "gauge",
                "A rotation of the hidden units.",
                sp.Eq((_Q * _W).T * (_Q * _W), _W.T * _W, evaluate=False),
                {_Q: _turn, _W: _W_23},
                {_Q: _turn, _W: _W_22},
            ),
            instance(
                "blocks",
                "Rank 1 of two hidden units and two features; rank 2 of three and three.",
                sp.Eq(_E.T * _W + _W.T * _E, _S, evaluate=False),
                {
                    _W: sp.ImmutableMatrix([[_sigma, 0], [0, 0]]),
                    _E: _E_22,
                    _S: sp.ImmutableMatrix([[2 * _sigma * _a11, _sigma * _a12], [_sigma * _a12, 0]]),
                },
                {_W: sp.ImmutableMatrix(sp.diag(_sigma, _tau, 0)), _E: _E_33, _S: _mirrored},
            ),
            identity(
                "count",
                "Counted together.",
                weight_rank * (weight_rank + 1) / 2 + weight_rank * (n_features - weight_rank),
                n_features * weight_rank - weight_rank * (weight_rank - 1) / 2,
            ),
        ),
    ),
    references=("elhage2022",),
    counterexamples=(
        "An identity skip around the hidden layer undoes the rescaling: $w \\cdot (x + \\mathrm{ReLU}(Wx + b))$ keeps all its dimensions.",
        "A filter that is shared by several positions can be rescaled only as a whole: count channels, not units.",
        "Tanh units have no such rescaling: they take nothing.",
    ),
)

relu_rank_anywhere = Claim(
    id="relu-rank-anywhere",
    title="False: every ReLU unit takes a dimension",
    part="compression",
    hypotheses=(Hypothesis("The network has $n_h$ ReLU units, in whatever architecture."),),
    statements=(
        Statement(
            "rank",
            sp.Le(tangent_rank, n_parameters - n_hidden),
            Kind.EXACT,
            "The count of the theorem above without its conditions on the architecture.",
        ),
    ),
    derivation=None,
    references=(),
    counterexamples=("An identity skip, and a filter that two positions share, both have a higher rank.",),
    expected=Verdict.REFUTED,
)
