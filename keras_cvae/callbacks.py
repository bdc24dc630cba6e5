"""What happens between epochs: Keras callbacks that draw what the model has learned so far.

Each callback takes a function `draw(model)` that returns images, calls it once before the first
epoch and once after every epoch, and puts the sheet of images, titled with the number of epochs
trained, into a folder, an animation or TensorBoard. `draw` should hold fixed what it draws from,
so that only the learning shows:

```python
# The same latents every time: ten of each digit, one row a digit (with `columns=10`).
draw = lambda cvae: cvae.generate(np.repeat(np.arange(10), 10), seed=0)

# 16 fixed test digits, reconstructed; with `columns=16` below the originals.
draw = lambda cvae: cvae.reconstruct(x_test[:16], y_test[:16])
draw = lambda cvae: np.concatenate([x_test[:16], cvae.reconstruct(x_test[:16], y_test[:16])])

# One z, drawn as all ten digits.
z = np.repeat(np.random.default_rng(0).normal(size=(1, cvae.latent_dim)), 10, axis=0)
draw = lambda cvae: cvae.generator.predict([z, np.arange(10)], verbose=0)
```
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np

from keras_cvae import plots

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from PIL import Image

    Draw = Callable[[keras.Model], ArrayLike]


class _EpochCallback(keras.callbacks.Callback):
    """Draws before the first epoch and after every epoch; a subclass says where to."""

    def __init__(self, draw: Draw, columns: int | None = None):
        super().__init__()
        if not callable(draw):
            raise ValueError(
                "`draw` must be a function of the model that returns images, such as "
                f"`lambda cvae: cvae.generate([0, 1, 2], seed=0)`. Received: {draw!r}"
            )
        self.draw = draw
        self.columns = columns
        self._begun = False

    def on_train_begin(self, logs=None):
        self._begun = False

    def on_epoch_begin(self, epoch, logs=None):
        # `epoch` is above 0 in a resumed run, which `on_train_begin` is not told.
        if not self._begun:
            self._begun = True
            self._begin(epoch)
            self._add(epoch, self._picture(epoch))

    def on_epoch_end(self, epoch, logs=None):
        self._add(epoch + 1, self._picture(epoch + 1))

    def _picture(self, epoch: int) -> np.ndarray:
        """Returns the sheet after `epoch` epochs, as uint8 of shape `(height, width, 3)`."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        images = self.draw(self.model)
        try:
            images = keras.ops.convert_to_numpy(images)
            if images.dtype.kind == "f":  # the mean of a Gaussian may leave [0, 1]
                images = images.clip(0.0, 1.0)
            sheet = plots.sheet(images, columns=self.columns, title=f"epoch {epoch:03d}")
        except (TypeError, ValueError) as error:
            raise ValueError(f"What `draw` returned cannot be drawn: {error}") from error
        canvas = FigureCanvasAgg(sheet)
        canvas.draw()
        return np.array(canvas.buffer_rgba())[..., :3]

    def _begin(self, epoch: int):
        """Prepares for a run whose first picture is that of `epoch`."""

    def _add(self, epoch: int, picture: np.ndarray):
        raise NotImplementedError


class EpochImages(_EpochCallback):
    """Writes `epoch_000.png` before training and `epoch_001.png`, ... after every epoch.

    Args:
        draw: Function of the model to images of shape `(N, H, W[, C])`, uint8 or in [0, 1]; floats
            outside [0, 1] are clipped.
        directory: Folder of the files; made if need be. Files of the same names are replaced.
        columns: Number of images in a row; by default the sheet is about square.

    Raises:
        ValueError: If `draw` is not a function; when `fit` begins, if `directory` cannot be written
            or `draw` does not return images.

    Example:
    ```python
    draw = lambda cvae: cvae.generate(range(10), seed=0)
    cvae.fit([x_train, y_train], epochs=10, callbacks=[EpochImages(draw, "epochs", columns=5)])
    ```
    """

    def __init__(self, draw: Draw, directory: str | os.PathLike, columns: int | None = None):
        super().__init__(draw, columns)
        self.directory = Path(directory)

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        _make_writable(self.directory, "directory", self.directory)

    def _add(self, epoch, picture):
        from PIL import Image

        _save(Image.fromarray(picture), self.directory / f"epoch_{epoch:03d}.png", format="PNG")


class EpochGIF(_EpochCallback):
    """Writes an animated GIF with one frame an epoch, complete after every epoch.

    The file is replaced as a whole, so it is valid whenever training is interrupted. `fit` begins a
    new animation; with an `initial_epoch` above 0 it continues the one in `path`, whose frames
    are taken to begin at epoch 0.

    Args:
        draw: Function of the model to images of shape `(N, H, W[, C])`, uint8 or in [0, 1]; floats
            outside [0, 1] are clipped. Every frame has the size of the first.
        path: The file, ending in `.gif`; its folder is made if need be.
        columns: Number of images in a row; by default the sheet is about square.
        duration: How long a frame is shown, in milliseconds.

    Raises:
        ValueError: If `draw` is not a function, `path` does not end in `.gif` or `duration` is not
            positive; when `fit` begins, if `path` cannot be written or, in a resumed run, is not
            a GIF, or `draw` does not return images.

    Example:
    ```python
    draw = lambda cvae: cvae.reconstruct(x_test[:16], y_test[:16])
    cvae.fit([x_train, y_train], epochs=10, callbacks=[EpochGIF(draw, "training.gif")])
    ```
    """

    def __init__(
        self,
        draw: Draw,
        path: str | os.PathLike,
        columns: int | None = None,
        *,
        duration: int = 300,
    ):
        super().__init__(draw, columns)
        self.path = Path(path)
        if self.path.suffix.lower() != ".gif":
            raise ValueError(f"`path` must end in '.gif'. Received: {path}")
        if not duration > 0:
            raise ValueError(f"`duration` must be above 0 milliseconds. Received: {duration}")
        self.duration = duration
        self._frames = []

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        _make_writable(self.path.parent, "path", self.path)

    def _begin(self, epoch):
        self._frames = _read_frames(self.path, epoch) if self.path.exists() and epoch else []

    def _add(self, epoch, picture):
        from PIL import Image

        frame = Image.fromarray(picture)
        if self._frames and frame.size != self._frames[0].size:  # a title may be a pixel wider
            frame = Image.new("RGB", self._frames[0].size, "white")
            frame.paste(Image.fromarray(picture))
        self._frames.append(frame.quantize())
        first, *others = self._frames
        animation = {"save_all": True, "append_images": others, "loop": 0}
        _save(first, self.path, format="GIF", duration=self.duration, **animation)

    def on_train_end(self, logs=None):
        self._frames = []


class EpochTensorBoard(_EpochCallback):
    """Shows the images of every epoch in TensorBoard, as the run `images` of `log_dir`.

    The scalars are the business of `keras.callbacks.TensorBoard`, with the same `log_dir`.

    Args:
        draw: Function of the model to images of shape `(N, H, W[, C])`, uint8 or in [0, 1]; floats
            outside [0, 1] are clipped.
        log_dir: Folder that TensorBoard is started with.
        columns: Number of images in a row; by default the sheet is about square.

    Raises:
        ImportError: If TensorFlow or TensorBoard, which write the file, are not installed.
        ValueError: If `draw` is not a function; when `fit` begins, if `log_dir` cannot be written
            or `draw` does not return images.

    Example:
    ```python
    draw = lambda cvae: cvae.generate(range(10), seed=0)
    callbacks = [keras.callbacks.TensorBoard("logs"), EpochTensorBoard(draw, "logs")]
    cvae.fit([x_train, y_train], epochs=10, callbacks=callbacks)
    ```
    """

    def __init__(self, draw: Draw, log_dir: str | os.PathLike = "logs", columns: int | None = None):
        super().__init__(draw, columns)
        self.log_dir = Path(log_dir)
        packages = ("tensorflow", "tensorboard")
        missing = [name for name in packages if importlib.util.find_spec(name) is None]
        if missing:
            raise ImportError(
                "`EpochTensorBoard` needs TensorFlow and TensorBoard, whatever the backend. "
                f"Please `pip install {' '.join(missing)}`."
            )

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        _make_writable(self.log_dir / "images", "log_dir", self.log_dir)
        import tensorflow as tf

        self._writer = tf.summary.create_file_writer(str(self.log_dir / "images"))

    def _add(self, epoch, picture):
        import tensorflow as tf

        with self._writer.as_default():
            tf.summary.image("images", picture[None], step=epoch)
        self._writer.flush()

    def on_train_end(self, logs=None):
        self._writer.close()


def _make_writable(directory: Path, argument: str, received: Path):
    try:
        directory.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=directory).close()
    except OSError as error:
        raise ValueError(
            f"`{argument}` must be where files can be written. Received: {received} ({error})"
        ) from error


def _save(image: Image.Image, path: Path, **options):
    """Writes beside `path` and moves the whole file there, so that `path` is never half written."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        image.save(unfinished, **options)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _read_frames(path: Path, count: int) -> list[Image.Image]:
    """Returns the first `count` frames of a GIF."""
    from PIL import Image, ImageSequence

    try:
        with Image.open(path, formats=["GIF"]) as animation:
            frames = [
                frame.convert("RGB").quantize() for frame in ImageSequence.Iterator(animation)
            ]
    except OSError as error:
        raise ValueError(
            f"`path` must be a GIF, for a resumed run to continue. Received: {path} ({error})"
        ) from error
    return frames[:count]
