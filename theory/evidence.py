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
import scipy  # its submodules load at first use: reading evidence needs none

MIME = "application/vnd.cls-toys.evidence+json"
CONFIDENCE = 0.99  # family-wise, over all cells of one check
COARSEST = 1e-3  # tolerance above which an exact statement is not resolved


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
    """What rounding may add, relative to the prediction where that exceeds 1, and the sentence that justifies it.

    ``value`` is one number, or one for each trial.
    """

    value: Any
    reason: str


def rounding(dtype: Any, operations: int = 4096, condition: Any = 1.0) -> Tolerance:
    r"""The relative rounding error a backward-stable computation may show: ``eps * operations * condition``.

    ``operations`` counts the roundings that can accumulate in one value, ``condition`` is the condition number of the
    problem (for writes: of the key matrix), one number or one for each trial. Source: Higham, *Accuracy and Stability of Numerical Algorithms*, ch. 3.

    >>> rounding(np.float64, operations=1000).reason
    'float64 eps 2.2e-16 x 1000 roundings x condition 1'
    """
    eps = float(np.finfo(dtype).eps)
    conditions = np.maximum(1.0, np.asarray(condition, dtype=float))
    spread = " to ".join(f"{value:.3g}" for value in sorted({conditions.min(), conditions.max()}))
    reason = f"{np.dtype(dtype).name} eps {eps:.1e} x {operations} roundings x condition {spread}"
    return Tolerance((eps * operations * conditions)[()], reason)


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
        for name in ("parameters", "worst"):
            out[name] = {key: _jsonable(value) for key, value in out[name].items()}
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
                    "parameters": {name: _number(value) for name, value in data["parameters"].items()},
                    "worst": {name: _number(value) for name, value in data["worst"].items()},
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
    rate: float = 1.0,
    sizes: Any = None,
    symbols: Mapping[str, np.ndarray] | None = None,
) -> Evidence:
    """``evidence`` completed with the verdict on ``measured operator bound``; the operator is ``<=``, ``>=`` or ``==``.

    ``measured`` is ``[trials]`` (exact), ``[cells, trials]`` of independent values (expectation, law, high-probability,
    empirical; one cell may be given as ``[trials]``), or ``[sizes]`` (asymptotic). ``bound`` broadcasts to trials
    (exact), cells or sizes; for a law it is a function ``(cell, points) -> probabilities``.
    Raises ``ValueError`` on no trials, on NaN, and on too few trials for an interval.
    """
    values = np.asarray(measured)
    if values.size == 0:
        raise ValueError(f"{evidence.claim}: measured holds no trials; measure at least one")
    if np.isnan(values).any():
        raise ValueError(f"{evidence.claim}: measured holds NaN; a failed measurement is no evidence, mend it first")
    if evidence.kind is not Kind.EXACT and not np.isfinite(values).all():
        raise ValueError(f"{evidence.claim}: measured holds infinity, which has no mean or rank; leave those items out")
    if not callable(bound) and np.isnan(bound).any():
        raise ValueError(f"{evidence.claim}: the prediction is NaN at some of the given symbols; check the hypotheses")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence={confidence}: must lie strictly between 0 and 1, for example {CONFIDENCE}")
    if evidence.kind is Kind.EXACT:
        chosen = tolerance or rounding(values.dtype if values.dtype.kind == "f" else np.float64)
        judged, worst = _exact(evidence, values.ravel(), np.ravel(bound), operator, chosen)
    elif evidence.kind in (Kind.EXPECTATION, Kind.EMPIRICAL):
        judged, worst = _mean(evidence, np.atleast_2d(values), np.ravel(bound), operator, confidence, resolution)
    elif evidence.kind is Kind.LAW:
        judged, worst = _law(evidence, np.atleast_2d(values), bound, confidence, resolution)
    elif evidence.kind is Kind.HIGH_PROBABILITY:
        judged, worst = _frequency(evidence, np.atleast_2d(values), np.ravel(bound), operator, confidence, probability)
    else:
        judged, worst = _trend(evidence, values.ravel(), np.ravel(bound), confidence, resolution, rate, sizes)
    at_worst = {name: float(np.ravel(value)[min(worst, np.size(value) - 1)]) for name, value in (symbols or {}).items()}
    return replace(judged, worst=judged.worst | at_worst)


def spread(evidence: Evidence, values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """``values`` broadcast to ``shape``; raises ``ValueError`` with both shapes when they do not fit."""
    try:
        return np.broadcast_to(values, shape).astype(float)
    except ValueError:
        raise ValueError(
            f"{evidence.claim} ({evidence.statement}): measured has shape {shape} and the values given beside it have "
            f"shape {values.shape}: give one value for all, or one for each trial, cell or size"
        ) from None


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
    evidence: Evidence, measured: np.ndarray, bound: np.ndarray, operator: str, tolerance: Tolerance
) -> tuple[Evidence, int]:
    """Every trial against its own tolerance, which counts relative to the prediction where that exceeds 1."""
    bound = spread(evidence, bound, measured.shape)
    allowed = spread(evidence, np.ravel(tolerance.value), measured.shape)
    if not (np.isfinite(allowed).all() and (allowed >= 0).all()):
        raise ValueError(f"{evidence.claim}: the tolerance holds {allowed.max()}; it must be finite and at least 0")
    with np.errstate(invalid="ignore"):
        excess = _EXCESS[operator](measured, bound) / np.where(np.isinf(bound), 1.0, np.maximum(1.0, np.abs(bound)))
    excess = np.where(measured == bound, 0.0, excess)  # also infinity against the same infinity
    violated = excess > allowed
    worst = int(np.argmax(excess / np.maximum(allowed, np.finfo(float).tiny)))
    coarsest = float(allowed.max())
    if violated.any():
        verdict, reason = Verdict.REFUTED, f"{int(violated.sum())} of {measured.size} trials violate it"
    elif coarsest > COARSEST:
        verdict = Verdict.INCONCLUSIVE
        reason = f"the tolerance is wider than {COARSEST:g}: measure in a wider dtype, or on better conditioned items"
    else:
        verdict, reason = Verdict.SUPPORTED, f"holds in every one of {measured.size} trials, within rounding"
    return (
        replace(
            evidence, verdict=verdict, reason=reason, trials=measured.size, violations=int(violated.sum()),
            slack=_ratios(measured, bound), tolerance=tolerance._replace(value=coarsest),
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
    bound = spread(evidence, bound, (cells,))
    mean = measured.mean(axis=1)
    half = scipy.stats.t.ppf(1 - (1 - confidence) / (2 * cells), trials - 1) * scipy.stats.sem(measured, axis=1)
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
    evidence: Evidence, measured: np.ndarray, bound: np.ndarray, operator: str, confidence: float, probability: float
) -> tuple[Evidence, int]:
    """Clopper-Pearson intervals of the cells' violation rates, Bonferroni-corrected, against the probability allowed.

    Supported means known to be at most twice that probability; a rate known less well is inconclusive.
    """
    cells, trials = measured.shape
    bound = spread(evidence, bound.reshape(-1, 1) if bound.size == cells else bound, measured.shape)
    allowed = rounding(measured.dtype if measured.dtype.kind == "f" else np.float64).value
    violated = (_EXCESS[operator](measured, bound) > allowed * np.maximum(1.0, np.abs(bound))).sum(1)
    level = 1 - (1 - confidence) / cells
    low, high = np.transpose(
        [scipy.stats.binomtest(int(count), trials).proportion_ci(level, method="exact") for count in violated]
    )
    worst = int(np.argmax(low + high))
    if (low > probability).any():
        verdict = Verdict.REFUTED
        reason = f"violated at a rate of at least {low.max():.3g}, where {probability:.3g} is allowed"
    elif (high > 2 * probability).any():
        verdict = Verdict.INCONCLUSIVE
        reason = (
            f"the rate may be as large as {high.max():.2g}, where {probability:.3g} is allowed: measure more trials"
        )
    else:
        verdict = Verdict.SUPPORTED
        reason = f"violated in {violated.sum()} of {measured.size} trials, {probability:.3g} allowed"
    return (
        replace(
            evidence, verdict=verdict, reason=reason, trials=measured.size, violations=int(violated.sum()),
            slack=_ratios(measured, bound), interval=(float(low[worst]), float(high[worst])), level=confidence,
            worst={"measured": float(violated[worst] / trials), "predicted": probability},
        ),
        worst,
    )  # fmt: skip


def _trend(
    evidence: Evidence,
    measured: np.ndarray,
    bound: np.ndarray,
    confidence: float,
    resolution: float,
    rate: float,
    sizes: Any,
) -> tuple[Evidence, int]:
    """Least-squares slope of log relative error against log size, at the larger half of the sizes: the stated rate.

    There an error that levels off shows, and higher orders no longer do. A rate is not resolved finer than ``resolution``:
    without noise the fit's own error is 0.
    """
    size = np.asarray(sizes, dtype=float).ravel()
    if size.size != measured.size or size.size < 8 or (np.diff(size) <= 0).any() or size[0] <= 0:
        raise ValueError(
            f"{evidence.claim}: an asymptotic check needs one measurement at each of at least 8 increasing sizes; "
            f"given {measured.size} measurements at sizes {size.tolist()}"
        )
    bound = spread(evidence, bound, measured.shape)
    if (bound == 0).any():
        raise ValueError(f"{evidence.claim}: the prediction is 0 at some size, where a relative error is undefined")
    error = np.abs(measured / bound - 1)
    late = slice(size.size // 2, None)
    fit = scipy.stats.linregress(np.log(size[late]), np.log(np.maximum(error[late], np.finfo(float).eps)))
    freedom = size[late].size - 2
    half = float(
        scipy.stats.t.ppf((1 + confidence) / 2, freedom) * np.nan_to_num(fit.stderr)
    )  # NaN for a constant error
    seen = f"at the larger sizes the error scales as size^({fit.slope:.2g} ± {half:.2g})"
    if (error <= rounding(np.float64).value).all():
        verdict, reason = Verdict.SUPPORTED, "the error is within rounding at every size"
    elif abs(fit.slope + rate) > max(half, resolution):
        verdict, reason = Verdict.REFUTED, f"{seen}; claimed is size^(-{rate:g})"
    elif half > rate / 4:
        verdict, reason = Verdict.INCONCLUSIVE, f"{seen}: take more sizes, or measure each more precisely"
    else:
        verdict, reason = Verdict.SUPPORTED, seen
    worst = int(error.argmax())
    return (
        replace(
            evidence, verdict=verdict, reason=reason, trials=measured.size, violations=int(verdict is Verdict.REFUTED),
            slack=_ratios(measured, bound), interval=(float(fit.slope - half), float(fit.slope + half)),
            level=confidence, worst={"measured": float(measured[worst]), "predicted": float(bound[worst])},
        ),
        worst,
    )  # fmt: skip


def _jsonable(value: Any) -> Any:
    """A number, or a range of two, with the infinities as text."""
    if isinstance(value, list | tuple):
        return [_jsonable(part) for part in value]
    return value if math.isfinite(value) else str(value)


def _number(value: Any) -> Any:
    """What :func:`_jsonable` was given."""
    if isinstance(value, list):
        return [_number(part) for part in value]
    return float(value) if isinstance(value, str) else value


def _range(value: Any) -> str:
    return f"{value[0]:g} to {value[1]:g}" if isinstance(value, list | tuple) else f"{value:g}"
