"""What a write pays beside a ridge, and where it may not leave a subspace."""

import sympy as sp

from theory.claim import Claim, Hypothesis, Statement
from theory.compression.budget import K_12, K_13, K_23, M_2, cauchy_schwarz_remainder, k_2, v_2
from theory.derivation import Derivation, instance
from theory.evidence import Kind
from theory.notation import (
    K,
    M,
    dim,
    effective_dim,
    entry,
    k_i,
    leverage,
    mean_ridge,
    n_items,
    n_keys,
    rank,
    restricted_leverage,
    restricted_writability,
    ridge,
    ridge_collateral,
    ridge_leverage,
    ridge_writability,
    subspace_dim,
    sum_restricted,
    sum_ridge,
    v,
)

_j, _a = sp.symbols("j a", integer=True, positive=True)
_sigma = sp.IndexedBase("sigma", positive=True)
_turned = sp.ImmutableMatrix(2, 3, [*K_23[0, :], 0, *K_23[1, 1:]])  # the first key along the first axis
_extended = sp.MatrixSymbol("K_mu", dim, n_items + dim)
_beside = K * K.T + ridge * sp.Identity(dim)  # the second moment with one virtual key of length sqrt(ridge) an axis
_spectrum = {d: sp.ImmutableMatrix(d, d, lambda a, b: _sigma[a + 1] if a == b else 0) for d in (2, 3)}
_filtered = sp.Sum(_sigma[_a] ** 2 / (_sigma[_a] ** 2 + ridge), (_a, 1, dim))

_linear = Hypothesis(
    "The items are read linearly, and one write is aimed at each of the $n'$ items with a nonzero key."
)
_charge = Hypothesis(
    "The cost of a write is $c_i^\\mu = \\big(\\sum_{j\\neq i}\\|\\Delta W k_j\\|^2 + \\mu\\|\\Delta "
    "W\\|_F^2\\big)/\\|\\Delta W k_i\\|^2$, its share is $w_i^\\mu = 1/(1 + c_i^\\mu)$, and $d_{\\mathrm{eff}} = "
    "\\sum_a \\sigma_a^2/(\\sigma_a^2 + \\mu)$ with the singular values of the keys."
)

ridge_budget = Claim(
    id="ridge-budget",
    title="The budget beside a ridge",
    part="compression",
    hypotheses=(_linear, _charge),
    statements=(
        Statement(
            "sum",
            sp.Le(sum_ridge, effective_dim),
            Kind.EXACT,
            "Under a ridge the shares of all items sum to at most the effective dimension, for every rule of writing.",
        ),
        Statement(
            "mean",
            sp.Ge(mean_ridge, n_keys / effective_dim - 1),
            Kind.EXACT,
            "The mean cost is at least this; it is attained where all $\\ell_i(\\mu)$ are equal.",
            hypotheses=(Hypothesis("There are no more effective dimensions than keys.", sp.Le(effective_dim, n_keys)),),
        ),
        Statement(
            "item",
            sp.Le(ridge_writability, ridge_leverage),
            Kind.EXACT,
            "No write has a share above $\\ell_i(\\mu) = k_i^\\top (M + \\mu I)^{-1} k_i$.",
        ),
        Statement(
            "attained",
            sp.Eq(ridge_collateral, 1 / ridge_leverage - 1),
            Kind.EXACT,
            "The write along $(M + \\mu I)^{-1} k_i$ attains it.",
            hypotheses=(Hypothesis("Every write is along $(M + \\mu I)^{-1} k_i$."),),
        ),
    ),
    derivation=Derivation(
        proof=(
            "Add to the code one virtual key of length $\\sqrt\\mu$ along each axis. A row $v$ moves those by "
            "$\\sqrt\\mu\\, v_a$, which adds $\\mu\\|v\\|^2$ to all that it moves and $\\mu I$ to the second moment "
            "[virtual]. The cost $c_i^\\mu$ is thus the collateral in a code with an invertible second moment, and "
            "the writability budget applies to it as it stands: Cauchy–Schwarz in the form of $M + \\mu I$, in place "
            "of $M$ here, bounds each share by $\\ell_i(\\mu)$ [cauchy-schwarz], with equality along $(M + \\mu "
            "I)^{-1} k_i$. The leverages of the real items alone sum to the trace of $(M + \\mu I)^{-1} M$ "
            "[real-items], and in coordinates in which $M$ is diagonal, which change no trace, that is the effective "
            "dimension [effective]. The mean follows as in the writability budget, by arithmetic and harmonic mean. "
            "As each term of $d_{\\mathrm{eff}}$ is below 1, it is less than the rank; as the ridge vanishes it "
            "rises to the rank."
        ),
        steps=(
            instance(
                "virtual",
                "The second moment of the code with its virtual keys, $K_\\mu$.",
                sp.Eq(_extended * _extended.T, _beside, evaluate=False),
                {_extended: K_23.row_join(sp.sqrt(ridge) * sp.eye(2)), K: K_23, dim: 2},
                {_extended: K_12.row_join(sp.sqrt(ridge) * sp.eye(1)), K: K_12, dim: 1},
            ),
            instance(
                "cauchy-schwarz",
                "The squared hit is at most the leverage times the total effect, for any positive definite $M$; the "
                "gap is a square.",
                sp.Ge(
                    sp.Trace(k_i.T * sp.Inverse(M) * k_i) * sp.Trace(v.T * M * v),
                    sp.Trace(v.T * k_i) ** 2,
                    evaluate=False,
                ),
                {k_i: k_2, v: v_2, M: M_2},
                certificate=cauchy_schwarz_remainder(v_2),
            ),
            instance(
                "real-items",
                "Leverages beside a ridge sum to a trace, which does not change as the axes turn; here the first key "
                "lies along an axis.",
                sp.Eq(
                    sp.Sum(entry(K.T * sp.Inverse(_beside) * K, _j, _j), (_j, 1, n_items)),
                    sp.Trace(sp.Inverse(_beside) * (K * K.T)),
                    evaluate=False,
                ),
                {K: K_12, n_items: 2, dim: 1},
                {K: _turned, n_items: 3, dim: 2},
            ),
            instance(
                "effective",
                "For a diagonal second moment of entries $\\sigma_a^2$ the trace is the effective dimension.",
                sp.Eq(sp.Trace(sp.Inverse(_beside) * (K * K.T)), _filtered, evaluate=False),
                {K: _spectrum[2], dim: 2, n_items: 2},
                {K: _spectrum[3], dim: 3, n_items: 3},
            ),
        ),
    ),
    references=("meng2023memit",),
    counterexamples=(
        "Without a ridge the rank takes the place of the effective dimension, and it jumps where independent keys "
        "become dependent. The effective dimension does not: it is smooth in the keys. Use it wherever the spectrum of "
        "the keys decays.",
        "The write that is optimal without a ridge is not optimal beside one: it may pay for a small gain with a "
        "large change of weights.",
    ),
)

_basis = sp.MatrixSymbol("U", dim, subspace_dim)
_inner = sp.MatrixSymbol("a", subspace_dim, 1)
_columns_2 = sp.ImmutableMatrix(sp.symbols("u_11 u_21", real=True))
_columns_3 = sp.ImmutableMatrix(3, 2, sp.symbols("u_11:13 u_21:23 u_31:33", real=True))
_inner_1 = sp.ImmutableMatrix([sp.Symbol("a_1", real=True)])
_inner_2 = sp.ImmutableMatrix(sp.symbols("a_1 a_2", real=True))
_k_3 = sp.ImmutableMatrix(sp.symbols("k_1:4", real=True))
_seen_hat = K.T * sp.Inverse(K * K.T) * K

restricted_writes = Claim(
    id="restricted-writes",
    title="Restriction does not make an optimal write more precise",
    part="compression",
    hypotheses=(
        Hypothesis("The items are read linearly, and one write is aimed at each item."),
        Hypothesis(
            "Every row of every write lies in one subspace $U$ of dimension $d_U$, as in an adapter $BA$ of which "
            "$A$ is frozen, or under a mask that is the same for all rows."
        ),
    ),
    statements=(
        Statement(
            "sum",
            sp.Le(sum_restricted, sp.Min(subspace_dim, rank)),
            Kind.EXACT,
            "The writabilities of all items sum to at most the smaller of the dimension of the subspace and the "
            "rank, for every rule.",
        ),
        Statement(
            "attained",
            sp.Eq(sum_restricted, sp.Min(subspace_dim, rank)),
            Kind.EXACT,
            "Optimal writes inside the subspace spend all of it.",
            hypotheses=(
                Hypothesis(
                    "The writes are optimal inside $U$, and $U$ is in general position: $U^\\top K$ has rank "
                    "$\\min(d_U, r)$."
                ),
            ),
        ),
        Statement(
            "leverage",
            sp.Le(restricted_leverage, leverage),
            Kind.EXACT,
            "No item gains: its leverage among the keys $U^\\top k_j$ that the subspace sees is at most its leverage.",
        ),
        Statement(
            "item",
            sp.Le(restricted_writability, restricted_leverage),
            Kind.EXACT,
            "No restricted write at item $i$ has a writability above that.",
        ),
    ),
    derivation=Derivation(
        proof=(
            "Let the columns of $U$ be an orthonormal basis of the subspace. A row of a restricted write is $Ua$, "
            "and moves item $j$ by $(Ua)^\\top k_j = a^\\top (U^\\top k_j)$ [confined]. So restricted writes are all "
            "the writes of a code with keys $U^\\top k_j$ in $d_U$ dimensions, and the writability budget for that "
            "code gives *item*. Its leverages sum to the trace of its hat matrix, which is the rank of $U^\\top K$ "
            "[trace]; that rank is at most $d_U$, which counts its rows, and at most $r$. Hence *sum*, with equality "
            "for optimal writes where the rank is as large as it can be. The leverage is the largest writability of "
            "any write, and the restricted one is the largest over fewer writes, hence *leverage*. In the plane, "
            "with $U$ spanned by one direction $v$, the difference is a square over a positive number [fewer]."
        ),
        steps=(
            instance(
                "confined",
                "What a confined row moves an item by.",
                sp.Eq(
                    sp.Sum(entry(_basis * _inner, _j) * entry(k_i, _j), (_j, 1, dim)),
                    sp.Sum(entry(_inner, _j) * entry(_basis.T * k_i, _j), (_j, 1, subspace_dim)),
                    evaluate=False,
                ),
                {_basis: _columns_2, _inner: _inner_1, k_i: k_2, dim: 2, subspace_dim: 1},
                {_basis: _columns_3, _inner: _inner_2, k_i: _k_3, dim: 3, subspace_dim: 2},
            ),
            instance(
                "trace",
                "The trace of a hat matrix is the rank, for any keys that span, here written $K$, of which the first "
                "lies along an axis.",
                sp.Eq(sp.Trace(_seen_hat), dim, evaluate=False),
                {K: _turned, dim: 2},
                {K: K_13, dim: 1},
            ),
            instance(
                "fewer",
                "The leverage less the restricted one, times $v^\\top M v$.",
                sp.Ge(
                    sp.Trace(k_i.T * sp.Inverse(M) * k_i) * sp.Trace(v.T * M * v),
                    sp.Trace(v.T * k_i) ** 2,
                    evaluate=False,
                ),
                {k_i: k_2, v: v_2, M: M_2},
                certificate=cauchy_schwarz_remainder(v_2),
            ),
        ),
    ),
    references=("meng2022rome",),
    counterexamples=(
        "A rule that is not optimal can gain: if one coordinate is loud in all keys, masking it helps local writes, "
        "which would otherwise spend most of their change on it.",
        "A mask that differs from row to row is another case: then each output has a subspace of its own.",
        "An adapter of which $B$ is frozen and $A$ is trained does not restrict the rows. It restricts which values "
        "can be written.",
    ),
)
