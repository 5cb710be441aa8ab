"""Bounds on forgetting through overlap: what holds for every history, what is attained in the long run, what is no bound."""

import sympy as sp

from theory.claim import Claim, Hypothesis, Statement
from theory.derivation import Derivation, identity, inequality
from theory.evidence import Kind, Verdict
from theory.notation import (
    code_forgetting,
    code_size,
    dim,
    expected_forgetting,
    expected_recall,
    first_forgetting,
    forgetting_rarity,
    mean_fourth_overlap,
    mean_square_overlap,
    n_writes,
    rate,
    recall,
    recall_square,
    steady_forgetting,
    threshold,
    total_overlap,
    total_rarity,
)
from theory.separation.forgetting import delta_rule, random_memory, random_targets, recall_at_one
from theory.separation.overlap import random_codes

_k, _d, _n, _eta = code_size, dim, n_writes, rate
_x, _c = sp.symbols("x c", positive=True)
_q = sp.Symbol("q", nonnegative=True)
_energy, _alpha = sp.symbols("Gamma alpha", real=True)

_mean_square = 1 / _d + (_k - 1) ** 2 / (_d * (_d - 1))
_a = _k / _d
_across = (_d - _k) / (_d * (_d - 1))
_missing = 1 - 2 * expected_recall + recall_square
_any_rate = _missing + _eta / (2 - _eta) * (1 - recall_square)
_sizes = Hypothesis("$k \\leq d$, and there are at least two units.", sp.And(sp.Le(_k, _d), sp.Gt(_d, 1)))
_one = Hypothesis("The rate is 1: every item is written exactly.")
_below_two = Hypothesis("$0 < \\eta_z < 2$.", sp.Lt(_eta, 2))
_setting = (delta_rule, random_codes, random_memory, random_targets, _sizes)

bound = Claim(
    id="forgetting-bound",
    title="Overlap bounds forgetting, for every history, and nothing better does",
    part="separation",
    hypotheses=_setting,
    statements=(
        Statement(
            "bound",
            sp.Le(expected_forgetting, 2 * (1 - recall_at_one)),
            Kind.EXACT,
            "However many items were written before, the expected forgetting is at most twice what is missing of the recall.",
            hypotheses=(_one,),
        ),
        Statement(
            "linear",
            sp.Le(expected_forgetting, 2 * _n * _mean_square),
            Kind.EXACT,
            "And that is at most $2N\\,I(k)$: twice the number of writes times the mean squared relative overlap.",
            hypotheses=(_one,),
        ),
        Statement(
            "steady",
            sp.Eq(steady_forgetting, 2 * (1 - recall_at_one)),
            Kind.EXACT,
            "In the steady state of a memory that is written for ever the first bound is attained. After one write it is exactly $2 I(k)$.",
            hypotheses=(_one,),
        ),
        Statement(
            "long",
            sp.Eq(expected_forgetting, 2 * (1 - recall_at_one)),
            Kind.EXPECTATION,
            "The approach is exponential in $N_0$. From where the rest is below a thousandth the two cannot be told apart here.",
            hypotheses=(
                _one,
                Hypothesis("So many earlier writes that the recursion is within a thousandth of its limit."),
            ),
            resolution=0.1,
        ),
        Statement(
            "any-rate",
            sp.Le(expected_forgetting, _any_rate),
            Kind.EXACT,
            "The bound at any rate. The second term is the noise that fast writing leaves in the weights; slow writing has less of it.",
            hypotheses=(_below_two,),
        ),
        Statement(
            "any-rate-steady",
            sp.Eq(steady_forgetting, _any_rate),
            Kind.EXACT,
            "It, too, is attained in the steady state.",
            hypotheses=(_below_two,),
        ),
        Statement(
            "codes",
            sp.Le(code_forgetting, 2 * (1 - recall)),
            Kind.EXACT,
            "For a first memory the bound holds for every sequence of codes, with the expectation over targets alone.",
            hypotheses=(_one, Hypothesis("The memory was empty, $N_0 = 0$.")),
        ),
        Statement(
            "one-write",
            sp.Eq(first_forgetting, mean_square_overlap + mean_fourth_overlap),
            Kind.EXACT,
            "One write costs a first memory the mean square of the overlap, and its mean fourth power: the write's own error contains some of the memory.",
            hypotheses=(_one, Hypothesis("$N = 1$ and $N_0 = 0$.", sp.Eq(_n, 1))),
        ),
    ),
    derivation=Derivation(
        proof=(
            "By the exact formula forgetting is $\\mathbb{E}(1-\\gamma_N)^2 + \\frac{\\eta_z}{2-\\eta_z}(1 - \\mathbb{E}\\Gamma_N) + H_{N_0,N}$, with $\\gamma_N = \\langle z_j, u_N\\rangle/k$ and $\\Gamma_N = \\|u_N\\|^2/k$.\n\n"
            "*First memory.* Here $H = 0$. By the inequality of Cauchy and Schwarz $\\gamma_N^2 \\leq \\|z_j\\|^2\\|u_N\\|^2/k^2 = \\Gamma_N$, which at rate 1 leaves at most $2(1 - \\gamma_N)$ [first].\n\n"
            "*Any history.* The weights' second moment $\\Sigma$ goes to $\\mathbb{E}(I - \\eta_z P)\\Sigma(I - \\eta_z P) + \\eta_z^2\\,\\mathbb{E}P/k$ with each write. The map is monotone, and it has a fixed point proportional to $I$, namely $\\frac{\\eta_z}{(2-\\eta_z)k} I$ [fixed]. An empty "
            "memory lies below it and stays below. So $H_{N_0,N} = \\mathbb{E}\\,u_N^\\top(I - P_j)\\Sigma(I - P_j)u_N$ is at most what the fixed point gives, $\\frac{\\eta_z}{2-\\eta_z}(\\mathbb{E}\\Gamma_N - \\mathbb{E}\\gamma_N^2)$. In the sum $\\Gamma_N$ cancels, and the "
            "bound at any rate remains [cancel]; at rate 1 so does $\\gamma_N^2$ [at-one]. The map contracts, since each write takes a share $(2\\eta_z - \\eta_z^2)$ of what it reads and $\\mathbb{E}P$ has no zero eigenvalue as long as $k < d$: in the long run $\\Sigma$ is the fixed "
            "point, and the bounds are equalities. (With $k = d$ nothing is handed on to earlier items, $\\Gamma_N = \\gamma_N^2$, and they are equalities for any history.)\n\n"
            "*Linear.* After one write $1 - \\mathbb{E}\\gamma_1 = I(k)$ [one]. The recall is a mean of two powers $(1-x)^N$ with $0 \\leq x \\leq 1$, each at least $1 - Nx$: by induction, "
            "as $(1 - Nx)(1 - x) \\geq 1 - (N+1)x$ [bernoulli]. So $1 - \\mathbb{E}\\gamma_N \\leq N\\,I(k)$.\n\n"
            "*One write.* With $c = O/k$, $\\gamma_1 = \\Gamma_1 = 1 - c^2$ at rate 1, which leaves $c^2(1 + c^2)$ [fourth]."
        ),
        steps=(
            inequality(
                "first",
                "With $\\Gamma_N = \\gamma_N^2 + q$.",
                2 * (1 - recall),
                (1 - recall) ** 2 + 1 - (recall**2 + _q),
                _q,
            ),
            identity(
                "fixed",
                "What a write adds to $\\alpha I$ is $\\mathbb{E}P$ times this, at that $\\alpha$.",
                (-2 * _eta * _alpha + _eta**2 * _alpha + _eta**2 / _k).subs(_alpha, _eta / ((2 - _eta) * _k)),
                sp.Integer(0),
                domain=sp.Lt(_eta, 2),
            ),
            identity(
                "cancel",
                "The sum of the three terms.",
                _missing + _eta / (2 - _eta) * (1 - _energy) + _eta / (2 - _eta) * (_energy - recall_square),
                _any_rate,
                domain=sp.Lt(_eta, 2),
            ),
            identity("at-one", "At rate 1.", (1 - recall) ** 2 + (1 - recall**2), 2 * (1 - recall)),
            identity(
                "one",
                "What one write takes of the recall.",
                1 - recall_at_one.subs(_n, 1),
                _mean_square,
                domain=sp.Gt(_d, 1),
            ),
            inequality(
                "bernoulli",
                "One more write.",
                (1 - _n * _x) * (1 - _x),
                1 - (_n + 1) * _x,
                _n * _x**2,
            ),
            identity(
                "fourth",
                "With $\\gamma_1 = \\Gamma_1$, and $c^2 = 1 - \\gamma_1$.",
                (1 - recall) ** 2 + 1 - recall,
                (1 - recall) * (1 + (1 - recall)),
            ),
        ),
    ),
    references=(),
    counterexamples=(
        "*Sparseness without overlap in mind bounds nothing.* If all memories use the same sparse code, each write replaces the last: the forgetting is 2, whatever $k$.",
        "*Errors that conspire.* The bounds are about independent targets, whose echoes add up in the mean square. An adversary who chooses the targets can make them add up in size.",
        "*An item that is not written exactly* starts with an error of its own, which is counted as forgotten. The bounds assume rate 1 for it.",
        "*The code of the item changes*, as in a network whose hidden layer learns: then its output moves for other reasons than overlap.",
    ),
)  # fmt: skip

leading_order = Claim(
    id="forgetting-is-n-times-overlap",
    title="False: a write costs no more than the mean squared overlap",
    part="separation",
    hypotheses=(*_setting, _one),
    statements=(
        Statement(
            "leading",
            sp.Le(expected_forgetting, _n * _mean_square),
            Kind.EXACT,
            "Each write costs a memory at most the mean squared relative overlap.",
        ),
    ),
    derivation=None,
    references=(),
    counterexamples=(
        "It is what one finds to leading order for a first memory and few writes, and it is no bound: one write costs the fourth power of the overlap more, and in a memory in use it costs twice as much.",
    ),
    expected=Verdict.REFUTED,
)

_all = _n * _k
_others = sp.Max(_all - total_overlap, 1)

tails = Claim(
    id="forgetting-tail",
    title="Large errors are rare, and large total overlaps too",
    part="separation",
    hypotheses=(delta_rule,),
    statements=(
        Statement(
            "signs",
            sp.Ge(forgetting_rarity, sp.exp(threshold**2 / (2 * code_forgetting)) / 2),
            Kind.EXACT,
            "Given the codes, an error above $\\tau$ is exponentially rare. Errors grow with the root of the number of writes.",
            hypotheses=(Hypothesis("Targets are independent random signs, and the memory was empty."),),
        ),
        Statement(
            "total",
            sp.Ge(
                total_rarity,
                (total_overlap * _d / (_n * _k**2)) ** total_overlap
                * (_others / (_all - _all * _k / _d)) ** (_all - total_overlap),
            ),
            Kind.EXACT,
            "The total overlap of an item with $N$ others is rarely far above its mean. It bounds the drift even if the errors conspire, and grows with the number of writes itself.",
            hypotheses=(
                random_codes,
                Hypothesis(
                    "The total is at least its mean, $N k^2/d \\leq O_\\Sigma \\leq Nk$, and $k < d$.",
                    sp.And(sp.Le(_n * _k**2, total_overlap * _d), sp.Le(total_overlap, _all), sp.Lt(_k, _d)),
                ),
            ),
        ),
    ),
    derivation=Derivation(
        proof=(
            "*Signs.* Given the codes, the error is a sum of independent signs with weights, whose squares add up to $F_N \\mid S$. The mean of $e^{s \\cdot \\text{error}}$ is a product of hyperbolic cosines, none of which exceeds that of a Gaussian, $\\cosh x \\leq e^{x^2/2}$: compare the series term by "
            "term, where $(2i+2)(2i+1)$ is at least $2(i+1)$ [cosh]. Markov's inequality at the best $s$, $\\tau/F$, gives $e^{-\\tau^2/(2F)}$ for either sign of the error [best].\n\n"
            "*Total.* Given the code of the item, its overlaps with the others are independent, and the mean of $(1+y)^O$ is at most $(1 + ay)^k$ for each, as was shown for two codes. The product has $Nk$ in place of $k$, and the best $y$ is found as there [product]."
        ),
        steps=(
            inequality(
                "cosh",
                "Ratios of the terms of $e^{x^2/2}$ and of $\\cosh x$; $q$ in place of $i$.",
                (2 * _q + 2) * (2 * _q + 1),
                2 * (_q + 1),
                4 * _q * (_q + 1),
            ),
            inequality(
                "best",
                "The exponent at any $s$, with $c$ in its place and $F = x$.",
                _x * _c**2 / 2 - _c * threshold,
                -(threshold**2) / (2 * _x),
                (_x * _c - threshold) ** 2 / (2 * _x),
            ),
            identity(
                "product",
                "With $1 + y = x(1-a)/(a(1-x))$.",
                1 + _a * (_x * (1 - _a) / (_a * (1 - _x)) - 1),
                (1 - _a) / (1 - _x),
                domain=sp.And(sp.Lt(_k, _d), sp.Lt(_x, 1)),
            ),
        ),
    ),
    references=("hoeffding1963",),
    counterexamples=(
        "*Targets with heavy tails* have errors with heavy tails: the first bound is for signs, and for targets that are no wilder.",
        "*Targets that are not independent* can all push the same way. What is left then is the total overlap times the largest error.",
        "*Below the mean* the second formula bounds nothing.",
    ),
)  # fmt: skip
