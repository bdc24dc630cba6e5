"""TensorBoard for a run: curves and samples during training, latents at the end."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from keras_cvae import callbacks
from keras_cvae.runs import pictures
from keras_cvae.runs.reading import Run

FOLDER = "board"
SAMPLES = 8  # samples of each class
MOST = 2000  # examples whose latents are shown, at most
PROJECTOR = """embeddings {
  tensor_name: "posterior means of z"
  tensor_path: "z.tsv"
  metadata_path: "labels.tsv"
}
"""


def callbacks_of(run: Run) -> list[keras.callbacks.Callback]:
    """Returns callbacks of `fit` that write the folder `board` of a run.

    `tensorboard --logdir RUN/board` shows the loss and its terms by epoch; for images, samples of
    each class from the same noise after every epoch; and in the projector the posterior means of
    test examples with their labels, at the end of training.

    Args:
        run: The run.
    """
    folder = run.folder / FOLDER
    result = [keras.callbacks.TensorBoard(folder, write_graph=False)]
    if len(run.model.image_shape) == 3:
        result.append(callbacks.EpochTensorBoard(lambda model: _samples(run), folder))
    result.append(keras.callbacks.LambdaCallback(on_train_end=lambda logs: write_latents(run)))
    return result


def write_latents(run: Run) -> Path:
    """Writes the posterior means of test examples for TensorBoard's projector.

    Args:
        run: The run.

    Returns:
        The folder.
    """
    folder = run.folder / FOLDER
    folder.mkdir(exist_ok=True)
    x, y, names = run.test_images(count=MOST)
    z, _ = run.model.encode(x, None if run.model.condition is None else run.model.y_of_class(y))
    np.savetxt(folder / "z.tsv", z, "%.5g", delimiter="\t")
    labels = [names[label] if label >= 0 else "unknown" for label in y] if names else [""] * len(z)
    lines = [" ".join(label.split()) for label in labels]
    (folder / "labels.tsv").write_text("\n".join(lines) + "\n", "utf-8")
    (folder / "projector_config.pbtxt").write_text(PROJECTOR)
    return folder


def _samples(run):
    classes = len(run.model.classes)
    y = np.repeat(np.arange(classes), SAMPLES) if classes else None
    images = run.model.generate(y, count=None if classes else SAMPLES**2, seed=0)
    return pictures.drawable(run, images)
