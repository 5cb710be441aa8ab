"""Measurements held against a claim, with the statistics that fit the kind of claim.

:func:`weigh` is the whole of it: measured values, the bound the claim predicts for them, the kind of statement; out
comes an :class:`Evidence` with a :class:`Verdict`. Nothing here knows where a bound comes from.
"""

import html
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

MIME = "application/vnd.cls-toys.evidence+json"
CONFIDENCE = 0.99  # family-wise, over all cells of one check


class Kind(StrEnum):
    """What sort of statement is made, which decides the statistics that can refute it."""

    EXACT = "exact"  # every trial obeys, within rounding
    EXPECTATION = "expectation"  # the mean obeys
    LAW = "law"  # the whole distribution is the stated one
    HIGH_PROBABILITY = "high-probability"  # violations are at most as frequent as stated
    ASYMPTOTIC = "asymptotic"  # the relative error vanishes at the stated rate
    EMPIRICAL = "empirical"  # a pre-stated effect, with no proof claimed


class Verdict(StrEnum):
    """What the measurements say of the statement."""

    SUPPORTED = "supported"
    REFUTED = "refuted"
    INCONCLUSIVE = "inconclusive"
    NOT_APPLICABLE = "not applicable"


class Tolerance(NamedTuple):
    """A relative tolerance and the sentence that justifies it."""

    value: float
    reason: str


def rounding(dtype: Any, operations: int = 4096, condition: float = 1.0) -> Tolerance:
    r"""The relative rounding error a backward-stable computation may show: ``eps * operations * condition``.

    ``operations`` counts the roundings that can accumulate in one value, ``condition`` is the condition number of the
    problem (for writes: of the key matrix). Source: Higham, *Accuracy and Stability of Numerical Algorithms*, ch. 3.

    >>> rounding(np.float64, operations=1000).reason
    'float64 eps 2.2e-16 x 1000 roundings x condition 1'
    """
    eps = float(np.finfo(dtype).eps)
    reason = f"{np.dtype(dtype).name} eps {eps:.1e} x {operations} roundings x condition {condition:.3g}"
    return Tolerance(eps * operations * max(1.0, condition), reason)


class Slack(NamedTuple):
    """Measured over predicted: 1 is equality. For a law: distance over the distance allowed."""

    min: float | None
    median: float | None
    max: float | None


NO_SLACK = Slack(None, None, None)


@dataclass(frozen=True)
class Evidence:
    """What one check measured and what follows from it; shows itself as a folded table and as JSON of its own MIME type."""

    claim: str
    statement: str
    kind: Kind
    relation: str
    verdict: Verdict
    reason: str
    label: str = ""
    trials: int = 0
    violations: int = 0
    slack: Slack = NO_SLACK
    interval: tuple[float, float] | None = None
    level: float | None = None
    tolerance: Tolerance | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    seed: int | None = None
    worst: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, with named fields for slack and tolerance; an infinity, which JSON lacks, as ``"inf"``."""
        out = asdict(self)
        out["kind"], out["verdict"] = str(self.kind), str(self.verdict)
        out["slack"] = self.slack._asdict()
        out["tolerance"] = self.tolerance and self.tolerance._asdict()
        out["interval"] = self.interval and list(self.interval)
        out["worst"] = {name: value if math.isfinite(value) else str(value) for name, value in self.worst.items()}
        return out

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Evidence":
        """The evidence that :meth:`to_json` wrote; raises ``ValueError`` on anything else."""
        try:
            return cls(
                **{
                    **data,
                    "kind": Kind(data["kind"]),
                    "verdict": Verdict(data["verdict"]),
                    "slack": Slack(**data["slack"]),
                    "tolerance": data["tolerance"] and Tolerance(**data["tolerance"]),
                    "interval": data["interval"] and tuple(data["interval"]),
                    "worst": {name: float(value) for name, value in data["worst"].items()},
                }
            )
        except (AttributeError, TypeError, KeyError, ValueError) as error:
            raise ValueError(f"not an evidence record: {error}; rerun the notebook that wrote it") from error

    def rows(self) -> list[tuple[str, str]]:
        """Name and printed value of everything a reader wants to see; absent values are left out."""
        number = "{:.4g}".format
        parameters = ", ".join(f"{name} = {_range(value)}" for name, value in self.parameters.items())
        rows = [
            ("verdict", f"{self.verdict}: {self.reason}"),
            ("measured on", self.label),
            ("trials", f"{self.trials} ({self.violations} violations)" if self.trials else ""),
            (
                "distance / allowed" if self.kind is Kind.LAW else "measured / predicted",
                "min {}, median {}, max {}".format(*map(number, self.slack)) if self.slack.median is not None else "",
            ),
            (
                "interval",
                f"[{number(self.interval[0])}, {number(self.interval[1])}] at level {self.level}"
                if self.interval
                else "",
            ),
            ("tolerance", f"{number(self.tolerance.value)} ({self.tolerance.reason})" if self.tolerance else ""),
            ("parameters", parameters + (f", seed = {self.seed}" if self.seed is not None else "")),
            ("worst case", ", ".join(f"{name} = {number(value)}" for name, value in self.worst.items())),
        ]
        return [(name, value) for name, value in rows if value]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        title = f"{self.claim} · {self.statement}"
        body = "".join(
            f'<tr><th scope="row">{html.escape(name)}</th><td>{html.escape(value)}</td></tr>'
            for name, value in self.rows()[1:]
        )
        folded = (
            f'<details class="evidence evidence-{str(self.verdict).replace(" ", "-")}">'
            f"<summary>Evidence for <em>{html.escape(self.statement)}</em>: <strong>{self.verdict}</strong>. "
            f"{html.escape(self.reason[:1].upper() + self.reason[1:])}.</summary>"
            f"<table><caption>{html.escape(title)}</caption><tbody>{body}</tbody></table></details>"
        )
        text = f"{title}\n" + "\n".join(f"  {name}: {value}" for name, value in self.rows())
        return {"text/plain": text, "text/html": folded, MIME: self.to_json()}


def weigh(
    evidence: Evidence,
    measured: Any,
    operator: str,
    bound: Any,
    *,
    tolerance: Tolerance | None = None,
    confidence: float = CONFIDENCE,
    resolution: float = 0.05,
    probability: float = 0.0,
    rate: float | None = None,
    sizes: Any = None,
    symbols: Mapping[str, np.ndarray] | None = None,
) -> Evidence:
    """``evidence`` completed with the verdict on ``measured operator bound``; the operator is ``<=``, ``>=`` or ``==``.

    ``measured`` is ``[trials]`` (exact, high-probability), ``[cells, trials]`` of independent values (expectation, law,
    empirical; one cell may be given as ``[trials]``), or ``[sizes]`` (asymptotic). ``bound`` broadcasts to trials
    (exact, high-probability) or cells; for a law it is a function ``(cell, points) -> probabilities``.
    Raises ``ValueError`` on no trials, on NaN, and on too few trials for an interval.
    """
    values = np.asarray(measured)
    if values.size == 0:
        raise ValueError(f"{evidence.claim}: measured holds no trials; measure at least one")
    if np.isnan(values).any():
        raise ValueError(f"{evidence.claim}: measured holds NaN; a failed measurement is no evidence, mend it first")
    if evidence.kind in (Kind.EXPECTATION, Kind.EMPIRICAL, Kind.ASYMPTOTIC) and not np.isfinite(values).all():
        raise ValueError(f"{evidence.claim}: measured holds infinity, which has no mean; leave those items out")
    if not callable(bound) and np.isnan(bound).any():
        raise ValueError(f"{evidence.claim}: the prediction is NaN at some of the given symbols; check the hypotheses")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence={confidence}: must lie strictly between 0 and 1, for example {CONFIDENCE}")
    if evidence.kind is Kind.EXACT:
        chosen = tolerance or rounding(values.dtype if values.dtype.kind == "f" else np.float64)
        judged, worst = _exact(evidence, values.ravel(), np.ravel(bound), operator, chosen, resolution)
    elif evidence.kind in (Kind.EXPECTATION, Kind.EMPIRICAL):
        judged, worst = _mean(evidence, np.atleast_2d(values), np.ravel(bound), operator, confidence, resolution)
    elif evidence.kind is Kind.LAW:
        judged, worst = _law(evidence, np.atleast_2d(values), bound, confidence, resolution)
    elif evidence.kind is Kind.HIGH_PROBABILITY:
        judged, worst = _frequency(
            evidence, values.ravel(), np.ravel(bound), operator, confidence, resolution, probability
        )
    else:
        judged, worst = _trend(evidence, values.ravel(), np.ravel(bound), confidence, resolution, rate, sizes)
    at_worst = {name: float(np.ravel(value)[min(worst, np.size(value) - 1)]) for name, value in (symbols or {}).items()}
    return replace(judged, worst=judged.worst | at_worst)


_EXCESS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "<=": lambda measured, bound: measured - bound,
    ">=": lambda measured, bound: bound - measured,
    "==": lambda measured, bound: np.abs(measured - bound),
}


def _ratios(measured: np.ndarray, bound: np.ndarray) -> Slack:
    bound = np.broadcast_to(bound, measured.shape)
    usable = (bound != 0) & np.isfinite(measured) & np.isfinite(bound)
    if not usable.any():
        return NO_SLACK
    ratio = measured[usable] / bound[usable]
    return Slack(float(ratio.min()), float(np.median(ratio)), float(ratio.max()))


def _exact(
    evidence: Evidence, measured: np.ndarray, bound: np.ndarray, operator: str, tolerance: Tolerance, resolution: float
) -> tuple[Evidence, int]:
    bound = np.broadcast_to(bound, measured.shape)
    with np.errstate(invalid="ignore"):
        excess = _EXCESS[operator](measured, bound) / np.where(np.isinf(bound), 1.0, np.maximum(1.0, np.abs(bound)))
    excess = np.where(measured == bound, 0.0, excess)  # also infinity against the same infinity
    violated = excess > tolerance.value
    worst = int(np.argmax(excess))
    if violated.any():
        verdict, reason = Verdict.REFUTED, f"{int(violated.sum())} of {measured.size} trials violate it"
    elif tolerance.value > resolution:
        verdict = Verdict.INCONCLUSIVE
        reason = f"the tolerance is wider than {resolution:g}: measure in a wider dtype, or on better conditioned items"
    else:
        verdict, reason = Verdict.SUPPORTED, f"holds in every one of {measured.size} trials, within rounding"
    return (
        replace(
            evidence, verdict=verdict, reason=reason, trials=measured.size, violations=int(violated.sum()),
            slack=_ratios(measured, bound), tolerance=tolerance,
            worst={"measured": float(measured[worst]), "predicted": float(bound[worst])},
        ),
        worst,
    )  # fmt: skip


def _mean(
    evidence: Evidence, measured: np.ndarray, bound: np.ndarray, operator: str, confidence: float, resolution: float
) -> tuple[Evidence, int]:
    """Student intervals of the cells' means, Bonferroni-corrected; too wide for ``resolution`` is inconclusive."""
    cells, trials = measured.shape
    if trials < 3:
        raise ValueError(f"{evidence.claim}: {trials} trials a cell; an interval of a mean needs at least 3")
    bound = np.broadcast_to(bound, (cells,)).astype(float)
    mean = measured.mean(axis=1)
    half = stats.t.ppf(1 - (1 - confidence) / (2 * cells), trials - 1) * stats.sem(measured, axis=1)
    half = np.maximum(half, rounding(np.float64).value * np.maximum(1.0, np.abs(mean)))  # constant samples
    excess = _EXCESS[operator](mean, bound) - half
    worst = int(np.argmax(excess / np.maximum(half, np.finfo(float).tiny)))
    scale = np.where(bound == 0, 1.0, np.abs(bound))
    wide = half > resolution * scale
    if (excess > 0).any():
        verdict, reason = (
            Verdict.REFUTED,
            f"the interval of the mean excludes it in {int((excess > 0).sum())} of {cells} cells",
        )
    elif wide.any():
        verdict = Verdict.INCONCLUSIVE
        reason = (
            f"the interval is wider than {resolution:g} of the prediction in {int(wide.sum())} of {cells} cells: "
            "measure more trials"
        )
    else:
        verdict, reason = Verdict.SUPPORTED, f"the intervals of the mean allow it in all {cells} cells"
    return (
        replace(
            evidence, verdict=verdict, reason=reason, trials=measured.size, violations=int((excess > 0).sum()),
            slack=_ratios(mean, bound), level=confidence,
            interval=(float(mean[worst] - half[worst]), float(mean[worst] + half[worst])),
            worst={"measured": float(mean[worst]), "predicted": float(bound[worst])},
        ),
        worst,
    )  # fmt: skip


def _law(
    evidence: Evidence,
    measured: np.ndarray,
    cdf: Callable[[int, np.ndarray], np.ndarray],
    confidence: float,
    resolution: float,
) -> tuple[Evidence, int]:
    """The Dvoretzky-Kiefer-Wolfowitz band (Massart's constant) around the empirical distribution function."""
    cells, trials = measured.shape
    band = math.sqrt(math.log(2 * cells / (1 - confidence)) / (2 * trials))
    distance = np.empty(cells)
    for cell, sample in enumerate(np.sort(measured, axis=1)):
        claimed = cdf(cell, sample)
        if np.isnan(claimed).any():
            outside = sample[np.isnan(claimed)]
            raise ValueError(f"{evidence.claim}: the law is undefined at {outside[0]:.17g}; mend the measurement")
        above, below = np.arange(1, trials + 1) / trials - claimed, claimed - np.arange(trials) / trials
        distance[cell] = max(above.max(), below.max())
    worst = int(distance.argmax())
    outside = distance > band
    if outside.any():
        verdict, reason = Verdict.REFUTED, f"the distribution leaves its band in {int(outside.sum())} of {cells} cells"
    elif band > resolution:
        verdict, reason = (
            Verdict.INCONCLUSIVE,
            f"the band ({band:.2g}) is wider than {resolution:g}: measure more trials",
        )
    else:
        verdict, reason = (
            Verdict.SUPPORTED,
            f"the distribution stays in its band of half-width {band:.2g} in all {cells} cells",
        )
    return (
        replace(
            evidence, verdict=verdict, reason=reason, trials=measured.size, violations=int(outside.sum()),
            slack=_ratios(distance, np.full(cells, band)), level=confidence,
            interval=(float(max(0.0, distance[worst] - band)), float(distance[worst] + band)),
            worst={"measured": float(distance[worst]), "predicted": 0.0},
        ),
        worst,
    )  # fmt: skip


def _frequency(
    evidence: Evidence,
    measured: np.ndarray,
    bound: np.ndarray,
    operator: str,
    confidence: float,
    resolution: float,
    probability: float,
) -> tuple[Evidence, int]:
    """Clopper-Pearson interval of the violation rate against the probability the claim allows."""
    bound = np.broadcast_to(bound, measured.shape)
    excess = _EXCESS[operator](measured, bound)
    violations = int((excess > rounding(np.float64).value * np.maximum(1.0, np.abs(bound))).sum())
    low, high = stats.binomtest(violations, measured.size).proportion_ci(confidence, method="exact")
    if low > probability:
        verdict, reason = Verdict.REFUTED, f"violated at a rate of at least {low:.3g}, more than {probability:.3g}"
    elif high - low > resolution:
        verdict, reason = Verdict.INCONCLUSIVE, f"the rate is known only to {high - low:.2g}: measure more trials"
    else:
        verdict, reason = (
            Verdict.SUPPORTED,
            f"violated in {violations} of {measured.size} trials, {probability:.3g} allowed",
        )
    worst = int(excess.argmax())
    return (
        replace(
            evidence, verdict=verdict, reason=reason, trials=measured.size, violations=violations,
            slack=_ratios(measured, bound), interval=(float(low), float(high)), level=confidence,
            worst={"measured": float(measured[worst]), "predicted": float(bound[worst])},
        ),
        worst,
    )  # fmt: skip


def _trend(
    evidence: Evidence,
    measured: np.ndarray,
    bound: np.ndarray,
    confidence: float,
    resolution: float,
    rate: float | None,
    sizes: Any,
) -> tuple[Evidence, int]:
    """Least-squares slope of log relative error against log size: it must fall, at the stated rate if there is one.

    A rate is not resolved finer than ``resolution``: without noise the fit's own error is 0, and higher orders remain.
    """
    size = np.asarray(sizes, dtype=float).ravel()
    if size.size != measured.size or size.size < 4 or (np.diff(size) <= 0).any():
        raise ValueError(
            f"{evidence.claim}: an asymptotic check needs one measurement at each of at least 4 increasing sizes; "
            f"given {measured.size} measurements at sizes {size.tolist()}"
        )
    bound = np.broadcast_to(bound, measured.shape)
    if (bound == 0).any():
        raise ValueError(f"{evidence.claim}: the prediction is 0 at some size, where a relative error is undefined")
    error = np.abs(measured / bound - 1)
    fit = stats.linregress(np.log(size), np.log(np.maximum(error, np.finfo(float).eps)))
    half = stats.t.ppf((1 + confidence) / 2, size.size - 2) * np.nan_to_num(fit.stderr)  # NaN for a constant error
    low, high = fit.slope - half, fit.slope + half
    exact = bool((error <= rounding(np.float64).value).all())
    wrong_rate = rate is not None and abs(fit.slope + rate) > max(half, resolution)
    if exact:
        verdict, reason = Verdict.SUPPORTED, "the error is within rounding at every size"
    elif low >= -resolution or wrong_rate:
        verdict, reason = Verdict.REFUTED, f"the error scales as size^({fit.slope:.2g} ± {half:.2g})"
    elif high >= -resolution:
        verdict, reason = (
            Verdict.INCONCLUSIVE,
            f"the error scales as size^({fit.slope:.2g} ± {half:.2g}): take more sizes",
        )
    else:
        verdict, reason = Verdict.SUPPORTED, f"the error falls as size^({fit.slope:.2g} ± {half:.2g})"
    worst = int(error.argmax())
    return (
        replace(
            evidence, verdict=verdict, reason=reason, trials=measured.size, violations=int(verdict is Verdict.REFUTED),
            slack=_ratios(measured, bound), interval=(float(low), float(high)), level=confidence,
            worst={"measured": float(measured[worst]), "predicted": float(bound[worst])},
        ),
        worst,
    )  # fmt: skip


def _range(value: Any) -> str:
    return f"{value[0]:g} to {value[1]:g}" if isinstance(value, list | tuple) else f"{value:g}"
