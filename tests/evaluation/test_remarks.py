"""Remarks on measures that indicate a problem."""

import pytest

from keras_cvae.evaluation import remarks
from keras_cvae.evaluation.report import Measure, Report

pytestmark = pytest.mark.once

ELBO = Measure("ELBO", -100.0, 1.0, "nats", "")


@pytest.mark.parametrize(
    ("name", "bad", "good", "settings", "says"),
    [
        ("bits per dimension", 7.64, 3.2, {"reference": 8.0}, "8 bits of uniform noise"),
        ("log p(x | y)", 180.0, -97.0, {}, "280 nats above the ELBO"),
        ("log p(x)", 180.0, -103.0, {}, "280 nats above the ELBO"),
        ("precision", 0.99, 0.8, {"real": 0.9}, "above that of real"),
        ("density", 3.0, 1.0, {"real": 1.0}, "concentrated"),
        ("recall", 0.01, 0.8, {"real": 0.9}, "never generated"),
        ("coverage", 0.3, 0.8, {"real": 0.9}, "never generated"),
        ("label agreement", 0.6, 0.95, {"real": 0.98}, "not of their label"),
        ("label swap", 0.6, 0.95, {"real": 0.98}, "contains the class"),
        ("classification accuracy score", 0.6, 0.95, {"real": 0.98}, "well below training on real"),
        ("label read from z", 0.8, 0.15, {"reference": 0.1}, "contains the class"),
        ("active units", 0, 7, {}, "collapsed"),
        ("rate", 0.01, 20.0, {}, "collapsed"),
    ],
)
def test_remarks(name, bad, good, settings, says):
    bad, good = (Measure(name, value, None, "", "", **settings) for value in (bad, good))
    assert says in remarks.remark(bad, {"ELBO": ELBO, name: bad})
    assert remarks.remark(good, {"ELBO": ELBO, name: good}) == ""
    bad.remark = "trouble"
    protocol = {"test_examples": 2, "seed": 0, "backend": "none", "standard_errors": "over them"}
    shown = str(Report(protocol, [ELBO, bad, good]))
    assert f"\n{name} " in shown and shown.count(": trouble") == 1
