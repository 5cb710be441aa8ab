"""When sparse activity protects a memory in a network that learns its hidden weights: overlap, and the margin of winners."""

import sympy as sp

from theory.claim import Claim, Hypothesis, Statement
from theory.derivation import Derivation, identity, inequality, instance, limit, series
from theory.evidence import Kind, Verdict
from theory.notation import (
    abs_loss_change,
    backprop,
    code_product,
    code_size,
    dim,
    drive_drift,
    drive_sd,
    input_product,
    item_gradient,
    least_winner,
    loser_rise,
    loss_change,
    loss_jump,
    loss_remainder,
    margin,
    margin_ratio,
    margin_tail,
    mean_margin,
    n_changed,
    n_items,
    new_margin,
    output_error,
    overlap,
    readout_gap,
    readout_remainder,
    shared_step,
    smoothness,
    step_size,
    tied_drive,
    winner_drop,
)

_s, _t, _u, _g, _h = sp.symbols("s t u g h", positive=True)
_a, _b, _c, _d = sp.symbols("a b c d", real=True)
_mean, _low, _high = sp.symbols("mu m M", real=True)
_o = sp.symbols("o_1:4", real=True)
_size = sp.Symbol("q", integer=True, positive=True)
_x = sp.IndexedBase("x", real=True)
_w = sp.symbols("w_1:4", positive=True)
_g_, _d_ = sp.IndexedBase("g", real=True), sp.IndexedBase("d", real=True)
_i, _j = sp.symbols("i j", integer=True)
_zero = sp.Integer(0)

_second = smoothness * shared_step**2 / 2
_network = Hypothesis(
    "A network has one hidden layer, $y = W z$ with the code $z = m \\odot Vx$. The mask $m$ is 1 at the *winners* $S$ of the "
    "item, the $k$ of $d$ units that it drives most, and 0 elsewhere. There are no biases. The loss $L$ of an item is softmax "
    "cross-entropy."
)

masked_forgetting = Claim(
    id="masked-forgetting",
    title="A step reaches an item through the weights that it uses, while its winners stay",
    part="separation",
    hypotheses=(
        Hypothesis(
            "Item $j$ uses some of the weights of a network, and its loss does not depend on the others. A step $\\delta$ changes "
            "any weights; $\\delta_\\cap$ is the part of it in the weights that the item uses, $g_j$ the gradient of its loss."
        ),
        Hypothesis(
            "Which weights it uses stays the same along the step; in a network of winners, its winners do. Along the step, the second "
            "derivative of its loss is at most $\\beta_j \\|\\delta_\\cap\\|^2$ in size."
        ),
    ),
    statements=(
        Statement(
            "remainder",
            sp.Le(loss_remainder, _second),
            Kind.EXACT,
            "The change of the loss is that along the gradient, up to the square of the shared step.",
        ),
        Statement(
            "size",
            sp.Le(abs_loss_change, item_gradient * shared_step + _second),
            Kind.EXACT,
            "So the loss changes no more than gradient and shared step allow.",
        ),
        Statement(
            "disjoint",
            sp.Eq(loss_change, _zero, evaluate=False),
            Kind.EXACT,
            "A step that shares no weight with the item does nothing to it.",
            hypotheses=(Hypothesis("The shared step is 0.", sp.Eq(shared_step, 0)),),
        ),
    ),
    derivation=Derivation(
        proof=(
            "Follow the loss along the step, $f(s) = L_j(\\theta + s\\delta)$. The item does not see the weights that it does not use, "
            "so $\\delta$ may be replaced by $\\delta_\\cap$, and $f'(0) = \\langle g_j, \\delta_\\cap\\rangle = \\langle g_j, \\delta\\rangle$. By Taylor's "
            "formula the change beyond that is $\\int_0^1 (1-s) f''(s)\\, ds$, and $|f''| \\leq \\beta_j \\|\\delta_\\cap\\|^2$ [taylor]. By Cauchy and "
            "Schwarz $|\\langle g_j, \\delta_\\cap\\rangle| \\leq \\|g_j\\| \\|\\delta_\\cap\\|$ [cauchy-schwarz], which gives the second statement. With "
            "$\\delta_\\cap = 0$ it says that nothing changes.\n\n"
            "*A value of $\\beta_j$ for the network of winners.* Let the step change $W$ by $D$ and $V$ by $E$, both restricted to the "
            "winners of item $j$. The outputs are $y(s) = (W + sD)(z + sEx)$, so $y' = D(z + sEx) + (W + sD)Ex$ and $y'' = 2DEx$ "
            "[along]. The loss has in the outputs the gradient $e$, of length at most $\\sqrt2$, and second derivatives "
            "between 0 and $\\tfrac12$ (both are shown with the next claim), so $|f''| \\leq \\tfrac12 \\|y'\\|^2 + \\sqrt2 \\|y''\\|$. As $\\|y'\\| \\leq "
            "\\|D\\|(\\|z\\| + \\|Ex\\|) + (\\|W\\| + \\|D\\|)\\|x\\| \\|E\\|$, its square is at most $\\|\\delta_\\cap\\|^2$ times the sum of squares of the two factors "
            "[two-products], and $\\|y''\\| \\leq 2\\|D\\|\\|E\\|\\|x\\| \\leq \\|\\delta_\\cap\\|^2 \\|x\\|$ [product]. Together "
            "$\\beta_j = \\tfrac12[(\\|z\\| + \\|Ex\\|)^2 + (\\|W\\| + \\|D\\|)^2\\|x\\|^2] + \\sqrt2\\,\\|x\\|$. If only the readout learns, "
            "$\\tfrac12\\|z\\|^2$ remains; if only the hidden weights do, $\\tfrac12 \\|W\\|^2\\|x\\|^2$."
        ),
        steps=(
            identity(
                "taylor",
                "The integral of the bound.",
                smoothness * shared_step**2 * sp.Integral(1 - _s, (_s, 0, 1)),
                _second,
            ),
            instance(
                "cauchy-schwarz",
                "For gradient and shared step; the gap is a sum of squares.",
                sp.Ge(
                    sp.Sum(_g_[_i] ** 2, (_i, 1, _size)) * sp.Sum(_d_[_i] ** 2, (_i, 1, _size)),
                    sp.Sum(_g_[_i] * _d_[_i], (_i, 1, _size)) ** 2,
                    evaluate=False,
                ),
                {_size: 2},
                {_size: 3},
                certificate=sp.Sum((_g_[_i] * _d_[_j] - _g_[_j] * _d_[_i]) ** 2 / 2, (_j, 1, _size), (_i, 1, _size)),
            ),
            identity(
                "along",
                "In one dimension, with $W = a$, $D = b$, $z = c$, $Ex = d$: the coefficients of $s$ and $s^2$ are $y'$ at 0 and half of $y''$.",
                (_a + _s * _b) * (_c + _s * _d),
                _a * _c + _s * (_b * _c + _a * _d) + _s**2 * _b * _d,
            ),
            inequality(
                "two-products",
                "The sum of two products.",
                (_a**2 + _c**2) * (_b**2 + _d**2),
                (_a * _b + _c * _d) ** 2,
                (_a * _d - _b * _c) ** 2,
            ),
            inequality("product", "And one product.", _a**2 + _b**2, 2 * _a * _b, (_a - _b) ** 2),
        ),
    ),
    references=(),
    counterexamples=(
        "If winners change along the step, no $\\beta_j$ will do: the loss jumps.",
        "Weights that every item uses, such as an output bias, are shared by all. A step then reaches items with which it has no winner in "
        "common.",
        "Momentum, weight decay and normalisation move weights that the gradient does not touch: the shared step is then that of the whole update, and not of the gradient.",
    ),
)

stability = Claim(
    id="code-stability",
    title="Zero forgetting takes disjoint winners and a margin",
    part="separation",
    hypotheses=(
        _network,
        Hypothesis(
            "The drive of the units by item $j$ is $u = V x_j$. Its winners have the *margin* $\\gamma_j = \\min_{h \\in S_j} u_h - \\max_{h \\notin S_j} u_h$ "
            "over the losers. A step changes the drive: at a winner it falls by at most $\\Delta_j^-$, at a loser it rises by at most $\\Delta_j^+$."
        ),
    ),
    statements=(
        Statement(
            "margin",
            sp.Ge(new_margin, margin - winner_drop - loser_rise),
            Kind.EXACT,
            "The old winners keep at least this margin after the step.",
        ),
        Statement(
            "winners",
            sp.Eq(n_changed, _zero, evaluate=False),
            Kind.EXACT,
            "No winner changes.",
            hypotheses=(
                Hypothesis("Fall and rise are less than the margin.", sp.Lt(winner_drop + loser_rise, margin)),
            ),
        ),
        Statement(
            "drift",
            sp.Le(drive_drift, step_size * backprop * input_product),
            Kind.EXACT,
            "A step on one item $i$ moves no unit's drive by item $j$ further than this, and moves only winners of item $i$.",
        ),
        Statement(
            "forgetting",
            sp.Eq(loss_change, _zero, evaluate=False),
            Kind.EXACT,
            "A step on item $i$ leaves the loss of item $j$ exactly as it was.",
            hypotheses=(
                Hypothesis("The two items have no winner in common.", sp.Eq(overlap, 0)),
                Hypothesis(
                    "The margin of item $j$ is more than the step can move the drive.",
                    sp.Lt(step_size * backprop * input_product, margin),
                ),
            ),
        ),
        Statement(
            "positive",
            sp.Eq(n_changed, _zero, evaluate=False),
            Kind.EXACT,
            "If a winner must be driven above zero besides, and fewer than $k$ units are, the losers are kept out by zero and the margin is "
            "$\\gamma_j = -\\max_{h \\notin S_j} u_h$. No winner changes.",
            hypotheses=(
                Hypothesis("No loser rises by as much as that margin.", sp.Lt(loser_rise, margin)),
                Hypothesis("No winner falls to zero.", sp.Lt(winner_drop, least_winner)),
            ),
        ),
    ),
    derivation=Derivation(
        proof=(
            "The old winners are still the winners, up to ties, exactly if after the step each of them is driven more than each of the "
            "others: if their new margin is positive. Every winner is still driven by at least $\\min u - \\Delta_j^-$, every loser by at most $\\max u + "
            "\\Delta_j^+$, and the difference of the two is the first statement [gap]. If it is positive, no winner changes.\n\n"
            "*The drift.* A step of gradient descent on item $i$ changes row $h$ of $V$ by $-\\eta_{\\mathrm{step}} \\hat{e}_{ih} x_i^\\top$, where $\\hat{e}_i = m_i \\odot "
            "W^\\top e_i$ is its error at the hidden units, zero but at its winners. So the drive of unit $h$ by item $j$ changes by $-\\eta_{\\mathrm{step}} "
            "\\hat{e}_{ih} \\langle x_i, x_j\\rangle$ [inner], which is at most the stated number in size.\n\n"
            "*Zero forgetting.* With disjoint winners the drive of $j$'s winners does not move, $\\Delta_j^- = 0$, and its losers rise by less than the "
            "margin. So its winners stay, their drive is the same, and the columns of $W$ that they read are not touched: neither code nor output nor "
            "loss changes. Disjoint winners alone leave one way open: a unit that $i$ teaches may rise, by item $j$, above one of $j$'s winners.\n\n"
            "*Positive winners.* If fewer than $k$ units are driven above zero, those are the winners. A loser that stays below zero does not win, however far "
            "the winners are above it, and a winner that stays above zero remains one: two conditions instead of a sum of two [above-zero]."
        ),
        steps=(
            inequality(
                "gap",
                "Least winner $a$, largest loser $b$. After the step the least winner is at $a - \\Delta_j^- + s$ or above, the largest loser at $b + \\Delta_j^+ - t$ or below.",
                (_a - winner_drop + _s) - (_b + loser_rise - _t),
                (_a - _b) - winner_drop - loser_rise,
                _s + _t,
            ),
            instance(
                "inner",
                "For inputs with two and three entries.",
                sp.Eq(
                    sp.Sum(-step_size * backprop * _x[_i] * _d_[_i], (_i, 1, _size)),
                    -step_size * backprop * sp.Sum(_x[_i] * _d_[_i], (_i, 1, _size)),
                    evaluate=False,
                ),
                {_size: 2},
                {_size: 3},
            ),
            inequality(
                "above-zero",
                "A winner driven by $\\Delta_j^- + s$ with $s > 0$ is at least at $s$ after the step.",
                (winner_drop + _s) - winner_drop,
                _zero,
                _s,
            ),
        ),
    ),
    references=(),
    counterexamples=(
        "With disjoint winners and no margin, a unit that the step teaches can push out a winner of the other item: the loss then jumps, by much or "
        "little.",
        "An output bias, momentum, weight decay or a normalisation layer changes what all items use: disjoint winners do not help against it.",
        "If winners must be positive and fewer than $k$ are, the gap to the next unit is no margin: with $k = 2$ and drives $(1, -0.01, -0.5)$ the gap "
        "between second and third is 0.49, and a rise of 0.02 makes the second unit win.",
        "Two units that are driven alike have margin 0. Whatever decides the tie decides what is forgotten.",
    ),
)

_upper = step_size**2 * output_error**2 * code_product**2 / 4
_two = sp.log(sp.cosh(step_size * code_product * output_error / sp.sqrt(2)))
_total = sp.log(sum(sp.exp(o) for o in _o))

softmax_step = Claim(
    id="softmax-step",
    title="One step of a softmax readout, between its first order and a square",
    part="separation",
    hypotheses=(
        _network,
        Hypothesis(
            "Only the readout $W$ learns: one step of gradient descent on item $i$ alone. So no winner changes. $e = \\mathrm{softmax}(y) - "
            "\\text{one-hot}$ is an item's error at the outputs, before the step."
        ),
    ),
    statements=(
        Statement(
            "upper",
            sp.Le(readout_remainder, _upper),
            Kind.EXACT,
            "To first order the loss of item $j$ changes by the inner product of the errors times that of the codes. Beyond that it rises by no more "
            "than a square of the latter.",
        ),
        Statement(
            "lower",
            sp.Ge(readout_remainder, _zero, evaluate=False),
            Kind.EXACT,
            "And it never falls: the first order is a lower bound.",
        ),
        Statement(
            "two-classes",
            sp.Eq(readout_remainder, _two),
            Kind.EXACT,
            "The constant cannot be improved: for small steps the remainder comes as near to the upper bound as you like.",
            hypotheses=(
                Hypothesis(
                    "There are two classes, and the network gives item $j$ the probability $\\tfrac12$ for either before the step."
                ),
            ),
        ),
    ),
    derivation=Derivation(
        proof=(
            "The step changes the outputs at item $j$ by $-\\eta_{\\mathrm{step}} \\langle z_i, z_j\\rangle e_i$: a straight line in the outputs. Along the outputs the loss has the gradient "
            "$e_j$ [gradient], which gives the first order. Its second derivatives form the matrix $\\operatorname{diag} p - pp^\\top$ of the probabilities $p$ "
            "[second] [mixed], and $x^\\top(\\operatorname{diag} p - pp^\\top)x$ is the variance of the entries of $x$ under $p$, a sum of squares [variance]: the loss is convex, which is the lower bound. Numbers between $m$ "
            "and $M$ with mean $\\mu$ have at most the variance $(M - \\mu)(\\mu - m)$, since $(M - x)(x - m) \\geq 0$ [popoviciu], which is at most $(M - m)^2/4$ "
            "[quarter], and so at most $(M^2 + m^2)/2 \\leq \\|x\\|^2/2$ [half]. With $f'' \\leq \\tfrac12 \\eta_{\\mathrm{step}}^2 \\langle z_i, z_j\\rangle^2 \\|e_i\\|^2$ Taylor's formula gives the upper "
            "bound [taylor].\n\n"
            "*The error's length.* $\\|e\\|^2 \\leq 2$: if the label has probability $1 - q$, the others' squares sum to at most $q^2$ [others].\n\n"
            "*Two classes.* The two entries of $e_i$ are $t$ and $-t$ with $\\|e_i\\|^2 = 2t^2$. Take outputs 0 at item $j$, label 1, and write $c$ for $\\eta_{\\mathrm{step}} \\langle z_i, z_j\\rangle$: the loss "
            "is $\\ln(e^{-ct} + e^{ct}) + ct$ after the step and $\\ln 2$ before, and first order is $-ct\\cdot(-1)$, which cancels [cosh]. For a small step that is $\\tfrac12 (ct)^2$ [sharp], the upper bound."
        ),
        steps=(
            identity(
                "gradient",
                "For three classes, label 1: less the probability of the others, which is softmax less one.",
                sp.diff(_total - _o[0], _o[0]),
                -(sp.exp(_o[1]) + sp.exp(_o[2])) / sum(sp.exp(o) for o in _o),
            ),
            identity(
                "second",
                "A diagonal entry.",
                sp.diff(_total, _o[0], 2),
                sp.diff(_total, _o[0]) - sp.diff(_total, _o[0]) ** 2,
            ),
            identity(
                "mixed",
                "And one beside the diagonal.",
                sp.diff(_total, _o[0], _o[1]),
                -sp.exp(_o[0] + _o[1]) / sum(sp.exp(o) for o in _o) ** 2,
            ),
            inequality(
                "variance",
                "For three probabilities, given as weights over their sum.",
                sum(w * x**2 for w, x in zip(_w, _o, strict=True)) / sum(_w),
                (sum(w * x for w, x in zip(_w, _o, strict=True)) / sum(_w)) ** 2,
                sum(_w[a] * _w[b] * (_o[a] - _o[b]) ** 2 for a, b in ((0, 1), (0, 2), (1, 2))) / sum(_w) ** 2,
            ),
            identity(
                "popoviciu",
                "The mean of $(M - x)(x - m)$, where $x$ has the mean $\\mu$ and the variance $u$: the bound less the variance.",
                (_high + _low) * _mean - _high * _low - (_u + _mean**2),
                (_high - _mean) * (_mean - _low) - _u,
            ),
            inequality(
                "quarter",
                "A product of two numbers of given sum.",
                (_high - _low) ** 2 / 4,
                (_high - _mean) * (_mean - _low),
                (_high + _low - 2 * _mean) ** 2 / 4,
            ),
            inequality(
                "half",
                "The squared range.",
                (_high**2 + _low**2) / 2,
                (_high - _low) ** 2 / 4,
                (_high + _low) ** 2 / 4,
            ),
            identity(
                "taylor",
                "The integral of the bound.",
                step_size**2 * code_product**2 * output_error**2 / 2 * sp.Integral(1 - _s, (_s, 0, 1)),
                _upper,
            ),
            inequality(
                "others",
                "Two other classes, of probabilities $s$ and $t$.",
                (_s + _t) ** 2,
                _s**2 + _t**2,
                2 * _s * _t,
            ),
            identity(
                "cosh",
                "Loss after less loss before, first order taken off.",
                sp.exp(sp.log((sp.exp(-_c * _t) + sp.exp(_c * _t)) / 2) + _c * _t - _c * _t),
                sp.cosh(_c * _t),
            ),
            series("sharp", "For a small step.", sp.log(sp.cosh(_s)), _s, _zero, 4, _s**2 / 2),
        ),
    ),
    references=(),
    counterexamples=(
        "If hidden weights learn too, codes change with them, and the first order has a second term: the inner product of the inputs times that of the "
        "errors at common winners.",
        "An output bias that learns adds 1 to the inner product of the codes, for all items alike.",
    ),
)

winner_flip = Claim(
    id="winner-flip",
    title="Where winners change, the loss jumps",
    part="separation",
    hypotheses=(
        _network,
        Hypothesis(
            "Along a step, a unit $h$ of item $j$'s winners changes places with a unit $h'$ of the others, where both are driven alike, by $u_{(k)}$."
        ),
    ),
    statements=(
        Statement(
            "jump",
            sp.Le(loss_jump, sp.sqrt(2) * tied_drive * readout_gap),
            Kind.EXACT,
            "The loss jumps there, by no more than the drive at which they change places times what the readout makes of one unit and not of the other.",
        ),
    ),
    derivation=Derivation(
        proof=(
            "On both sides of the change the code is the same but for one unit, which has the value $u_{(k)}$: here it is unit $h$, there $h'$. So the outputs jump by "
            "$u_{(k)}(W_{h'} - W_h)$ [jump]. The loss has in the outputs a gradient of length at most $\\sqrt2$, because $\\|e\\|^2 \\leq q^2 + q^2$ with the probability $1-q$ of the label [length]. "
            "The loss therefore jumps by at most $\\sqrt2$ times that."
        ),
        steps=(
            identity(
                "jump",
                "Outputs with the one less outputs with the other, $c$ being what all other winners give.",
                (_c + _u * _a) - (_c + _u * _b),
                _u * (_a - _b),
            ),
            inequality(
                "length",
                "With $q = 1/(1 + s)$.",
                sp.Integer(2),
                2 / (1 + _s) ** 2,
                2 * _s * (_s + 2) / (1 + _s) ** 2,
            ),
        ),
    ),
    references=(),
    counterexamples=(
        "Where a unit wins because its drive rises above zero, as a rectified unit does, $u = 0$ at the change: there is a kink and no jump.",
        "Two units that the readout treats alike can change places unnoticed.",
    ),
)

_activity_threshold = sp.sqrt(2) * sp.erfcinv(2 * code_size / dim)
_asymptotic_margin = drive_sd * sp.sqrt(2 * sp.pi) * sp.exp(_activity_threshold**2 / 2) / dim
_tail = sp.erfc(_t / sp.sqrt(2)) / 2  # P(standard normal > t)
_density = sp.exp(-(_t**2) / 2) / sp.sqrt(2 * sp.pi)

margin_law = Claim(
    id="margin-law",
    title="Margins are exponential, of a mean that falls with the width",
    part="separation",
    hypotheses=(
        Hypothesis(
            "The drives of the $d$ units are independent and of one law, with standard deviation $\\tau_u$; $k$ of them win."
        ),
        Hypothesis("Some units lose.", sp.Lt(code_size, dim)),
    ),
    statements=(
        Statement(
            "mean",
            sp.Eq(mean_margin, _asymptotic_margin),
            Kind.ASYMPTOTIC,
            "In wide layers the expected margin is $\\bar\\gamma = \\tau_u/(d\\,\\varphi(\\theta_a))$, with the standard normal density $\\varphi$ at the threshold $\\theta_a$ "
            "that a share $a = k/d$ exceeds.",
            hypotheses=(Hypothesis("The drives are Gaussian. The activity $k/d$ is fixed as the layer gets wider."),),
            size=dim,
            rate=1.0,
        ),
        Statement(
            "tail",
            sp.Eq(margin_tail, sp.exp(-margin_ratio)),
            Kind.ASYMPTOTIC,
            "Their distribution becomes exponential: small margins are the most frequent.",
            hypotheses=(Hypothesis("The drives are Gaussian. The activity $k/d$ is fixed as the layer gets wider."),),
            size=dim,
            rate=1.0,
        ),
        Statement(
            "exponential",
            sp.Eq(mean_margin, drive_sd / code_size),
            Kind.EXPECTATION,
            "If the tail is exponential instead, the margin is so at every size, and does not depend on the width.",
            hypotheses=(Hypothesis("The drives follow an exponential law."),),
        ),
    ),
    derivation=Derivation(
        proof=(
            "Given the largest loser, at $u$, the $k$ winners are independent draws above $u$. The margin exceeds $g$ if all of them exceed $u + g$, which has the "
            "probability $[\\bar\\Phi(u+g)/\\bar\\Phi(u)]^k$.\n\n"
            "For an exponential law that ratio is $e^{-g/\\tau_u}$ whatever $u$ is [memoryless], so that the margin is exponential with the mean $\\tau_u/k$ [mean-of-tail]. This is Rényi's "
            "representation of ordered exponentials.\n\n"
            "For a Gaussian law with $\\tau_u = 1$ the logarithm of the tail falls at the rate $\\varphi(u)/\\bar\\Phi(u)$, the hazard. As the layer gets wider at fixed activity, the largest loser tends to "
            "the threshold $\\theta_a$, so that with $g = \\xi_\\gamma/(d\\varphi(\\theta_a))$ and $k = d\\,\\bar\\Phi(\\theta_a)$ the ratio is $1 - \\xi_\\gamma/k$ up to higher orders, and its power tends to $e^{-\\xi_\\gamma}$ [power]. "
            "The hazard increases, so the ratio is at most $e^{-g \\varphi(u)/\\bar\\Phi(u)}$, which is integrable in $g$: means converge as well. Sparser codes have the larger margin, since $1/\\varphi$ grows with the threshold [grows]: as $\\varphi(\\theta) \\sim "
            "\\theta\\,\\bar\\Phi(\\theta)$ far out [mills], it is about $\\tau_u/(k\\theta_a)$. Of $n$ independent margins the least exceeds $g$ with the $n$-th power of the probability, and is $n$ times smaller [least]."
        ),
        steps=(
            identity(
                "memoryless",
                "The ratio for an exponential law.",
                sp.exp(-(_u + _g) / drive_sd) / sp.exp(-_u / drive_sd),
                sp.exp(-_g / drive_sd),
            ),
            limit(
                "mean-of-tail",
                "The mean is the integral of the tail: up to $g$ it is this.",
                (1 - sp.exp(-_g * code_size / drive_sd)) * drive_sd / code_size,
                _g,
                sp.oo,
                drive_sd / code_size,
            ),
            limit(
                "power",
                "The power of the ratio.",
                (1 - margin_ratio / _h) ** _h,
                _h,
                sp.oo,
                sp.exp(-margin_ratio),
            ),
            identity(
                "grows",
                "The ratio of the density at two thresholds exceeds 1.",
                _density / _density.subs(_t, _t + _s),
                sp.exp(_s * _t + _s**2 / 2),
            ),
            limit("mills", "Density over threshold times tail.", _density / (_t * _tail), _t, sp.oo, sp.Integer(1)),
            limit(
                "least",
                "The mean of the least of $n$ exponential margins of mean 1, up to $g$.",
                (1 - sp.exp(-_g) ** n_items) / n_items,
                _g,
                sp.oo,
                1 / n_items,
            ),
        ),
    ),
    references=("renyi1953",),
    counterexamples=(
        "The drives of a trained network are neither independent nor Gaussian: units that learn the same thing are driven alike.",
        "Discrete inputs and equal weights tie: margins are then 0 with positive probability, at any width.",
        "If all units win there is no loser, and no margin: the winners never change.",
    ),
)

disjoint_is_enough = Claim(
    id="disjoint-zero-forgetting",
    title="False: disjoint supports mean zero forgetting",
    part="separation",
    hypotheses=(
        _network,
        Hypothesis("The items $i$ and $j$ have no winner in common.", sp.Eq(overlap, 0)),
    ),
    statements=(
        Statement(
            "hidden",
            sp.Eq(loss_change, _zero, evaluate=False),
            Kind.EXACT,
            "A step on item $i$ changes weights of its own winners only, so item $j$ does not notice.",
            hypotheses=(Hypothesis("The hidden weights learn."),),
        ),
        Statement(
            "bias",
            sp.Eq(loss_change, _zero, evaluate=False),
            Kind.EXACT,
            "Nor does it if only the readout learns, with its bias.",
            hypotheses=(Hypothesis("The outputs have a bias, and it learns."),),
        ),
    ),
    derivation=None,
    references=(),
    counterexamples=(
        "Who wins is a competition. The step moves the drive of its own winners by *every* item, and one that lost for item $j$ may win now.",
        "A bias is used by all items. It is no part of a sparse code.",
    ),
    expected=Verdict.REFUTED,
)

smooth_winners = Claim(
    id="smooth-winners",
    title="False: the loss of a network of winners is smooth, so a small step does little",
    part="separation",
    hypotheses=(_network,),
    statements=(
        Statement(
            "bound",
            sp.Le(loss_remainder, _second),
            Kind.EXACT,
            "The change of the loss is that along the gradient up to the square of the step, whether or not winners change on the way.",
        ),
        Statement(
            "continuous",
            sp.Eq(loss_jump, _zero, evaluate=False),
            Kind.EXACT,
            "At least it is continuous: two networks that differ by little enough have the same loss.",
        ),
    ),
    derivation=None,
    references=(),
    counterexamples=(
        "Between two winners that change places lies a jump. A smaller step meets fewer of them, and those it meets are no smaller.",
    ),
    expected=Verdict.REFUTED,
)
