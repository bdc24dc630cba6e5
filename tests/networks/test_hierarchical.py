"""Two groups of latents: the second one's posterior and prior depend on the first."""

import keras
import numpy as np
import pytest

import keras_cvae
from keras_cvae import divergences, evaluation, graph, networks

NETWORK = networks.Hierarchical(networks.Dense((16,)), hidden_units=(8,))


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def transport(prior, *arrays):
    return numpy(prior.transport(*map(keras.ops.convert_to_tensor, arrays)))


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 256)
    x = (rng.random((256, 6)) < np.eye(3)[y].repeat(2, 1) * 0.8 + 0.1).astype("float32")
    return x, y


@pytest.fixture(scope="module")
def cvae(data):
    keras.utils.set_random_seed(0)
    cvae = keras_cvae.build_cvae((6,), 3, 5, network=NETWORK)
    cvae.compile(keras.optimizers.Adam(1e-2))
    cvae.history_ = cvae.fit(list(data), epochs=10, verbose=0).history
    return cvae


def test_the_divergence_of_each_group_is_a_term(cvae):
    history = cvae.history_
    assert set(history) == {"loss", "reconstruction", "kl", "kl_2", "elbo"}
    total = np.sum([history[name] for name in ("reconstruction", "kl", "kl_2")], axis=0)
    np.testing.assert_allclose(history["loss"], total, rtol=1e-5)
    assert min(history["kl"][-1], history["kl_2"][-1]) > 0
    assert history["loss"][-1] < history["loss"][0] - 0.1


def test_every_method_has_the_latents_of_both_groups(cvae, data):
    x, y = data[0][:7], data[1][:7]
    assert cvae.latent_dim == 5
    z_mean, z_log_var = cvae.encode(x, y)
    assert z_mean.shape == z_log_var.shape == (7, 5)
    images = cvae.reconstruct(x, y)
    assert images.shape == (7, 6)
    np.testing.assert_allclose(cvae.decode(z_mean, y), images, atol=1e-6)
    drawn = cvae.generate([0, 1, 2], seed=1)
    assert drawn.shape == (3, 6) and 0 <= drawn.min() and drawn.max() <= 1
    np.testing.assert_array_equal(drawn, cvae.generate([0, 1, 2], seed=1))
    assert np.abs(drawn - cvae.generate([0, 1, 2], seed=2)).max() > 1e-3


def test_the_second_term_is_between_posterior_and_prior_given_the_first_group(cvae, data):
    """Without noise in the first group, against a NumPy computation from the parts."""
    x, y = data
    one_hot = np.eye(3, dtype="float32")[y]
    parts = graph.read(cvae)
    assert [group.size for group in parts.groups] == [2, 3]
    head = cvae.get_layer("encoder").get_layer("z_log_var")
    before = head.get_weights()
    head.set_weights([0 * before[0], np.full(2, -60.0)])
    try:
        mean, _, features = map(numpy, cvae.get_layer("encoder")([x, one_hot]))
        above = np.concatenate([one_hot, mean], axis=-1)
        second = parts.groups[1]
        posterior = list(map(numpy, second.posterior([features, above])))
        prior = list(map(numpy, second.prior.parameters(above)))
        expected = numpy(divergences.normal_kl(*posterior, *prior)).mean()
        logs = cvae.evaluate([x, y], draws=1, verbose=0, return_dict=True)
        np.testing.assert_allclose(logs["kl_2"], expected, rtol=1e-4)
        z_mean, z_log_var = cvae.encode(x, y)
        np.testing.assert_allclose(z_mean, np.concatenate([mean, posterior[0]], -1), atol=1e-5)
        np.testing.assert_allclose(z_log_var[:, 2:], posterior[1], atol=1e-5)
    finally:
        head.set_weights(before)


def test_the_second_prior_depends_on_the_first_group_and_on_y(cvae):
    prior = graph.read(cvae).groups[1].prior
    one_hot = np.eye(3, dtype="float32")
    noise = np.zeros((3, 3), "float32")
    low, high = (np.full((3, 2), value, "float32") for value in (-1, 1))
    below, above = (transport(prior, noise, np.concatenate([one_hot, z], -1)) for z in (low, high))
    assert np.abs(below - above).max() > 1e-2
    assert np.abs(below[0] - below[1]).max() > 1e-3


def test_generate_samples_the_second_group_conditional_on_the_first(cvae):
    noise = np.random.default_rng(0).standard_normal((4, 5), "float32")
    y = np.int32([0, 1, 2, 0])
    one_hot = np.eye(3, dtype="float32")[y]
    prior = graph.read(cvae).groups[1].prior
    second = transport(prior, noise[:, 2:], np.concatenate([one_hot, noise[:, :2]], -1))
    z = np.concatenate([noise[:, :2], second], -1)
    images = cvae.generator.predict([noise, y], verbose=0)
    np.testing.assert_allclose(images, cvae.decode(z, y), atol=1e-6)


def test_log_likelihood_is_above_the_elbo(cvae, data):
    rows = slice(100)
    x, y = data[0][rows], data[1][rows]
    loss = cvae.evaluate([x, y], verbose=0, return_dict=True)["loss"]
    one, many = (
        evaluation.log_likelihood(cvae, x, y, samples=samples, verbose=0) for samples in (1, 64)
    )
    assert one.shape == many.shape == (100,)
    assert abs(one.mean() + loss) < 0.5  # a single sample of the same bound
    assert -loss < many.mean() < 0


def test_it_saves_and_loads(cvae, data, tmp_path):
    x, y = data
    cvae.save(tmp_path / "cvae.keras")
    loaded = keras.saving.load_model(tmp_path / "cvae.keras")
    for use in ("encode", "reconstruct"):
        for ours, theirs in zip(getattr(cvae, use)(x, y), getattr(loaded, use)(x, y), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-6)
    np.testing.assert_allclose(cvae.generate(y, seed=0), loaded.generate(y, seed=0), atol=1e-6)


@pytest.mark.once
@pytest.mark.parametrize(("top_dim", "sizes"), [(None, [2, 3]), (1, [1, 4]), (4, [4, 1])])
def test_sizes_of_the_groups(top_dim, sizes):
    cvae = keras_cvae.build_cvae((6,), None, 5, network=networks.Hierarchical(top_dim=top_dim))
    assert [group.size for group in graph.read(cvae).groups] == sizes
    assert cvae.encoder.output_shape == [(None, 5)] * 2


def test_over_convolutions_and_a_conditional_prior():
    network = networks.Hierarchical(networks.Conv((4, 6)), top_dim=1, hidden_units=(8,))
    cvae = keras_cvae.build_cvae((9, 7, 1), 3, 3, network=network, prior="conditional")
    x = np.random.default_rng(0).random((4, 9, 7, 1), dtype="float32")
    assert cvae([x, np.int32([0, 1, 2, -1])], training=True).shape == (4, 9, 7, 1)
    losses = [numpy(loss) for loss in cvae.losses]  # one of them 0, as the labels are valid
    assert len(losses) == 4 and np.isfinite(losses).all() and np.count_nonzero(losses) == 3
    kernels = [w.shape for w in cvae.get_layer("encoder").trainable_weights if len(w.shape) == 4]
    assert kernels == [(3, 3, 1 + 3, 4), (3, 3, 4, 6)]


@pytest.mark.once
@pytest.mark.parametrize(("latent_dim", "top_dim"), [(1, None), (3, 3), (3, 7)])
def test_too_few_latents_for_two_groups_raise_an_error(latent_dim, top_dim):
    network = networks.Hierarchical(top_dim=top_dim)
    with pytest.raises(ValueError, match="`latent_dim` must be at least 2 and above `top_dim`"):
        keras_cvae.build_cvae((6,), 3, latent_dim, network=network)


@pytest.mark.once
def test_models_with_latent_outputs_raise_an_error():
    h = keras.layers.Dense(4)(x := keras.Input((9,)))
    encoder = keras.Model(x, [keras.layers.Dense(1)(h), keras.layers.Dense(1)(h)])
    network = networks.Hierarchical((encoder, keras.layers.Dense(6)))
    with pytest.raises(ValueError, match="must return one tensor of features.*2 tensors"):
        keras_cvae.build_cvae((6,), 3, 2, network=network)
