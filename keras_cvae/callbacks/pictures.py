"""Keras callbacks that draw images of the model between epochs.

Each takes a function `draw(model)` that returns images of shape `(N, H, W[, C])`, uint8 or floats,
which are clipped to [0, 1]. It is called before the first epoch and after every epoch. The sheet of
images, titled with the number of trained epochs, is written to a folder, an animation or
TensorBoard. `draw` should use the same latents or images each time, so that the pictures differ by
the training only:

```python
# The same latents every time, ten for each digit: with `columns=10`, one row a digit.
draw = lambda cvae: cvae.generate(np.repeat(np.arange(10), 10), seed=0)
# 16 fixed test digits, reconstructed.
draw = lambda cvae: cvae.reconstruct(x_test[:16], y_test[:16])
# One z, decoded as all ten digits.
z = np.repeat(np.random.default_rng(0).normal(size=(1, cvae.latent_dim)), 10, axis=0)
draw = lambda cvae: cvae.generator.predict([z, np.arange(10)], verbose=0)

cvae.fit([x_train, y_train], epochs=10, callbacks=[EpochImages(draw, "epochs", columns=10)])
```

Wrong arguments, a folder that cannot be written to and images that cannot be drawn raise a
`ValueError` before training begins. Drawing does not change the training, except on torch: data
loaders share one random state, so that `predict` and `evaluate` change the order of later batches.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from keras_cvae import plots
from keras_cvae.checks import explain, number, require

Draw = Callable[[keras.Model], np.ndarray]


class _EpochCallback(keras.callbacks.Callback):
    """Draws before the first epoch and after every epoch; a subclass writes the sheet in `_add`."""

    def __init__(self, draw: Draw, directory: Path, columns: int | None):
        super().__init__()
        expected = (
            "must be a function of the model that returns images, such as "
            "`lambda cvae: cvae.generate([0, 1, 2], seed=0)`"
        )
        require(callable(draw), "draw", expected, repr(draw))
        self.draw, self.directory, self.columns = draw, directory, columns

    def on_train_begin(self, logs=None):
        self._begun = False
        with explain(None, f"'{self.directory}' must be a folder that can be written to", OSError):
            self.directory.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self.directory).close()

    def on_epoch_begin(self, epoch, logs=None):
        if not self._begun:
            self._begun = True
            self._begin(epoch)
            self._add(epoch, self._picture(epoch))

    def on_epoch_end(self, epoch, logs=None):
        self._add(epoch + 1, self._picture(epoch + 1))

    def get_state(self) -> dict:
        """Returns an empty state: a resumed training continues with the existing files."""
        return {}

    def set_state(self, state):
        """Does nothing."""

    def _picture(self, epoch):
        """Returns the sheet after `epoch` epochs, as uint8 of shape `(height, width, 3)`."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        images = self.draw(self.model)  # on JAX, reading `self.model` updates its weights
        with explain("draw", "must return images that can be drawn", (TypeError, ValueError)):
            images = keras.ops.convert_to_numpy(images)
            if images.dtype.kind == "f":
                images = images.clip(0.0, 1.0)
            sheet = plots.sheet(images, columns=self.columns, title=f"epoch {epoch:03d}")
        canvas = FigureCanvasAgg(sheet)
        canvas.draw()
        return np.array(canvas.buffer_rgba())[..., :3]

    def _begin(self, epoch):
        """Prepares for the first picture, after `epoch` epochs: above 0 if training is resumed."""


class EpochImages(_EpochCallback):
    """Writes `epoch_000.png` before training and `epoch_001.png`, ... after every epoch.

    Args:
        draw: Function of the model that returns images of shape `(N, H, W[, C])`.
        directory: Folder of the files, made if missing. Files of the same names are replaced.
        columns: Number of images in a row; by default the sheet is about square.
    """

    def __init__(self, draw: Draw, directory: str | os.PathLike, columns: int | None = None):
        super().__init__(draw, Path(directory), columns)

    def _add(self, epoch, picture):
        from PIL import Image

        Image.fromarray(picture).save(self.directory / f"epoch_{epoch:03d}.png")


class EpochGIF(_EpochCallback):
    """Writes an animated GIF with one frame per epoch.

    The file is complete after every epoch, even if training is interrupted. `fit` begins a new
    animation; with `initial_epoch` above 0 it continues the one in `path`.

    Args:
        draw: Function of the model that returns images of shape `(N, H, W[, C])`, the same number
            at every call.
        path: The file, ending in `.gif`; its folder is made if missing.
        columns: Number of images in a row; by default the sheet is about square.
        duration: How long a frame is shown, in milliseconds.
    """

    def __init__(
        self,
        draw: Draw,
        path: str | os.PathLike,
        columns: int | None = None,
        duration: int = 300,
    ):
        self.path = Path(path)
        super().__init__(draw, self.path.parent, columns)
        require(self.path.suffix.lower() == ".gif", "path", "must end in '.gif'", repr(path))
        self.duration = number("duration", duration, above=0)

    def _begin(self, epoch):
        from PIL import Image, ImageSequence

        self._frames = []
        if not epoch or not self.path.exists():
            return
        expected = "must be an animation that a resumed run can continue"
        with (
            explain("path", expected, OSError),
            Image.open(self.path, formats=["GIF"]) as animation,
        ):
            frames = [frame.convert("RGB") for frame in ImageSequence.Iterator(animation)]
        self._frames = [frame.quantize() for frame in frames[:epoch]]  # those of epoch 0, 1, ...

    def _add(self, epoch, picture):
        from PIL import Image

        # All frames have the size of the first: a title may be a pixel wider.
        size = self._frames[0].size if self._frames else picture.shape[1::-1]
        frame = Image.new("RGB", size, "white")
        frame.paste(Image.fromarray(picture))
        self._frames.append(frame.quantize())
        first, *others = self._frames
        unfinished = self.path.with_name(f".{self.path.name}.unfinished")
        options = {"append_images": others, "duration": self.duration, "loop": 0}
        try:
            first.save(unfinished, "GIF", save_all=True, **options)
            os.replace(unfinished, self.path)
        finally:
            unfinished.unlink(missing_ok=True)


class EpochTensorBoard(_EpochCallback):
    """Shows images in TensorBoard; the step is the number of epochs trained.

    The images are a separate run, `images`, in the folder. Scalars are written by a second
    callback, `keras.callbacks.TensorBoard(log_dir)`.

    Args:
        draw: Function of the model that returns images of shape `(N, H, W[, C])`.
        log_dir: Folder that TensorBoard is started with, made if missing.
        columns: Number of images in a row; by default the sheet is about square.

    Raises:
        ImportError: If TensorFlow or TensorBoard, which Keras uses too, are not installed.
    """

    def __init__(self, draw: Draw, log_dir: str | os.PathLike, columns: int | None = None):
        super().__init__(draw, Path(log_dir, "images"), columns)
        if not all(importlib.util.find_spec(name) for name in ("tensorflow", "tensorboard")):
            raise ImportError(
                "`EpochTensorBoard` needs TensorFlow and TensorBoard, whatever the backend: "
                "`pip install tensorflow tensorboard`."
            )

    def _begin(self, epoch):
        from tensorflow import summary

        self._summary, self._writer = summary, summary.create_file_writer(str(self.directory))

    def _add(self, epoch, picture):
        with self._writer.as_default():
            self._summary.image("images", picture[None], step=epoch)
        self._writer.flush()
