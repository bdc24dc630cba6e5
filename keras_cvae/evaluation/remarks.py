"""Remarks on measures whose number indicates a problem."""

from __future__ import annotations

from collections.abc import Mapping

from keras_cvae.evaluation.report import Measure

GAP = 10.0  # largest difference of log p and ELBO, in nats, with enough effective samples of z
SHORT = 0.1  # largest acceptable difference of accuracy between real and generated images
LEAK = 0.2  # largest acceptable accuracy above chance of a linear probe from z to the label
FEW = 0.5  # least acceptable recall or coverage, relative to that of real images


def remark(measure: Measure, others: Mapping[str, Measure]) -> str:
    """Returns a remark on a measure whose number indicates a problem.

    Args:
        measure: The measure.
        others: All measures of the same report, by name.

    Returns:
        A text, empty if the number indicates no problem.
    """
    function = _REMARKS.get(measure.name)
    return function(measure, others) if function else ""


def _bits(m, others):
    noise = m.reference
    if noise is None or m.value < 0.9 * noise:
        return ""
    return f"close to the {noise:.3g} bits of uniform noise, or above: pixels are hardly predicted"


def _log_p(m, others):
    elbo = others.get("ELBO")
    if elbo is None or m.value - elbo.value < GAP:
        return ""
    return (
        f"{m.value - elbo.value:.0f} nats above the ELBO: q(z | x, y) is far from the true "
        "posterior, so that few samples of z contribute and the estimate is too low and unreliable"
    )


def _precision(m, others):
    if m.real is None or m.value <= m.real:
        return ""
    return "above that of real examples: generated ones are typical or smooth; see also recall"


def _density(m, others):
    if m.real is None or m.value <= 1.5 * m.real:
        return ""
    return "far above that of real examples: generated ones are concentrated where these are dense"


def _variety(m, others):
    if m.real is None or m.value >= FEW * m.real:
        return ""
    return "less than half that of real examples: many kinds of them are never generated"


def _accuracy(sentence):
    """Returns a function that returns the sentence if an accuracy is well below the real one."""

    def remark_of(m, others):
        return "" if m.real is None or m.value >= m.real - SHORT else sentence

    return remark_of


def _leak(m, others):
    chance = m.reference
    if chance is None or m.value < chance + LEAK:
        return ""
    return (
        f"chance is {chance:.2f}: z contains the class, so that a change of the label changes less"
    )


def _units(m, others):
    return (
        "" if m.value else "no dimension of z depends on the example: the posterior has collapsed"
    )


def _rate(m, others):
    if m.value >= 0.05:
        return ""
    return "almost 0: z contains no information, the posterior has collapsed"


_REMARKS = {
    "bits per dimension": _bits,
    "log p(x)": _log_p,
    "log p(x | y)": _log_p,
    "precision": _precision,
    "density": _density,
    "recall": _variety,
    "coverage": _variety,
    "label agreement": _accuracy(
        "well below the classifier on real examples: many samples are not of their label"
    ),
    "label swap": _accuracy("z also contains the class; `fit_prior` or a larger beta helps"),
    "classification accuracy score": _accuracy(
        "well below training on real examples: samples lack features that separate the classes"
    ),
    "label read from z": _leak,
    "active units": _units,
    "rate": _rate,
}
