"""Numbers whose distance from 0 is large compared with their differences."""

import keras
import numpy as np
import pytest

import keras_cvae
from keras_cvae import conditions, evaluation, far_columns, likelihoods, networks, standardize

TIMES = 1.6e9 + np.arange(0.0, 1000.0, 10.0)


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def test_packed_and_unpacked_values_are_standardized():
    x = np.stack([TIMES, np.linspace(-1, 1, 100)], axis=1)
    x[:7, 0] = 0.0, -1.6e9, 3.2e9, 1e30, x[:, 0].mean(), 1e-3, np.nan
    mean, scale = np.float64([1.6e9 + 495, 0.0]), np.float64([288.7, 0.6])
    learned = *far_columns.split(mean, scale), scale
    packed = far_columns.pack(x, *learned)
    assert packed.dtype == "float32" and x.dtype == "float64"
    np.testing.assert_array_equal(far_columns.pack(packed, *learned), packed)  # once is enough
    assert len(np.unique(packed[7:, 0])) == 93
    learned = [np.float32(part) for part in learned]
    tensor = keras.ops.convert_to_tensor
    found = numpy(far_columns.standardize(tensor(packed), *map(tensor, learned)))
    np.testing.assert_allclose(found, (x - mean) / scale, rtol=1e-6, atol=1e-6)
    raw = numpy(far_columns.standardize(tensor(x.astype("float32")), *map(tensor, learned)))
    np.testing.assert_allclose(raw, (x.astype("float32") - mean) / scale, rtol=1e-6, atol=1e-6)
    back = numpy(far_columns.unpack(tensor(packed), *map(tensor, learned)))
    np.testing.assert_allclose(back, x, rtol=1e-6, atol=200)
    near = np.float32([[0.5, 2.0]])
    assert far_columns.pack(near, np.zeros(2), np.ones(2), np.ones(2)) is near


@pytest.mark.parametrize("center, width", [(1.6e9, 1000.0), (1e9, 1.0), (-1e12, 5.0)])
def test_values_of_a_condition_far_from_0_stay_distinct(center, width, tmp_path):
    values = center + np.linspace(0, width, 100)
    condition = conditions.Vector(1)
    condition.adapt(values)
    twin = conditions.Vector.from_config(condition.get_config())
    for layer in (condition, twin):
        checked = layer.packer()(layer.check(values, 100))["vector"]
        y = numpy(layer(checked))[:, 0]
        np.testing.assert_allclose(y, (values - values.mean()) / values.std(), atol=1e-4)
        assert len(np.unique(y)) == 100


class Batches(keras.utils.PyDataset):
    def __init__(self, x):
        super().__init__()
        self.x = x

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return self.x[index * 125 : (index + 1) * 125]


@pytest.mark.slow
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.filterwarnings("ignore:Posterior collapse")
def test_rows_far_from_0_keep_their_digits(stream, tmp_path):
    rng = np.random.default_rng(0)
    x = np.stack([1e6 + rng.uniform(-0.5, 0.5, 500), rng.normal(size=500)], axis=1)
    vae = keras_cvae.build_cvae(
        (2,), None, 2, network=networks.Dense((32,)), likelihood=likelihoods.Gaussian(0.01)
    )
    vae.compile(keras.optimizers.Adam(1e-2), metrics=["mae"])
    history = vae.fit(Batches(x) if stream else x, epochs=20, verbose=0).history
    assert history["mae"][-1] < 0.3
    vae.save(tmp_path / "vae.keras")
    for model in (vae, keras.saving.load_model(tmp_path / "vae.keras")):
        again = model.reconstruct(x)
        assert again.dtype == "float64" and len(np.unique(again[:, 0])) > 490
        assert np.corrcoef(again[:, 0], x[:, 0])[0, 1] > 0.95
        for pixels in ("mean", "sample"):
            drawn = model.generate(count=500, seed=0, pixels=pixels)
            assert len(np.unique(drawn[:, 0])) > 490 and np.abs(drawn[:, 0] - 1e6).max() < 2
        np.testing.assert_array_equal(model.decode(model.encode(x)[0]), again)
    twin = keras.models.clone_model(vae)
    twin.set_weights(vae.get_weights())
    for layer in (twin.get_layer("standardize"), twin.likelihood):
        layer.origin.assign(np.zeros(2))
    options = {"samples": 4, "verbose": 0}
    np.testing.assert_allclose(  # a density does not depend on where 0 is
        evaluation.log_likelihood(vae, x, **options),
        evaluation.log_likelihood(twin, x - [1e6, 0.0], **options),
        atol=1e-2,
    )


def test_weights_without_origins_are_loaded():
    standard, gaussian = standardize.Standardize(), likelihoods.OptimalGaussian()
    standard.build((None, 2))
    gaussian.build((None, 2))
    standard.load_own_variables({"0": np.ones(2), "1": np.full(2, 3.0), "2": np.float32(1)})
    learned = [np.log(0.5), 1.0, *standard.learned]
    gaussian.load_own_variables({str(i): np.float32(part) for i, part in enumerate(learned)})
    vector = conditions.Vector(2)
    vector.load_own_variables({str(i): np.float32(v) for i, v in enumerate([0, *learned[2:], 1])})
    for layer in (standard, gaussian):
        np.testing.assert_array_equal(numpy(layer.location), np.ones(2))
        np.testing.assert_array_equal(numpy(layer.scale), np.full(2, 3.0))
    np.testing.assert_array_equal(numpy(vector.variance), np.full(2, 3.0))
