import sys

import keras
import numpy as np
import pytest
from PIL import Image, ImageSequence

from keras_cvae import build_cvae, callbacks, networks, plots

Z = np.random.default_rng(0).normal(size=(10, 2)).astype("float32")
DIGITS = np.arange(10)


def draw(cvae):
    return cvae.generator.predict([Z, DIGITS], verbose=0)


def fit(data, *, epochs=3, cvae=None, callbacks=(), **kwargs):
    if cvae is None:
        keras.utils.set_random_seed(0)
        cvae = build_cvae((8, 8, 1), condition=10, network=networks.Dense((16,)))
        cvae.compile(keras.optimizers.Adam(0.01))
    history = cvae.fit(
        [data.x_train[:300], data.y_train[:300]],
        epochs=epochs,
        batch_size=50,
        verbose=0,
        shuffle=keras.backend.backend() != "torch",  # where `predict` alters the order
        callbacks=list(callbacks),
        **kwargs,
    )
    return cvae, history.history


def frames_of(path):
    with Image.open(path) as animation:
        return [np.array(frame.convert("RGB")) for frame in ImageSequence.Iterator(animation)]


class Each(keras.callbacks.Callback):
    """Calls `f(model, epochs trained)` after every epoch; listed last, it sees what was written."""

    def __init__(self, f):
        super().__init__()
        self.f = f

    def on_epoch_end(self, epoch, logs=None):
        self.f(self.model, epoch + 1)


@pytest.fixture(scope="module")
def trained(digits, tmp_path_factory):
    """A run with images and a GIF: what it left and what the model was at every epoch."""
    folder = tmp_path_factory.mktemp("run")
    drawn, counts, weights = [], [], []

    def recorded(model):
        drawn.append(draw(model))
        return drawn[-1]

    def look(model, epoch):
        counts.append(len(frames_of(folder / "new" / "training.gif")))
        weights.append(model.get_weights())

    written = [
        callbacks.EpochImages(recorded, folder / "new" / "images", columns=5),
        callbacks.EpochGIF(draw, folder / "new" / "training.gif", columns=5),
    ]
    cvae, history = fit(
        digits,
        callbacks=[*written, Each(look)],
        validation_data=([digits.x_test[:50], digits.y_test[:50]], None),
    )
    return folder / "new", drawn, counts, weights, cvae, history


@pytest.mark.once
def test_one_image_before_training_and_one_after_every_epoch(trained):
    folder, *_ = trained
    names = sorted(path.name for path in (folder / "images").iterdir())
    assert names == [f"epoch_{epoch:03d}.png" for epoch in range(4)]
    assert sorted(path.name for path in folder.iterdir()) == ["images", "training.gif"]


def test_images_are_those_of_the_weights_of_that_epoch(trained):
    _, drawn, _, weights, cvae, _ = trained
    final = cvae.get_weights()
    for images, then in zip(drawn[1:], weights, strict=True):
        cvae.set_weights(then)
        np.testing.assert_allclose(images, draw(cvae), atol=1e-6)
    cvae.set_weights(final)
    assert len(drawn) == 4
    for before, after in zip(drawn[:-1], drawn[1:], strict=True):
        assert np.abs(after - before).max() > 1e-3


@pytest.mark.once
def test_a_file_shows_its_images(trained):
    folder, drawn, *_ = trained
    shown = np.array(Image.open(folder / "images" / "epoch_003.png").convert("RGB"))
    plots.sheet(drawn[3], columns=5, title="epoch 003").savefig(folder.parent / "expected.png")
    expected = np.array(Image.open(folder.parent / "expected.png").convert("RGB"))
    np.testing.assert_array_equal(shown, expected)


@pytest.mark.once
def test_the_gif_is_complete_after_every_epoch_and_shows_the_same(trained):
    folder, _, counts, *_ = trained
    assert counts == [2, 3, 4]
    for epoch, frame in enumerate(frames_of(folder / "training.gif")):
        image = np.array(Image.open(folder / "images" / f"epoch_{epoch:03d}.png").convert("RGB"))
        height, width = (min(pair) for pair in zip(frame.shape[:2], image.shape[:2], strict=True))
        np.testing.assert_array_equal(frame[:height, :width], image[:height, :width])


def test_the_callback_does_not_change_training(trained, digits):
    *_, history = trained
    _, alone = fit(digits, validation_data=([digits.x_test[:50], digits.y_test[:50]], None))
    for name, values in alone.items():
        np.testing.assert_allclose(history[name], values, rtol=1e-6)


@pytest.mark.once
def test_an_interrupted_run_leaves_a_gif_that_a_resumed_one_continues(trained, digits, tmp_path):
    *_, cvae, _ = trained
    path = tmp_path / "training.gif"
    gif = callbacks.EpochGIF(draw, path)

    def interrupt(model, epoch):
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(digits, cvae=cvae, callbacks=[gif, Each(interrupt)])
    before = frames_of(path)
    assert len(before) == 3

    fit(digits, cvae=cvae, initial_epoch=2, epochs=4, callbacks=[callbacks.EpochGIF(draw, path)])
    after = frames_of(path)
    assert len(after) == 5
    np.testing.assert_array_equal(after[:2], before[:2])

    fit(digits, cvae=cvae, epochs=1, callbacks=[gif])  # the first instance again, from epoch 0
    assert len(frames_of(path)) == 2


@pytest.mark.once
def test_a_failed_write_keeps_the_gif_of_the_epoch_before(tmp_path, monkeypatch):
    path = tmp_path / "training.gif"
    gif = callbacks.EpochGIF(draw, path, duration=50)
    gif._begin(0)
    pictures = np.random.default_rng(0).integers(0, 256, (3, 20, 30, 3), "uint8")
    gif._add(0, pictures[0])
    gif._add(1, pictures[1][:19, :29])
    whole = path.read_bytes()

    def half(self, path, *args, **kwargs):
        path.write_bytes(whole[:100])
        raise OSError("No space left on device")

    monkeypatch.setattr(Image.Image, "save", half)
    with pytest.raises(OSError, match="No space"):
        gif._add(2, pictures[2])
    assert path.read_bytes() == whole
    assert list(tmp_path.iterdir()) == [path]
    with Image.open(path) as animation:
        assert animation.info["duration"] == 50
    assert [frame.shape for frame in frames_of(path)] == [(20, 30, 3)] * 2


def test_no_function_is_compiled_again(trained, digits, tmp_path):
    *_, cvae, _ = trained
    functions = []

    def look(model, epoch):
        functions.append(model.generator.predict_function)
        if keras.backend.backend() == "tensorflow":
            functions.append(functions[-1].experimental_get_tracing_count())

    fit(digits, cvae=cvae, callbacks=[callbacks.EpochImages(draw, tmp_path), Each(look)])
    assert len(set(functions)) == len(functions) // 3


@pytest.mark.once
def test_tensorboard_shows_images_and_scalars(trained, digits, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    *_, cvae, _ = trained
    written = callbacks.EpochTensorBoard(draw, tmp_path)
    for _ in range(2):  # an instance can be used again
        fit(digits, cvae=cvae, callbacks=[keras.callbacks.TensorBoard(tmp_path), written])
    events = EventAccumulator(str(tmp_path / "images"), size_guidance={"tensors": 0}).Reload()
    assert [event.step for event in events.Tensors("images")] == [0, 1, 2, 3] * 2
    png = events.Tensors("images")[-1].tensor_proto.string_val[2]
    assert png.startswith(b"\x89PNG")
    scalars = EventAccumulator(str(tmp_path / "train")).Reload().Tags()["tensors"]
    assert {"epoch_loss", "epoch_kl", "epoch_reconstruction"} <= set(scalars)


@pytest.mark.once
def test_a_missing_tensorboard_raises_an_error(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ImportError, match="pip install .*tensorboard"):
        callbacks.EpochTensorBoard(draw, tmp_path)


@pytest.mark.once
def test_wrong_arguments_raise_an_error():
    with pytest.raises(ValueError, match="`draw` must be a function.*Received: 'z'"):
        callbacks.EpochImages("z", "images")
    with pytest.raises(ValueError, match="`path` must end in '.gif'. Received: 'training.png'"):
        callbacks.EpochGIF(draw, "training.png")
    with pytest.raises(ValueError, match="`duration` must be .* above 0. Received: 0"):
        callbacks.EpochGIF(draw, "training.gif", duration=0)


@pytest.mark.once
@pytest.mark.parametrize(
    "images, message",
    [
        (np.zeros((10, 64)), "reshape vectors"),
        (np.zeros((10, 8, 8, 2)), "1 or 3 channels"),
        (np.full((10, 8, 8), np.nan), "without NaN"),
        (None, "can be drawn"),
        ([np.zeros((8, 8)), np.zeros((7, 7))], "can be drawn"),
    ],
)
def test_invalid_images_raise_an_error_before_training(images, message, trained, digits, tmp_path):
    *_, cvae, _ = trained
    before = cvae.get_weights()
    with pytest.raises(ValueError, match=f"`draw` must return images .*{message}"):
        fit(digits, cvae=cvae, callbacks=[callbacks.EpochImages(lambda _: images, tmp_path)])
    np.testing.assert_array_equal(cvae.get_weights()[0], before[0])


@pytest.mark.once
@pytest.mark.parametrize(
    "images",
    [
        np.full((3, 8, 8, 3), 200, "uint8"),
        np.linspace(-0.5, 1.5, 128).reshape(2, 8, 8),
        keras.ops.ones((2, 8, 8, 1)),
    ],
    ids=["uint8", "outside [0, 1]", "tensor"],
)
def test_valid_results_of_draw(images, tmp_path):
    written = callbacks.EpochImages(lambda _: images, tmp_path)
    picture = written._picture(0)
    assert picture.dtype == np.uint8 and picture.ndim == 3


@pytest.mark.once
def test_paths_that_cannot_be_written_raise_an_error(trained, digits, tmp_path):
    *_, cvae, _ = trained
    (tmp_path / "file").write_text("")
    for written in (
        callbacks.EpochImages(draw, tmp_path / "file"),
        callbacks.EpochGIF(draw, tmp_path / "file" / "training.gif"),
    ):
        with pytest.raises(ValueError, match="file.*' must be a folder that can be written to"):
            fit(digits, cvae=cvae, callbacks=[written])


@pytest.mark.once
def test_an_invalid_gif_of_a_resumed_run_raises_an_error(trained, digits, tmp_path):
    *_, cvae, _ = trained
    (tmp_path / "training.gif").write_text("text")
    gif = callbacks.EpochGIF(draw, tmp_path / "training.gif")
    with pytest.raises(ValueError, match="`path` must be an animation .* continue. Received: Unid"):
        fit(digits, cvae=cvae, initial_epoch=1, callbacks=[gif])
