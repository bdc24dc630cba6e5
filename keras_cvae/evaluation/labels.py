"""The effect of the label on an image."""

from __future__ import annotations

import numpy as np
from keras import ops

from keras_cvae.evaluation import examples


def label_effect(cvae, x, y) -> float:
    r"""Measures how much an image changes with its label, relative to the difference of images.

    E |m(z, y) - m(z, y')|^2 / E |m(z, y) - m(z', y)|^2, where m is the mean of p(x | z, y), z and
    z' are the means of q(z | x, y) for two of the images, and y' is another class; all classes are
    used in turn. If the number is near 0, the model ignores its label, as z also contains the
    class.

    Args:
        cvae: A `CVAE` whose condition is one of classes.
        x: Images of shape `(count, *image_shape)`, uint8 or floats, two or more.
        y: Their labels, of shape `(count,)`; images with -1 are left out.

    Returns:
        A number of at least 0; NaN if fewer than two images are labelled.
    """
    x, (y,) = examples.check(cvae, x, y)
    x, y = x[y >= 0], y[y >= 0]
    if len(x) < 2:
        return float("nan")
    pixels = examples.pixels(cvae, x)
    data = [pixels, y][: len(cvae.encoder.inputs)]
    z, _ = cvae.encoder(data if len(data) > 1 else pixels, training=False)
    count = len(cvae.classes)
    changed = (y + np.arange(len(y)) % (count - 1) + 1) % count
    means = [
        ops.convert_to_numpy(cvae.likelihood(cvae.decoder([z, ops.convert_to_tensor(y)])))
        for z, y in ((z, y), (z, changed), (ops.roll(z, 1, axis=0), y))
    ]
    scale = pixels.reshape(-1, pixels.shape[-1]).std(0) + 1e-9  # columns may have several units
    by_label, by_image = means[0] - means[1], means[0] - means[2]
    return float(np.square(by_label / scale).mean() / np.square(by_image / scale).mean())
