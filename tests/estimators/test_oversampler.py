"""The oversampler, compared with that of imbalanced-learn."""

import numpy as np
import pandas as pd
import pytest
from imblearn.utils.estimator_checks import estimator_checks_generator
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression

from keras_cvae import networks
from keras_cvae.estimators import CVAEEstimator, CVAEOversampler

COUNTS = {"cow": 60, "ant": 12, "bee": 25}
X, Y = make_blobs([*COUNTS.values()], centers=np.float64([[0, 0], [6, 0], [0, 6]]), random_state=0)
Y = np.array([*COUNTS])[Y]


def tiny(**options):
    settings = {"epochs": 1, "batch_size": 1000, "fit_prior": False}
    estimator = CVAEEstimator(2, network=networks.Dense((8,)), **settings)
    return CVAEOversampler(estimator, **{"random_state": 0, **options})


CHECKS = {check.func.__name__: check for _, check in estimator_checks_generator(tiny())}


@pytest.mark.once
@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("name", CHECKS)
def test_it_is_a_sampler_of_imbalanced_learn(name):
    CHECKS[name](tiny())


@pytest.mark.once
@pytest.mark.usefixtures("uncompiled")
def test_lists_are_returned_for_lists():
    x, y = tiny().fit_resample(X.tolist(), Y.tolist())
    assert isinstance(x, list) and isinstance(y, list) and len(x) == len(y) == 180
    assert y[97:] == ["ant"] * 48 + ["bee"] * 35


@pytest.mark.once
@pytest.mark.usefixtures("uncompiled")
def test_rows_are_appended():
    x, y = tiny().fit_resample(X, Y)
    assert len(x) == len(y) == 180
    np.testing.assert_array_equal(x[:97], X)
    np.testing.assert_array_equal(y[:97], Y)
    assert np.unique(y, return_counts=True)[1].tolist() == [60, 60, 60]
    again, _ = tiny().fit_resample(X, Y)
    np.testing.assert_array_equal(again, x)
    assert not np.allclose(tiny(random_state=1).fit_resample(X, Y)[0][97:], x[97:])


@pytest.mark.once
@pytest.mark.usefixtures("uncompiled")
def test_frames_are_returned_for_frames():
    frame = pd.DataFrame({"a": X[:, 0], "n": np.arange(97) % 40}, index=np.arange(97) + 5)
    sampler = tiny()
    x, y = sampler.fit_resample(frame, pd.Series(Y, name="animal", dtype="category"))
    assert x.dtypes.equals(frame.dtypes) and x.index.equals(pd.RangeIndex(180))
    assert y.name == "animal" and y.dtype == "category"
    pd.testing.assert_frame_equal(x[:97], frame.reset_index(drop=True))
    assert sampler.sampling_strategy_ == {"ant": 48, "bee": 35}


@pytest.mark.once
@pytest.mark.usefixtures("uncompiled")
def test_in_a_pipeline():
    pipeline = pytest.importorskip("imblearn.pipeline")
    steps = pipeline.make_pipeline(tiny(), LogisticRegression()).fit(X, Y)
    assert steps.predict(X).shape == (97,)
    assert steps[0].sampling_strategy_ == {"ant": 48, "bee": 35}


@pytest.mark.slow
@pytest.mark.once
def test_rows_are_of_their_class():
    estimator = CVAEEstimator(2, network=networks.Dense((32,)), epochs=200, learning_rate=1e-2)
    x, y = CVAEOversampler(estimator, random_state=0).fit_resample(X, Y)
    centres = np.array([X[Y == label].mean(0) for label in ("ant", "bee", "cow")])
    nearest = np.square(x[97:, None] - centres).sum(-1).argmin(1)
    assert np.mean(np.array(["ant", "bee", "cow"])[nearest] == y[97:]) > 0.95
    ants = x[97:][y[97:] == "ant"]
    np.testing.assert_allclose(ants.mean(0), centres[0], atol=0.8)
    assert (ants.std(0) > 0.4).all() and (ants.std(0) < 1.8).all()  # not copies, not noise


@pytest.mark.parametrize(
    "options, message",
    [
        ({"sampling_strategy": "most"}, "'sampling_strategy' parameter"),
        ({"sampling_strategy": {"ant": 3}}, "greater or equal to the original number"),
        ({"sampling_strategy": {"dog": 30}}, "not present in the data"),
        ({"temperature": -1.0}, "'temperature' parameter"),
        ({"estimator": LogisticRegression()}, "'estimator' parameter"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        CVAEOversampler(**options).fit_resample(X, Y)
