"""Replay in a fixed order, and random replay of items that cannot all be recalled."""

import sympy as sp

from theory.claim import Claim, Hypothesis, Statement
from theory.compression.budget import k_2, v_2
from theory.compression.replay_time import independent, k_3, random_order, v_3
from theory.derivation import Derivation, identity, inequality, instance
from theory.evidence import Kind
from theory.notation import K, dim, gram_determinant, k_i, leverage, noise_floor, sweep_factor, v

_phi, _psi = sp.symbols("phi psi", real=True)
_u, _q, _c, _s = sp.symbols("u q c s", positive=True)
_z, _w = sp.symbols("z w", real=True)
_outside = sp.Trace(k_i.T * k_i) * sp.Identity(dim) - k_i * k_i.T

cyclic_replay = Claim(
    id="cyclic-replay",
    title="Replay in a fixed order contracts with every sweep",
    part="compression",
    hypotheses=(
        independent,
        Hypothesis("As in random replay, but the items are replayed one after the other in a fixed order."),
    ),
    statements=(
        Statement(
            "sweep",
            sp.Le(sweep_factor, 1 - gram_determinant),
            Kind.EXACT,
            "Each sweep over all items leaves at most this share of the squared error. The bound is Meany's; with many items the determinant "
            "is so small that it says next to nothing, and a sweep does far better.",
        ),
    ),
    derivation=Derivation(
        proof=(
            "By induction over the number of items; for one, a sweep leaves nothing, and $\\det G = 1$. Let $V'$ be the span of items 2 to $n$, with Gram "
            "matrix $G'$, and let $x$ be an error in the span of all. Replaying item 1 leaves some $y$ that is orthogonal to $k_1$ and no longer than $x$. "
            "Split $y = y' + y''$ into its part in $V'$ and the part orthogonal to it, along a unit vector $u$. The other replays do not see $y''$, and "
            "of $\\|y'\\|^2$ they leave at most the share $1 - \\det G'$. So the sweep leaves at most $\\|y\\|^2 - \\det G'\\, \\|y'\\|^2$. Let $s = |\\langle k_1, u\\rangle|$ be the distance "
            "of $k_1$ from $V'$. As $y$ is orthogonal to $k_1$, $\\langle y, u\\rangle = \\langle y, u - \\langle u, k_1\\rangle k_1\\rangle$, and that vector has squared length "
            "$1 - s^2$ [tilt]. So $\\|y''\\|^2 \\leq (1 - s^2)\\|y\\|^2$ and $\\|y'\\|^2 \\geq s^2 \\|y\\|^2$, and the sweep leaves at most $(1 - s^2 \\det G')\\|y\\|^2$ "
            "[chain]. The determinant of a Gram matrix is that of the other keys times the squared distance, $\\det G = s^2 \\det G'$ [gram]."
        ),
        steps=(
            identity(
                "tilt",
                "In the plane of both, with $u = (1, 0)$ and $k_1 = (s, \\sqrt{1 - s^2})$.",
                (1 - _s * _s) ** 2 + (0 - _s * sp.sqrt(1 - _s**2)) ** 2,
                1 - _s**2,
                domain=sp.Lt(_s, 1),
            ),
            inequality(
                "chain",
                "With $\\|y\\|^2 = u$, $\\|y'\\|^2 = s^2 u + q$ and $\\det G' = c$.",
                (1 - _s**2 * _c) * _u,
                _u - _c * (_s**2 * _u + _q),
                _c * _q,
            ),
            instance(
                "gram",
                "Two unit keys, the first at distance $s$ from the second; three, the first at distance $s$ from the plane of the others.",
                sp.Eq(sp.Determinant(K.T * K), _s**2 * _q, evaluate=False),
                {K: sp.ImmutableMatrix([[sp.sqrt(1 - _s**2), 1], [_s, 0]]), _q: sp.Integer(1)},
                {
                    K: sp.ImmutableMatrix(
                        [
                            [sp.sqrt(1 - _s**2) * sp.cos(_phi), 1, sp.cos(_psi)],
                            [sp.sqrt(1 - _s**2) * sp.sin(_phi), 0, sp.sin(_psi)],
                            [_s, 0, 0],
                        ]
                    ),
                    _q: sp.sin(_psi) ** 2,
                },
                domain=sp.Lt(_s, 1),
            ),
        ),
    ),
    references=("meany1969",),
    counterexamples=(
        "The bound depends on no order, and the measured factors do: a good order can be much better than a bad one, and than a random one.",
    ),
)

replay_noise_floor = Claim(
    id="replay-noise-floor",
    title="Random replay of dependent items stops at twice the least residual",
    part="compression",
    hypotheses=(
        Hypothesis("The keys have norm 1 and are read linearly; they may be dependent, as they must be when $n > d$."),
        random_order,
    ),
    statements=(
        Statement(
            "floor",
            sp.Eq(noise_floor, 2 * (1 - leverage)),
            Kind.EXACT,
            "In the long run the expected residual of all items, after the label of item $i$ is moved by 1, is exactly twice that "
            "of the least-squares fit, $1 - \\ell_i$.",
        ),
    ),
    derivation=Derivation(
        proof=(
            "Let $\\varepsilon = y - K^\\top w$ be the residuals of one row $w$, and $\\varepsilon^\\star$ those of a least-squares fit $w^\\star$. Replaying item $j$ adds "
            "$\\varepsilon_j k_j$ to $w$, which changes $\\|w - w^\\star\\|^2$ by $2\\varepsilon_j \\langle k_j, w - w^\\star\\rangle + \\varepsilon_j^2$, where "
            "$\\langle k_j, w - w^\\star\\rangle = \\varepsilon^\\star_j - \\varepsilon_j$; that is $2\\varepsilon_j\\varepsilon_j^\\star - \\varepsilon_j^2$ [one-replay]. "
            "Sum over $j$: $2\\langle\\varepsilon, \\varepsilon^\\star\\rangle - \\|\\varepsilon\\|^2$. Residuals of least squares are orthogonal to everything that the "
            "readout can change, so $\\langle\\varepsilon, \\varepsilon^\\star\\rangle = \\|\\varepsilon^\\star\\|^2$ in every state. The second moment of $w - w^\\star$ "
            "obeys a linear recursion that contracts in the span of the keys, by $1 - g_{\\min}/n$ as in random replay without noise, so it converges. "
            "Then the expected change is 0 and $\\mathbb{E}\\|\\varepsilon\\|^2 = 2\\|\\varepsilon^\\star\\|^2$. The least residual is that of the part of $e_i$ outside the "
            "range of the hat matrix $H$, $\\|(I - H)e_i\\|^2 = 1 - \\ell_i$ [projector]."
        ),
        steps=(
            identity(
                "one-replay",
                "With $\\varepsilon_j = z$ and $\\varepsilon_j^\\star = w$.",
                2 * _z * (_w - _z) + _z**2,
                2 * _z * _w - _z**2,
            ),
            instance(
                "projector",
                "For the projector onto any $k$, with the lengths of $k$ multiplied out: the squared part of $v$ outside of it.",
                sp.Eq(
                    sp.Trace((_outside * v).T * (_outside * v)),
                    sp.Trace(k_i.T * k_i) * (sp.Trace(v.T * v) * sp.Trace(k_i.T * k_i) - sp.Trace(v.T * k_i) ** 2),
                    evaluate=False,
                ),
                {k_i: k_2, v: v_2, dim: 2},
                {k_i: k_3, v: v_3, dim: 3},
            ),
        ),
    ),
    references=(),
    counterexamples=(
        "Replaying all items at once by gradient descent, or with steps that get smaller, has no such floor: it ends at the least-squares fit.",
        "Items replayed at unequal rates, or keys of unequal norm, weigh the residuals, and the fit that replay hovers about is then a weighted one.",
    ),
)
