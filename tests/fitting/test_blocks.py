"""Blocks: every row once an epoch, in an order that a seed decides on every backend."""

import itertools

import keras
import numpy as np
import pytest

from keras_cvae.fitting import blocks

BACKEND = keras.backend.backend()


def read(fed, epochs):
    """The rows that Keras is given, epoch by epoch."""
    feed, found = fed.fit_arguments(), []
    stream = feed["x"].as_numpy_iterator() if BACKEND == "tensorflow" else None
    for epoch in epochs:
        fed.begin_epoch(epoch)
        items = itertools.islice(stream or feed["x"].get_numpy_iterator(), len(fed))
        items = keras.tree.map_structure(keras.ops.convert_to_numpy, list(items))
        if fed.steps == 1:
            found.append([block[0][:, 0] for block in items])
        else:
            assert all(len(block[0]) == fed.steps * fed.batch_size for _, block in items)
            found.append([block[0][:count, 0] for count, block in items])
    return found


@pytest.mark.parametrize("steps", [1, 3])
def test_each_row_is_read_once_per_epoch_in_the_order_of_the_seed(steps):
    np.random.seed(5)
    seed = np.random.randint(2**31)
    np.random.seed(5)
    fed = blocks.Blocks((np.arange(35)[:, None],), 4, steps, shuffle=True)
    sizes = {1: [4] * 8 + [3], 3: [12, 12, 11]}[steps]
    for epoch, found in zip((4, 5), read(fed, (4, 5)), strict=True):
        assert [len(block) for block in found] == sizes
        expected = np.random.default_rng((seed, epoch)).permutation(35)
        np.testing.assert_array_equal(np.concatenate(found), expected)


def test_rows_in_order():
    fed = blocks.Blocks((np.arange(35)[:, None],), 4, 3)
    assert all(list(np.concatenate(found)) == list(range(35)) for found in read(fed, (0, 1)))


def test_the_choice_of_steps():
    small, large = np.zeros((60_000, 28, 28, 1), "uint8"), np.zeros((100, 512, 512, 3), "uint8")
    assert 10 <= blocks.Blocks((small,), 100).steps <= 200
    assert blocks.Blocks((large,), 32).steps == 1
    assert blocks.Blocks((small,), 100).batches % blocks.Blocks((small,), 100).steps == 0
    assert blocks.Blocks((small[:50],), 32).steps == 2
    assert blocks.Blocks((small,), 100, steps=7).steps == 7


def test_batches_of_blocks():
    fed = blocks.Blocks((np.arange(35)[:, None],), 4, 3)
    assert [(fed.first_batch(i), fed.last_batch(i)) for i in range(3)] == [(0, 2), (3, 5), (6, 8)]
    block = {"x": np.arange(12)}
    assert blocks.divide(block, 12, 4) == (3, None)
    count, partial = blocks.divide(block, 11, 4)
    assert count == 2 and list(partial["x"]) == [8, 9, 10]


def test_data_that_are_arrays():
    x, y = np.zeros((5, 2)), np.zeros(5)
    for data in [(x,), (x, None), ([x, y], None), ({"image": x, "label": {"deep": y}},)]:
        assert blocks.are_arrays(*data)
    for data in [(None,), (x, y[:4]), ([x, None],), (x[:0],), (np.float32(3),), ("text",), ([1],)]:
        assert not blocks.are_arrays(*data)


@pytest.mark.parametrize("size", [0, -1, 2.5, True])
def test_bad_batch_sizes_raise_an_error_before_training(size, tiny, rows):
    model = tiny()
    for name in ("batch_size", "validation_batch_size"):
        with pytest.raises(ValueError, match=f"`{name}` must be an integer of at least 1. Rec"):
            model.fit(rows, validation_data=(rows, None), verbose=0, **{name: size})
    with pytest.raises(ValueError, match="`batch_size` must be an integer of at least 1. Rec"):
        model.evaluate(rows, batch_size=size, verbose=0)
    assert not model.traces


@pytest.mark.parametrize("fraction", [0.999, 0.9999, 1.0, 1.5, -0.5])
def test_an_empty_split_raises_an_error(fraction, tiny, rows):
    with pytest.raises(ValueError, match="`validation_split` must be.*leave.*Received: valid.*"):
        tiny().fit(rows, validation_split=fraction, verbose=0)
