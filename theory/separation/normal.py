r"""The normal distribution as SymPy functions: upper tail, its inverse, and Owen's T, for two dimensions.

They differentiate in closed form, evaluate to any number of digits, turn into SciPy by ``lambdify``, and into Vega.
"""

from typing import Any

import mpmath
import numpy as np
import scipy
import sympy as sp
from sympy.printing.latex import LatexPrinter
from sympy.printing.printer import Printer

from theory.notation import code_activity

_NODES = 10  # of the quadrature of Owen's T in a chart


def density(x: sp.Expr) -> sp.Expr:
    """The standard normal density."""
    return sp.exp(-(x**2) / 2) / sp.sqrt(2 * sp.pi)


class Tail(sp.Function):
    r"""Probability :math:`\bar\Phi(x)` that a standard normal variable exceeds x."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return -density(self.args[0])

    def _eval_evalf(self, prec: int) -> sp.Expr:
        return (sp.erfc(self.args[0] / sp.sqrt(2)) / 2)._eval_evalf(prec)

    def _latex(self, printer: LatexPrinter, exp: str | None = None) -> str:
        return rf"\bar{{\Phi}}{'' if exp is None else f'^{{{exp}}}'}\left({printer._print(self.args[0])}\right)"

    def _javascript(self, printer: Printer) -> str:
        return f"cumulativeNormal(-({printer._print(self.args[0])}))"

    @staticmethod
    def _imp_(x: Any) -> np.ndarray:
        return scipy.special.ndtr(-np.asarray(x))


class FiringThreshold(sp.Function):
    r"""The threshold :math:`\theta_a` that a standard normal variable exceeds with probability a."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return -1 / density(self)

    def _eval_evalf(self, prec: int) -> sp.Expr:
        with mpmath.workprec(prec + 10):
            activity = mpmath.mpf(sp.N(self.args[0], mpmath.mp.dps))
            return sp.Float(mpmath.sqrt(2) * mpmath.erfinv(1 - 2 * activity), precision=prec)

    def _latex(self, printer: LatexPrinter, exp: str | None = None) -> str:
        of = "a" if self.args[0] == code_activity else printer._print(self.args[0])
        return rf"\theta_{{{of}}}{'' if exp is None else f'^{{{exp}}}'}"

    def _javascript(self, printer: Printer) -> str:
        return f"(-quantileNormal({printer._print(self.args[0])}))"

    @staticmethod
    def _imp_(activity: Any) -> np.ndarray:
        return -scipy.special.ndtri(np.asarray(activity))


class OwenT(sp.Function):
    r"""Owen's T, the probability that a standard normal pair has :math:`X > h` and :math:`0 < Y < sX`. Source: owen1956.

    .. math:: T(h, s) = \frac{1}{2\pi} \int_0^s \frac{e^{-h^2 (1 + x^2)/2}}{1 + x^2} \, dx
    """

    nargs = 2

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        h, s = self.args
        if argindex == 1:
            return -density(h) * (sp.Rational(1, 2) - Tail(h * s))
        return sp.exp(-(h**2) * (1 + s**2) / 2) / (2 * sp.pi * (1 + s**2))

    def _eval_evalf(self, prec: int) -> sp.Expr:
        with mpmath.workprec(prec + 10):
            h, s = (mpmath.mpf(sp.N(arg, mpmath.mp.dps)) for arg in self.args)
            value = mpmath.quad(lambda t: mpmath.exp(-((h / mpmath.cos(t)) ** 2) / 2), [0, mpmath.atan(s)])
            return sp.Float(value / (2 * mpmath.pi), precision=prec)

    def _latex(self, printer: LatexPrinter, exp: str | None = None) -> str:
        inner = ", ".join(map(printer._print, self.args))
        return rf"T{'' if exp is None else f'^{{{exp}}}'}\left({inner}\right)"

    def _javascript(self, printer: Printer) -> str:
        """By Gauss-Legendre quadrature over the angle, where the integrand is smooth."""
        h, s = (f"({printer._print(arg)})" for arg in self.args)
        nodes, weights = np.polynomial.legendre.leggauss(_NODES)
        terms = (
            f"{weight:.17g}*exp(-0.5*pow({h}/cos({(1 + node) / 2:.17g}*atan({s})),2))"
            for node, weight in zip(nodes, weights, strict=True)
        )
        return f"(atan({s})/(4*PI)*({'+'.join(terms)}))"

    @staticmethod
    def _imp_(h: Any, s: Any) -> np.ndarray:
        return scipy.special.owens_t(h, s)
