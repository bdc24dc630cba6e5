"""The initial state of both flows of couplings, and their errors."""

import keras
import numpy as np
import pytest

from keras_cvae import priors

every_flow = pytest.mark.parametrize("kind", [priors.Flow, priors.SplineFlow])


def numpy(x):
    return keras.ops.convert_to_numpy(x)


@pytest.mark.parametrize(("kind", "error"), [(priors.Flow, 0.0), (priors.SplineFlow, 1e-5)])
def test_it_starts_as_the_standard_normal(kind, error):
    prior = kind()
    prior.build((None, 3))
    z = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    tensor = keras.ops.convert_to_tensor(z)
    np.testing.assert_allclose(numpy(prior.transport(tensor)), z, rtol=0, atol=error)
    expected = numpy(priors.StandardNormal().log_prob(tensor))
    density = numpy(prior.log_prob(tensor))
    np.testing.assert_allclose(density, expected, rtol=1e-6, atol=10 * error)


@pytest.mark.once
@every_flow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"couplings": 0}, "`couplings` must be an integer of at least 1"),
        ({"hidden_units": ()}, "`hidden_units` must be a list or tuple"),
        ({"activation": "tanhh"}, "activation"),
    ],
)
def test_bad_arguments_raise_an_error(kind, options, message):
    with pytest.raises(ValueError, match=message):
        kind(**options)


@pytest.mark.once
@every_flow
def test_unsupported_shapes_raise_an_error(kind):
    with pytest.raises(ValueError, match="`latent_dim` of a flow must be an integer of at least 2"):
        kind().build((None, 1))
    with pytest.raises(ValueError, match="must be used with a condition"):
        kind(conditional=True).build((None, 2))
