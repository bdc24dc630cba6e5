"""Active units and KL divergences of models whose posteriors are known."""

import numpy as np
import pytest

import keras_cvae
from keras_cvae import evaluation, networks, priors
from tests.evaluation import known

DENSE = networks.Dense((8,))


@pytest.mark.parametrize("classes", [None, 3])
def test_of_a_linear_model(classes):
    model = known.Linear(classes, shift=None if classes is None else 0.05 * np.eye(3, 2))
    x, y = known.data(600), None if classes is None else np.arange(600) % 3
    variances = evaluation.variance_of_means(model.cvae, x, y)
    np.testing.assert_allclose(variances, model.means(x, y).var(0), rtol=1e-4)
    assert variances[0] > 0.01 > variances[1]  # the gain of the second is 0.02
    assert evaluation.active_units(model.cvae, x, y).tolist() == [True, False]
    assert evaluation.active_units(model.cvae, x, y, threshold=1e-5).all()
    kl = evaluation.kl_per_dimension(model.cvae, x, y)
    np.testing.assert_allclose(kl, model.kl(x, y), rtol=1e-4, atol=1e-6)


def test_of_a_learned_prior():
    """Summed over dimensions, it is the divergence of the loss layer."""
    cvae = keras_cvae.build_cvae((5,), 3, 2, network=DENSE, prior=priors.Conditional((4,)))
    rng = np.random.default_rng(0)
    for weight in cvae.trainable_weights:
        weight.assign_add(0.3 * rng.standard_normal(weight.shape))
    cvae.compile("adam")
    x, y = rng.random((64, 5), "float32"), np.arange(64) % 3
    kl = evaluation.kl_per_dimension(cvae, x, y)
    assert kl.shape == (64, 2) and (kl > -1e-6).all()
    expected = cvae.evaluate([x, y], verbose=0, draws=1, return_dict=True)["kl"]
    assert kl.sum(1).mean() == pytest.approx(expected, rel=1e-4)


def test_of_two_groups():
    """The lower group's is given a draw of the upper one's."""
    network = networks.Hierarchical(DENSE, top_dim=1)
    cvae = keras_cvae.build_cvae((5,), None, 3, network=network)
    rng = np.random.default_rng(0)
    for weight in cvae.trainable_weights:
        weight.assign_add(0.3 * rng.standard_normal(weight.shape))
    x = np.tile(rng.random((1, 5), "float32"), (4000, 1))
    kl = evaluation.kl_per_dimension(cvae, x)
    assert kl.shape == (4000, 3) and np.ptp(kl[:, 0]) < 1e-5 < np.ptp(kl[:, 1])
    terms = evaluation.terms(cvae, x, draws=1)
    for name, mine in (("kl", kl[:, :1]), ("kl_2", kl[:, 1:])):
        error = (terms[name].std() + mine.sum(1).std()) / np.sqrt(4000)
        assert mine.sum(1).mean() == pytest.approx(terms[name].mean(), abs=4 * error), name
    np.testing.assert_array_equal(kl, evaluation.kl_per_dimension(cvae, x))
    assert (kl[:, 1] != evaluation.kl_per_dimension(cvae, x, seed=1)[:, 1]).any()


def test_a_prior_other_than_a_diagonal_normal():
    cvae = keras_cvae.build_cvae((5,), None, 2, network=DENSE, prior="mixture")
    with pytest.raises(ValueError, match="prior that is a diagonal normal. Received: Mixture"):
        evaluation.kl_per_dimension(cvae, known.data(3).clip(0, 1))


@pytest.mark.parametrize(
    "gain, spread, said",
    [
        (known.GAIN, known.SPREAD, "No posterior collapse: 1 of 2 dimensions are in use, with "),
        (0 * known.GAIN, np.ones(2), "Posterior collapse: z contains almost no information"),
        (0 * known.GAIN, np.full(2, 0.1), "Posterior collapse: the mean of z does not depend"),
    ],
)
def test_collapse(gain, spread, said):
    model, x = known.Linear(gain=gain, spread=spread), known.data(200)
    assert evaluation.collapse(model.cvae, x).startswith(said)


def test_the_collapse_of_a_group():
    """Both of the lower group's parameters are those of its prior."""
    network = networks.Hierarchical(DENSE, top_dim=1)
    cvae = keras_cvae.build_cvae((5,), None, 2, network=network)
    for weight in cvae.get_layer("posterior_2").trainable_weights:
        weight.assign(np.zeros(weight.shape))
    for weight in cvae.get_layer("encoder").get_layer("z_mean").trainable_weights:
        weight.assign(np.ones(weight.shape))
    said = evaluation.collapse(cvae, np.abs(known.data(50)).clip(0, 1))
    assert said.startswith("Partial collapse: kl_2 is almost 0")
