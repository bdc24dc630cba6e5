import numpy as np
import pytest
from keras import ops

from keras_cvae import objectives, terms
from keras_cvae.objectives.capacity import CapacityLoss

MEAN, LOG_VAR = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
M, LV = np.float64(MEAN), np.float64(LOG_VAR)
KL = 0.5 * (np.exp(LV) + M**2 - 1 - LV).sum(1)  # of each example


def test_the_loss_is_the_distance_from_the_capacity_of_the_step():
    layer = CapacityLoss(capacity=4.0, gamma=10.0, steps=4)
    assert 1.0 < KL.mean() < 2.0  # so that it is on either side
    for capacity in (1.0, 2.0, 3.0, 4.0, 4.0):
        with terms.step() as step:
            layer([MEAN, LOG_VAR], training=True)
        expected = 10.0 * abs(KL.mean() - capacity)
        assert float(ops.convert_to_numpy(step.losses[0])) == pytest.approx(expected, rel=1e-4)
        assert float(ops.convert_to_numpy(step.reported["capacity"])) == pytest.approx(capacity)


def test_sample_weights_apply_to_the_average_kl():
    weights = np.float32([0, 1, 2, 0.5, 3])
    layer = CapacityLoss(capacity=8.0, gamma=10.0, steps=4)
    with terms.step(weights) as step:
        layer([MEAN, LOG_VAR])
    expected = 10.0 * abs((weights * KL).mean() - 8.0)
    assert float(ops.convert_to_numpy(step.losses[0])) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("capacity", "sign"), [(0.0, 1), (100.0, -1)])
def test_gradients_move_the_kl_towards_the_capacity(gradient, capacity, sign):
    layer = CapacityLoss(capacity, gamma=10.0, steps=1)

    def loss(mean, log_var):
        layer([mean, log_var])
        return sum(layer.losses)

    of_mean, of_log_var = gradient(loss, MEAN, LOG_VAR)
    np.testing.assert_allclose(of_mean, sign * 10.0 * M / 5, rtol=1e-5, atol=1e-6)
    expected = sign * 10.0 * (np.exp(LV) - 1) / 2 / 5
    np.testing.assert_allclose(of_log_var, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["capacity", "gamma"])
@pytest.mark.parametrize("value", [-1, float("inf"), "much"])
def test_invalid_numbers_raise_an_error(name, value):
    for kind in (objectives.Capacity, CapacityLoss):
        with pytest.raises(ValueError, match=f"`{name}` must be a finite number of at least 0"):
            kind(**{name: value})
