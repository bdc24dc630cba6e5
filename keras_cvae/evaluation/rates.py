"""Rate and distortion, the two parts of minus the ELBO."""

from __future__ import annotations

import numpy as np

from keras_cvae.evaluation.likelihood import terms


def rate_and_distortion(cvae, x, y=None, **options) -> dict[str, np.ndarray]:
    r"""Splits minus the ELBO of each image into rate and distortion.

    R = E_q \sum_groups log q(z | x, y) / p(z | y) and D = -E_q log p(x | z, y); -ELBO = R + D, and
    the mean of R over the data bounds the mutual information of x and z given y from above.

    Args:
        cvae: A `CVAE`.
        x: As for `log_likelihood`.
        y: As for `log_likelihood`.
        **options: `draws`, `seed` and `verbose`, as for `terms`.

    Returns:
        Dict of `rate` and `distortion`, arrays of shape `(count,)`, in nats.

    Raises:
        ValueError: As for `log_likelihood`.

    Reference:
        [Alemi et al., 2018](https://arxiv.org/abs/1711.00464).
    """
    values = terms(cvae, x, y, **options)
    distortion = values["reconstruction"]
    return {"rate": -values["elbo"] - distortion, "distortion": distortion}
