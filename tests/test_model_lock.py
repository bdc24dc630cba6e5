"""Threads that share a model: what each call returns is what it returns alone."""

import threading
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest

import keras_cvae
from keras_cvae import evaluation, networks

X = np.random.default_rng(0).random((24, 6), "float32")
Y = np.arange(24) % 3


@pytest.fixture(scope="module")
def cvae():
    keras.utils.set_random_seed(0)
    model = keras_cvae.build_cvae((6,), 3, 2, network=networks.Dense((8,)))
    model.compile("adam")
    return model


def calls(cvae):
    """Calls of every kind, each with a size or seed of its own."""
    for place in range(8):
        rows = slice(0, 5 + 2 * place)
        x, y = X[rows], Y[rows]
        options = {"samples": 4, "seed": place, "verbose": 0}
        yield lambda y=y, place=place: cvae.generate(y, seed=place)
        yield lambda y=y, place=place: cvae.generate(y, seed=place, pixels="sample")
        yield lambda x=x, y=y: cvae.encode(x, y)[0]
        yield lambda x=x, y=y: cvae.reconstruct(x, y, 1)
        yield lambda x=x, y=y, o=options: evaluation.log_likelihood(cvae, x, y, **o)


def test_calls_in_threads_return_the_same_as_alone(cvae):
    alone = [call() for call in calls(cvae)]
    with ThreadPoolExecutor(8) as threads:
        together = [*threads.map(lambda call: call(), calls(cvae))]
    for ours, expected in zip(together, alone, strict=True):
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.usefixtures("uncompiled")
def test_only_callbacks_may_use_a_model_in_training(cvae):
    errors, images, begun = [], [], threading.Event()

    def use():
        begun.wait(60)
        for call in (lambda: cvae.generate([0]), lambda: cvae.fit(X, Y), lambda: cvae.encode(X, Y)):
            try:
                call()
            except RuntimeError as error:
                errors.append(str(error))

    other = threading.Thread(target=use)
    other.start()

    def at_end(epoch, logs):
        images.append(cvae.generate([0, 1]))
        begun.set()
        other.join(60)

    callback = keras.callbacks.LambdaCallback(on_epoch_end=at_end)
    cvae.fit(X, Y, epochs=1, verbose=0, callbacks=[callback])
    assert len(errors) == 3 and all("in training in another thread" in error for error in errors)
    assert images[0].shape == (2, 6)
    assert np.isfinite(cvae.generate([0, 1, 2])).all()  # and then it is free again
