"""Which parameters to protect: what the diagonal of a curvature misses, and what the activity of a unit does not say."""

import sympy as sp

from theory.claim import Claim, Hypothesis, Statement
from theory.derivation import Derivation, identity, inequality, instance, limit
from theory.evidence import Kind, Verdict
from theory.notation import (
    agreement_gap,
    axis_share,
    best_loss,
    best_strength,
    flat_curvature,
    full_loss,
    held_agreement,
    n_parameters,
    new_curvature,
    new_target,
    old_curvature,
    overcharge,
    penalty_strength,
    silenced_agreement,
    total_loss,
    undercharge,
)

_w, _w_2 = sp.symbols("w_1 w_2", real=True)
_weight, _scale = sp.symbols("d_1 s", positive=True)
_a, _i, _j = sp.IndexedBase("a", real=True), sp.Symbol("i", integer=True), sp.Symbol("j", integer=True)

_charged = old_curvature * axis_share  # curvature along the coordinate: what the diagonal sees
_total = _charged * _w**2 / 2 + new_curvature * (_w - new_target) ** 2 / 2
_best = new_target**2 * new_curvature * _charged / (2 * (new_curvature + _charged))
_reached = new_curvature * new_target / (new_curvature + _weight)
_at_strength = (
    new_target**2
    * new_curvature
    * _charged
    * (new_curvature + penalty_strength**2 * _charged)
    / (2 * (new_curvature + penalty_strength * _charged) ** 2)
)
_u_1, _u_2 = sp.sqrt(axis_share), sp.sqrt(1 - axis_share)
_tilted = sp.Lt(axis_share, 1)
_fisher_diagonal = Hypothesis("The penalty is the diagonal of the Fisher information, times the strength $\\lambda_F$.")

diagonal_fisher = Claim(
    id="diagonal-fisher",
    title="A diagonal Fisher pays for a coupling that the full one sees",
    part="capacity",
    hypotheses=(
        Hypothesis(
            "The old loss is $\\tfrac{h_A}{2}(u^\\top w)^2$ with a unit vector $u = (u_1, u_2)$, $u_1 \\neq 0$; the new one is "
            "$\\tfrac{h_B}{2}(w_1 - c)^2$. Learning starts at the old optimum $w = 0$ and minimises the new loss plus a "
            "quadratic penalty."
        ),
    ),
    statements=(
        Statement(
            "diagonal",
            sp.Ge(total_loss, _best),
            Kind.EXACT,
            "No diagonal penalty, whatever its two weights, ends with less loss on the two tasks together.",
            hypotheses=(
                Hypothesis("Both weights of the penalty are positive, or learning descends from the old optimum."),
            ),
        ),
        Statement(
            "strength",
            sp.Eq(total_loss, _at_strength),
            Kind.EXACT,
            "The loss at each strength. It is a known function, which neither end of the range minimises.",
            hypotheses=(_fisher_diagonal,),
        ),
        Statement(
            "best-strength",
            sp.Eq(best_strength, sp.Integer(1), evaluate=False),
            Kind.EXACT,
            "The best strength is neither none nor infinite: the loss falls up to 1 and rises from there.",
            hypotheses=(_fisher_diagonal,),
        ),
        Statement(
            "attained",
            sp.Eq(best_loss, _best),
            Kind.EXACT,
            "At that strength the first bound is attained.",
            hypotheses=(_fisher_diagonal,),
        ),
        Statement(
            "ends",
            sp.Le(best_loss, sp.Min(new_target**2 * new_curvature, new_target**2 * _charged) / 2),
            Kind.EXACT,
            "It is less than the loss without penalty, $c^2 h_A u_1^2/2$, and less than that of freezing the old weights, "
            "$c^2 h_B/2$.",
            hypotheses=(_fisher_diagonal,),
        ),
        Statement(
            "full",
            sp.Eq(full_loss, sp.Integer(0), evaluate=False),
            Kind.EXACT,
            "With the full Fisher information as penalty nothing is lost, at any positive strength.",
            hypotheses=(Hypothesis("The stiff direction is tilted, $u_1^2 < 1$.", _tilted),),
        ),
    ),
    derivation=Derivation(
        proof=(
            "Take a diagonal penalty $\\tfrac12(d_1 w_1^2 + d_2 w_2^2)$. The new loss does not depend on $w_2$, so $w_2$ stays "
            "at 0: a positive $d_2$ wants it there, and with $d_2 = 0$ nothing moves it. The gradient in $w_1$ vanishes at "
            "$w_1 = h_B c/(h_B + d_1)$ [stationary]. With $w_2 = 0$ the loss on both tasks is a parabola in $w_1$, and no $w_1$ "
            "gets below its vertex [vertex]: that is the bound. The diagonal of the Fisher information has "
            "$d_1 = \\lambda_F h_A u_1^2$, which gives the loss at each strength [at-strength]. Its derivative has the sign of "
            "$\\lambda_F - 1$ [slope], so the loss is least at $\\lambda_F = 1$, where it is the bound [at-one]. It comes from the "
            "loss without penalty [none] and tends to that of frozen weights [frozen], which both exceed it, by "
            "[above-none] and [above-frozen]. The bound is proportional to the scale of the two losses "
            "[scale], so that it grows with $h_A = h_B$ says nothing: relative to $c^2 h_B/2$, which is all that the new task has "
            "to gain, the loss depends on $h_A u_1^2/h_B$ alone [relative]. The full penalty is $\\tfrac{\\lambda_F}{2} h_A (u^\\top "
            "w)^2$. At $w = (c, -c\\,u_1/u_2)$ it is 0 [valley], and so are both losses, which are squares. For every positive "
            "strength that point is therefore a minimum, and the only one, as the determinant of the second derivatives is "
            "positive [unique]."
        ),
        steps=(
            identity(
                "stationary",
                "The gradient of new loss and penalty vanishes there.",
                sp.diff(new_curvature * (_w - new_target) ** 2 / 2 + _weight * _w**2 / 2, _w).subs(_w, _reached),
                sp.Integer(0),
            ),
            inequality(
                "vertex",
                "With $w_2 = 0$, for any $w_1$.",
                _total,
                _best,
                (new_curvature + _charged) * (_w - new_curvature * new_target / (new_curvature + _charged)) ** 2 / 2,
            ),
            identity(
                "at-strength",
                "The loss at the minimum of a penalty of weight $\\lambda_F h_A u_1^2$.",
                _total.subs(_w, _reached).subs(_weight, penalty_strength * _charged),
                _at_strength,
            ),
            identity(
                "slope",
                "Its derivative in the strength.",
                sp.diff(_at_strength, penalty_strength),
                (penalty_strength - 1)
                * new_target**2
                * new_curvature**2
                * _charged**2
                / (new_curvature + penalty_strength * _charged) ** 3,
            ),
            identity("at-one", "At strength 1.", _at_strength.subs(penalty_strength, 1), _best),
            limit(
                "none",
                "Without penalty the new task takes all.",
                _at_strength,
                penalty_strength,
                sp.Integer(0),
                new_target**2 * _charged / 2,
            ),
            limit(
                "frozen",
                "At infinite strength it gets nothing.",
                _at_strength,
                penalty_strength,
                sp.oo,
                new_target**2 * new_curvature / 2,
            ),
            inequality(
                "above-none",
                "Without penalty more is lost.",
                new_target**2 * _charged / 2,
                _best,
                new_target**2 * _charged**2 / (2 * (new_curvature + _charged)),
            ),
            inequality(
                "above-frozen",
                "With frozen weights more is lost.",
                new_target**2 * new_curvature / 2,
                _best,
                new_target**2 * new_curvature**2 / (2 * (new_curvature + _charged)),
            ),
            identity(
                "scale",
                "Both curvatures times $s$ are the loss times $s$.",
                _best.subs(
                    {old_curvature: _scale * old_curvature, new_curvature: _scale * new_curvature}, simultaneous=True
                ),
                _scale * _best,
            ),
            identity(
                "relative",
                "Relative to what the new task has to gain.",
                _best / (new_target**2 * new_curvature / 2),
                1 / (1 + new_curvature / _charged),
            ),
            identity(
                "valley",
                "At $w_1 = c$ the old loss is a square that vanishes there.",
                old_curvature * (_u_1 * new_target + _u_2 * _w_2) ** 2 / 2,
                old_curvature * (1 - axis_share) * (_w_2 + new_target * _u_1 / _u_2) ** 2 / 2,
                domain=_tilted,
            ),
            identity(
                "unique",
                "The determinant of the second derivatives of new loss and full penalty.",
                (new_curvature + penalty_strength * _charged) * penalty_strength * old_curvature * (1 - axis_share)
                - (penalty_strength * old_curvature * _u_1 * _u_2) ** 2,
                penalty_strength * old_curvature * new_curvature * (1 - axis_share),
                domain=_tilted,
            ),
        ),
    ),
    references=("kirkpatrick2017",),
    counterexamples=(
        "If the stiff direction lies along the coordinate, $u_1^2 = 1$, the two tasks want different things of one weight. "
        "The diagonal is then exact, and the full Fisher loses as much: what is lost is conflict, not a missed coupling.",
        "Fisher information taken from the *residuals* at an optimum that fits is zero: they vanish. Take it from outputs "
        "drawn from the model, or no penalty remains.",
        "Explicit gradient steps diverge once step size times strength times the largest importance exceeds 2. The proximal "
        "step has no such limit.",
    ),
)

_stiff = old_curvature / n_parameters
_u, _pull, _squares = (
    sp.MatrixSymbol(name, n_parameters, size) for name, size in (("u", 1), ("q", 1), ("D", n_parameters))
)


def _one_stiff(parameters: int) -> dict[sp.Basic, sp.Basic]:
    """A stiff direction, the one in which all parameters pull alike, and the diagonal of the projector onto the first."""
    direction = sp.ImmutableMatrix(sp.symbols(f"u_1:{parameters + 1}", nonzero=True))
    squares = sp.diag(*direction.applyfunc(lambda part: part**2)).as_immutable()
    return {
        _u: direction,
        _pull: direction.applyfunc(lambda part: 1 / part),
        _squares: squares,
        n_parameters: parameters,
    }


diagonal_protection = Claim(
    id="diagonal-protection",
    title="A diagonal undercharges stiff directions and overcharges flat ones",
    part="capacity",
    hypotheses=(
        Hypothesis(
            "$\\mathcal{H}$ is symmetric and positive semidefinite, in $P$ parameters, with a positive diagonal."
        ),
    ),
    statements=(
        Statement(
            "stiff",
            sp.Le(undercharge, n_parameters),
            Kind.EXACT,
            "In no direction is the curvature more than $P$ times what its diagonal charges: $\\mathcal{H} \\preceq P "
            "\\operatorname{diag}(\\mathcal{H})$.",
        ),
        Statement(
            "tight",
            sp.Eq(undercharge, n_parameters),
            Kind.EXACT,
            "The factor $P$ is attained.",
            hypotheses=(
                Hypothesis(
                    "Only one direction is stiff and every parameter has a part in it, $\\mathcal{H} = h_A uu^\\top$ with no $u_i = 0$."
                ),
            ),
        ),
        Statement(
            "flat",
            sp.Eq(overcharge, 1 + _stiff / flat_curvature),
            Kind.EXACT,
            "In the other direction there is no bound: the flatter the rest, the larger the factor by which the diagonal "
            "overcharges it.",
            hypotheses=(
                Hypothesis(
                    "All parameters share the one stiff direction alike, and all others are flat: $\\mathcal{H} = h_A uu^\\top + "
                    "h_0 I$ with $u = \\mathbf{1}/\\sqrt P$, in at least two parameters.",
                    sp.Gt(n_parameters, 1),
                ),
            ),
        ),
    ),
    derivation=Derivation(
        proof=(
            "Write $\\mathcal{H} = B^\\top B$ with columns $b_i$, so that $\\|b_i\\|^2$ is diagonal entry $i$. Then $x^\\top "
            "\\mathcal{H} x$ is the squared length of the sum of the $P$ vectors $x_i b_i$, and what the diagonal charges is the sum "
            "of their squared lengths. In each coordinate the square of a sum of $P$ numbers $a_i$ is at most $P$ times the sum of "
            "their squares [cauchy-schwarz]; add up the coordinates. For $\\mathcal{H} = h_A uu^\\top$ diagonal entry $i$ is "
            "$h_A u_i^2$. Take the direction $q$ in which all parameters pull alike, $q_i = 1/u_i$: there the curvature is $P$ times "
            "what the diagonal charges [one-stiff]. With equal parts, $u = \\mathbf{1}/\\sqrt P$, and flat curvature beside them, "
            "every diagonal entry is $h_A/P + h_0$. The diagonal charges the same in all directions, so its worst is the "
            "flattest, a direction orthogonal to $u$, where the curvature is $h_0$ [ratio]. As the flat curvature vanishes, the factor exceeds every bound [unbounded]."
        ),
        steps=(
            instance(
                "cauchy-schwarz",
                "The square of a sum; the gap is a sum of squares.",
                sp.Ge(
                    n_parameters * sp.Sum(_a[_i] ** 2, (_i, 1, n_parameters)),
                    sp.Sum(_a[_i], (_i, 1, n_parameters)) ** 2,
                    evaluate=False,
                ),
                {n_parameters: 3},
                {n_parameters: 4},
                certificate=sp.Sum((_a[_i] - _a[_j]) ** 2 / 2, (_j, 1, n_parameters), (_i, 1, n_parameters)),
            ),
            instance(
                "one-stiff",
                "Curvature along $q_i = 1/u_i$, and $P$ times the charge; $D$ holds the diagonal of $uu^\\top$.",
                sp.Eq(
                    old_curvature * sp.Trace(_pull.T * _u * _u.T * _pull),
                    n_parameters * old_curvature * sp.Trace(_pull.T * _squares * _pull),
                    evaluate=False,
                ),
                _one_stiff(2),
                _one_stiff(3),
            ),
            identity(
                "ratio",
                "Charge over curvature orthogonal to $u$.",
                (_stiff + flat_curvature) / flat_curvature,
                1 + _stiff / flat_curvature,
            ),
            limit(
                "unbounded",
                "Its inverse tends to 0 with the flat curvature.",
                1 / (1 + _stiff / flat_curvature),
                flat_curvature,
                sp.Integer(0),
                sp.Integer(0),
            ),
        ),
    ),
    references=("kirkpatrick2017",),
    counterexamples=(
        "In coordinates that diagonalise the curvature both factors are 1: what the diagonal misses depends on the "
        "parametrisation, and the loss does not.",
        "A parameter whose diagonal entry is 0 has no curvature with any other either; leave it out, as the ratio is then 0/0.",
    ),
)

activity_and_damage = Claim(
    id="activity-and-damage",
    title="How active a hidden unit is says little about what it does",
    part="capacity",
    hypotheses=(
        Hypothesis(
            "Networks of one hidden layer of 32 rectified units, trained on digits, each from its own start and on its own "
            "split; units that are never active are left out. The effects were fixed on sixteen networks of other seeds."
        ),
    ),
    statements=(
        Statement(
            "held",
            sp.Le(held_agreement, sp.Rational(3, 10)),
            Kind.EMPIRICAL,
            "Ranked by activity and by the rise of the loss when a unit is held at its mean, units agree to a rank "
            "correlation of at most 0.3.",
            resolution=1.0,
        ),
        Statement(
            "silenced",
            sp.Le(silenced_agreement, sp.Rational(1, 2)),
            Kind.EMPIRICAL,
            "When the unit is silenced, at most 0.5.",
            resolution=0.6,
        ),
        Statement(
            "gap",
            sp.Ge(agreement_gap, sp.Rational(1, 10)),
            Kind.EMPIRICAL,
            "Silencing flatters activity: it agrees better, by at least 0.1.",
            resolution=3.0,
        ),
    ),
    derivation=None,
    references=(),
    counterexamples=(
        "A unit of large and constant activity is a bias. Holding it at its mean changes nothing at all, however active it is; "
        "silencing it shifts the outputs by a constant that a bias could give back.",
        "Units that are never active have no activity and do no damage. Counted in, their ties at the bottom of both "
        "rankings pass for agreement.",
        "A small sample of items ranks units by damage badly, and then nothing agrees with it. Compare the two halves of the "
        "items first.",
    ),
)

activity_is_importance = Claim(
    id="activity-is-importance",
    title="False: the most active units are the ones that matter",
    part="capacity",
    hypotheses=activity_and_damage.hypotheses,
    statements=(
        Statement(
            "silenced",
            sp.Ge(silenced_agreement, sp.Rational(7, 10)),
            Kind.EMPIRICAL,
            "Ranked by activity and by the damage of silencing a unit, units agree to a rank correlation of at least 0.7.",
            resolution=1.0,
        ),
        Statement(
            "held",
            sp.Ge(held_agreement, sp.Rational(7, 10)),
            Kind.EMPIRICAL,
            "And so they do if the unit is held at its mean.",
            resolution=1.0,
        ),
    ),
    derivation=None,
    references=(),
    counterexamples=(
        "The most active unit may be a bias in disguise: active for every digit, and so of use to tell none.",
    ),
    expected=Verdict.REFUTED,
)
