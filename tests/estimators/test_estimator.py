"""The estimator by the rules of scikit-learn, and compared with the model that it wraps."""

import copy
import io
import pickle

import joblib
import keras
import numpy as np
import pandas as pd
import pytest
import scipy.stats
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from keras_cvae import evaluation, likelihoods, networks, objectives
from keras_cvae.estimators import CVAEEstimator

EXPECTED = {
    "check_methods_sample_order_invariance": "score_samples draws z: a row's draws depend on its "
    "place, and more `samples` make the difference small",
    "check_methods_subset_invariance": "the same",
}


once = pytest.mark.once


def tiny(**options):
    given = {"network": networks.Dense((4,)), "epochs": 1, "batch_size": 256}
    return CVAEEstimator(2, **{**given, "samples": 2, "fit_prior": False, **options})


@pytest.mark.slow
@once
@pytest.mark.usefixtures("uncompiled")
@pytest.mark.filterwarnings("ignore:In training this model never saw:UserWarning")
@parametrize_with_checks([tiny(network="dense")], expected_failed_checks=lambda estimator: EXPECTED)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def wine():
    """Columns of unlike units, and classes that are words."""
    x, y = load_wine(return_X_y=True, as_frame=True)
    return x, np.array(["barolo", "grignolino", "barbera"])[y]


@pytest.fixture(scope="module")
def fitted(wine, eagerly):
    with eagerly():
        return tiny(epochs=4, fit_prior=True, random_state=0).fit(*wine)


@pytest.mark.once
@pytest.mark.usefixtures("uncompiled")
def test_it_is_the_model_of_the_package(wine, fitted):
    x, y = wine
    labels = np.searchsorted(fitted.classes_, y)
    assert fitted.classes_.tolist() == ["barbera", "barolo", "grignolino"]
    assert fitted.class_counts_.tolist() == [48, 59, 71]
    assert fitted.feature_names_in_.tolist() == x.columns.tolist()
    assert list(fitted.history_["loss"]) and len(fitted.history_["loss"]) == 4
    model, array = fitted.model_, x.to_numpy("float32")
    mean, _ = model.encode(array)
    np.testing.assert_allclose(fitted.transform(x), mean, rtol=1e-6)
    decoded = fitted.table_.frame(model.decode(mean, labels))
    pd.testing.assert_frame_equal(fitted.inverse_transform(mean, y), decoded)
    # Of many draws the estimate hardly depends on the seed.
    many = copy.copy(fitted).set_params(samples=100)
    expected = evaluation.log_likelihood(model, array, labels, samples=100, seed=9, verbose=0)
    np.testing.assert_allclose(many.score(x, y), expected.mean(), atol=0.3)
    weights = fitted.class_counts_
    expected = evaluation.marginal_log_likelihood(
        model, array, weights, samples=100, seed=9, verbose=0
    )
    np.testing.assert_allclose(many.score(x), expected.mean(), atol=0.3)
    assert many.score_samples(x).shape == (178,)


@pytest.mark.once
@pytest.mark.slow
@pytest.mark.usefixtures("uncompiled")
def test_seeds(wine, fitted):
    x, y = wine
    state = np.random.get_state()[1].copy()
    twin = clone(fitted).fit(x, y)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # nobody else's draws
    np.testing.assert_array_equal(twin.transform(x), fitted.transform(x))
    np.testing.assert_array_equal(twin.sample(9), fitted.sample(9))
    np.testing.assert_array_equal(twin.score_samples(x, y), fitted.score_samples(x, y))
    other = clone(fitted).set_params(random_state=1).fit(x, y)
    assert not np.allclose(other.transform(x), fitted.transform(x))
    assert not np.allclose(fitted.sample(9, random_state=1), fitted.sample(9))


@once
@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("through", ["pickle", "joblib"])
def test_pickle(through, wine, fitted):
    x, y = wine
    module = {"pickle": pickle, "joblib": joblib}[through]
    file = io.BytesIO()
    module.dump(fitted, file)
    file.seek(0)
    loaded = module.load(file)
    assert loaded.get_params()["epochs"] == 4
    np.testing.assert_array_equal(loaded.transform(x), fitted.transform(x))
    np.testing.assert_array_equal(loaded.sample(9, "barolo"), fitted.sample(9, "barolo"))
    np.testing.assert_array_equal(loaded.score_samples(x, y), fitted.score_samples(x, y))


def test_a_pickled_model_runs_no_code():
    """The state holds a .keras file, and one with code in it is refused."""
    unsafe = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: 2 * x)])
    estimator = CVAEEstimator()
    estimator.model_ = unsafe
    state = estimator.__getstate__()
    assert isinstance(state["model_"], bytes)
    with pytest.raises(Exception, match="[Ll]ambda"):
        CVAEEstimator().__setstate__(state)


@once
@pytest.mark.usefixtures("uncompiled")
def test_fit_does_not_change_arguments(wine):
    likelihood = likelihoods.Gaussian()
    before = [np.array(keras.ops.convert_to_numpy(w)) for w in likelihood.weights]
    estimator = tiny(likelihood=likelihood, random_state=0)
    first = estimator.fit(*wine).transform(wine[0])
    np.testing.assert_array_equal(estimator.fit(*wine).transform(wine[0]), first)
    assert estimator.likelihood is likelihood
    for weight, old in zip(likelihood.weights, before, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(weight), old)


@once
@pytest.mark.usefixtures("uncompiled")
def test_frames():
    """What the columns are is decided once; rows come back as they were given."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "height": rng.normal(170, 9, 60).round(1),
            "sex": rng.choice(["F", "M"], 60),
            "adult": np.arange(60) % 2 == 0,
            "rooms": rng.choice([1, 2, 4], 60),
            "age": rng.integers(20, 90, 60),
        }
    )
    frame.loc[5, ["height", "sex"]] = None
    estimator = tiny(random_state=0).fit(frame)
    expected = ["numeric", ["F", "M"], ["False", "True"], ["1", "2", "4"], "numeric"]
    assert estimator.model_.likelihood.columns == dict(zip(frame, expected, strict=True))
    for found in (estimator.sample(40), estimator.inverse_transform(estimator.transform(frame))):
        assert found.dtypes.equals(frame.dtypes)
        assert found.drop(columns=["height", "sex"]).notna().all(axis=None)
        assert (found["height"].isna() == found["sex"].isna()).mean() > 0.95  # together, as given
        assert set(found["rooms"]) <= {1, 2, 4}
    sex, rooms = frame["sex"].map({"F": 0, "M": 1}), frame["rooms"].map({1: 0, 2: 1, 4: 2})
    numbers = frame.assign(sex=sex, adult=frame["adult"] * 1.0, rooms=rooms)
    mean, _ = estimator.model_.encode(numbers.to_numpy("float32"))
    np.testing.assert_array_equal(estimator.transform(frame), mean)
    told = tiny(kinds={"rooms": "count"}).fit(frame)
    assert told.model_.likelihood.columns["rooms"] == "count"
    with pytest.raises(ValueError, match="Column 'sex' must contain .*Received: .*'X'"):
        estimator.transform(frame.assign(sex="X"))
    with pytest.raises(ValueError, match="now missing:\n- sex"):
        estimator.transform(frame.drop(columns="sex"))
    with pytest.raises(ValueError, match="could not convert string to float"):
        tiny(likelihood="gaussian").fit(frame)


@once
def test_columns_that_depend_on_each_other():
    """A column that is a function of another stays one, even if z says nothing of either."""
    towns = np.random.default_rng(0).choice(["Bonn", "Kiel", "Ulm"], 600)
    frame = pd.DataFrame({"town": towns, "code": pd.Series(towns).str[:1]})
    kept = {}
    for likelihood in (None, "autoregressive_columns"):
        options = {"likelihood": likelihood, "objective": objectives.ELBO(10.0)}
        estimator = tiny(**options, epochs=15, batch_size=32, learning_rate=0.01)
        rows = estimator.fit(frame).sample(300, random_state=0)
        kept[likelihood] = (rows["town"].str[0] == rows["code"]).mean()
    assert kept[None] < 0.6 and kept["autoregressive_columns"] > 0.95


@once
@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("as_frame", [False, True])
def test_one_hot_classes(as_frame, wine):
    """Their classes are the columns; a class that no row has is none."""
    X, y = wine[0][:60], np.arange(60) // 30
    names = np.array(["a", "b", "c"]) if as_frame else np.arange(3)
    one_hot = np.eye(3)[y]
    one_hot = pd.DataFrame(one_hot.astype(bool), columns=names) if as_frame else one_hot
    vectors, plain = (tiny(random_state=0).fit(X, given) for given in (one_hot, names[y]))
    np.testing.assert_array_equal(vectors.classes_, plain.classes_)
    for use in ("inverse_transform", "sample", "score_samples"):
        first = {"inverse_transform": np.zeros((60, 2)), "sample": 60, "score_samples": X}[use]
        expected = getattr(plain, use)(first, names[y])
        np.testing.assert_allclose(getattr(vectors, use)(first, one_hot), expected, rtol=1e-5)
    with pytest.raises(ValueError, match="y should be a 1d array"):
        tiny().fit(X, 2 * np.eye(3)[y])


@once
@pytest.mark.usefixtures("uncompiled")
def test_pipelines_and_grid_search(wine):
    x, y = wine
    steps = make_pipeline(StandardScaler(), tiny(conditional=False), LogisticRegression())
    assert 0 <= steps.fit(x, y).score(x, y) <= 1
    grid = GridSearchCV(tiny(), {"latent_dim": [1, 3]}, cv=StratifiedKFold(2))
    found = grid.fit(x, y).best_estimator_.set_output(transform="pandas").transform(x)
    assert list(found)[0] == "cvaeestimator0" and found.shape[1] in (1, 3)


@pytest.mark.once
@pytest.mark.parametrize(
    "options, fitted_to, message",
    [
        ({"epochs": 0}, None, "`epochs` must be an integer of at least 1"),
        ({"learning_rate": 0}, None, "`learning_rate` must be a finite number above 0"),
        ({"samples": 0}, None, "`samples` must be an integer of at least 1"),
        ({"likelihood": "gausian"}, None, "Did you mean 'gaussian'"),
        ({}, np.linspace(0, 1, 20), "`y` must be classes; with `conditional=False`"),
        ({}, np.zeros(20), "`y` must contain two classes or more"),
    ],
)
def test_invalid_arguments_of_fit_raise_an_error(options, fitted_to, message):
    with pytest.raises(ValueError, match=message):
        tiny(**options).fit(np.eye(20)[:, :3], fitted_to)


@pytest.mark.once
def test_invalid_arguments_after_fit_raise_an_error(wine, fitted):
    x, y = wine
    with pytest.raises(ValueError, match="`y` must be of the classes .*Received: .*merlot"):
        fitted.score_samples(x, np.where(y == "barolo", "merlot", y))
    with pytest.raises(ValueError, match="`y` must be one class, or one for each of 3 rows"):
        fitted.sample(3, ["barolo", "barbera"])
    with pytest.raises(ValueError, match="`z` must have the shape"):
        fitted.inverse_transform(np.zeros((3, 5)))


@pytest.mark.slow
@once
def test_rows_of_wine_are_of_their_class_and_new():
    """Drawn from half of the rows, they train a classifier of the other half, and are no copies."""
    x, y = load_wine(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.5, random_state=0)
    estimator = CVAEEstimator(6, random_state=0, samples=50).fit(x_train, y_train)
    drawn = estimator.sample(300, np.arange(300) % 3)
    classifier = make_pipeline(StandardScaler(), LogisticRegression())
    assert classifier.fit(drawn, np.arange(300) % 3).score(x_test, y_test) > 0.9
    scale = x_train.std(0)
    nearest = NearestNeighbors(n_neighbors=1).fit(x_train / scale)
    ours, real = (np.median(nearest.kneighbors(rows / scale)[0]) for rows in (drawn, x_test))
    assert 0.6 < ours / real < 1.7
    # Density, beside a normal distribution for each class.
    normal = [scipy.stats.multivariate_normal(m, np.diag(v)) for m, v in by_class(x_train, y_train)]
    independent = np.mean(
        [normal[label].logpdf(row) for row, label in zip(x_test, y_test, strict=True)]
    )
    assert estimator.score(x_test, y_test) > independent - 1.0


def by_class(x, y):
    return [(x[y == label].mean(0), x[y == label].var(0)) for label in np.unique(y)]
