"""What rises in training: where it is at each step, in what is saved, in evaluation; warnings."""

import warnings

import keras
import numpy as np
import pytest
from keras import ops

import keras_cvae
from keras_cvae import networks, objectives
from keras_cvae.objectives.warmup import WarmedKLDivergence

COUNT, BATCH = 40, 8  # five steps an epoch
X = np.random.default_rng(0).random((COUNT, 6), dtype="float32")
FIT = {"batch_size": BATCH, "verbose": 0}
TOO_SHORT = pytest.mark.filterwarnings("ignore:Training is shorter than the rise")


def build(objective, network=None, **options):
    network = network or networks.Dense((4,))
    cvae = keras_cvae.build_cvae((6,), None, 2, network=network, objective=objective)
    cvae.compile("adam", **options)
    return cvae


def steps_taken(cvae, name="kl"):
    return float(ops.convert_to_numpy(cvae.get_layer(name).taken))


def messages_of(found):
    """What was warned of, but for what other libraries warn of."""
    return [str(w.message) for w in found if "shorter than the rise" in str(w.message)]


class Stop(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = True


def test_beta_increases_with_training_steps_and_continues_after_loading(tmp_path):
    cvae = build(objectives.Warmup(2.0, steps=20))
    heard = []
    listen = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: heard.append(len(messages_of(found)))
    )
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        options = {**FIT, "validation_data": (X, None), "callbacks": [listen]}
        history = cvae.fit(X, epochs=4, initial_epoch=2, **options).history
    assert "it ends at step 10 of 20, where beta is 1 instead of 2" in messages_of(found)[0]
    assert heard == [1, 1] and len(messages_of(found)) == 1  # before the first step, and once
    assert history["beta"] == pytest.approx([0.5, 1.0])
    assert history["val_beta"] == [2.0, 2.0]
    cvae.evaluate(X, verbose=0, draws=1)
    cvae.encode(X)
    assert steps_taken(cvae) == 10
    cvae.save(tmp_path / "cvae.keras")
    loaded = keras.saving.load_model(tmp_path / "cvae.keras")
    for model in (cvae, loaded):
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            history = model.fit(X, epochs=3, **FIT).history
        assert not messages_of(found)
        assert history["beta"] == pytest.approx([1.5, 2.0, 2.0])
        assert steps_taken(model) == 25


@TOO_SHORT
@pytest.mark.parametrize(
    ("objective", "setting", "end", "penalty"),
    [
        (objectives.Warmup(2.0, steps=4), "beta", 2.0, lambda beta, kl: beta * kl),
        (
            objectives.Capacity(5.0, gamma=3.0, steps=4),
            "capacity",
            5.0,
            lambda capacity, kl: 3.0 * np.abs(kl - capacity),
        ),
    ],
)
def test_the_loss_of_a_step_is_at_that_step_and_of_evaluation_at_the_end(
    objective, setting, end, penalty
):
    """An epoch of one step: the averages of the epoch are those of the step."""
    cvae = build(objective)
    options = {"batch_size": COUNT, "verbose": 0, "validation_data": (X, None)}
    history = cvae.fit(X, epochs=5, **options).history
    np.testing.assert_allclose(history[setting], end * np.minimum(np.arange(1, 6) / 4, 1))
    assert history[f"val_{setting}"] == [end] * 5
    for prefix in ("", "val_"):
        reached, kl, reconstruction = (
            np.float64(history[prefix + name]) for name in (setting, "kl", "reconstruction")
        )
        expected = reconstruction + penalty(reached, kl)
        np.testing.assert_allclose(history[f"{prefix}loss"], expected, rtol=1e-5)
        np.testing.assert_allclose(history[f"{prefix}elbo"], -reconstruction - kl, rtol=1e-5)


@pytest.mark.parametrize("options", [{"steps_per_execution": 1}, {"run_eagerly": True}])
def test_every_training_loop_counts_steps_and_a_short_training_warns(options):
    cvae = build(objectives.Warmup(2.0, steps=20), **options)
    with pytest.warns(UserWarning, match="it ends at step 5 of 20, where beta is 0.5") as found:
        history = cvae.fit(X, epochs=4, callbacks=[Stop()], **FIT).history
    assert len(messages_of(found)) == 1
    assert history["beta"] == pytest.approx([0.5])


@pytest.mark.once
@pytest.mark.usefixtures("uncompiled")
@TOO_SHORT
def test_beta_increases_equally_for_all_groups_of_latents():
    network = networks.Hierarchical(networks.Dense((4,)), hidden_units=(4,))
    cvae = build(objectives.Warmup(2.0, steps=20), network, run_eagerly=True)
    history = cvae.fit(X, epochs=1, **FIT).history
    assert history["beta"] == pytest.approx([0.5])
    assert steps_taken(cvae) == steps_taken(cvae, "kl_2") == 5


@pytest.mark.usefixtures("uncompiled")
@TOO_SHORT
def test_fit_converts_epochs_to_steps():
    def batches():
        while True:
            yield (X[:BATCH],)

    cvae = build(objectives.Warmup(2.0, epochs=4))
    with pytest.raises(ValueError, match="`steps` must be the number of .* beta rises.*epochs=4"):
        cvae.fit(batches(), verbose=0)
    history = cvae.fit(batches(), steps_per_epoch=5, epochs=2, verbose=0).history
    assert history["beta"] == pytest.approx([0.5, 1.0])


def test_without_fit_epochs_are_unknown_and_beta_is_constant():
    layer = WarmedKLDivergence(2.0, epochs=3)
    mean, log_var = np.ones((2, 4, 3), "float32")
    layer([mean, log_var], training=True)
    (loss,) = layer.losses
    expected = 2.0 * 3 * 0.5 * (np.e + 1 - 1 - 1)
    assert float(ops.convert_to_numpy(loss)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", [objectives.Warmup, objectives.Capacity])
@pytest.mark.parametrize(
    ("duration", "message"),
    [
        ({"epochs": 0}, "`epochs` must be an integer of at least 1"),
        ({"epochs": 2.5}, "`epochs` must be an integer of at least 1"),
        ({"steps": 0}, "`steps` must be an integer from 1 to 16777216"),
        ({"steps": 2**24 + 1}, "`steps` must be an integer from 1 to 16777216"),
        ({"steps": 10, "epochs": 10}, "`steps` must be left out if `epochs` is set"),
    ],
)
def test_invalid_durations_raise_an_error(kind, duration, message):
    with pytest.raises(ValueError, match=message):
        kind(**duration)
