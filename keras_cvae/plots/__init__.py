"""Pictures of what a model does: arrays in, a matplotlib `Figure` out.

No function here touches a model: compute the images, then draw them. Images are uint8 in 0..255
or numbers in [0, 1], with shape `(H, W)`, `(H, W, 1)` or `(H, W, 3)` behind the leading axes that
each function names; vectors have to be reshaped first. Labels are integers, -1 means unlabelled.
A figure belongs to no window and to no global list: keep it, or write it with
`figure.savefig("name.png")`. At its own resolution a pixel of an image is a whole number of
pixels on the screen, unless the grid is larger than 4000 pixels. Wherever an array has the wrong
shape, type or range, or does not match another, a `ValueError` says so.
"""

from keras_cvae.plots.curves import loss_curves
from keras_cvae.plots.latent import interpolation, latent_scatter, manifold, traversals
from keras_cvae.plots.sheets import class_rows, label_swaps, reconstructions, sheet
from keras_cvae.plots.tables import correlations, marginals

__all__ = [
    "class_rows",
    "correlations",
    "interpolation",
    "label_swaps",
    "latent_scatter",
    "loss_curves",
    "manifold",
    "marginals",
    "reconstructions",
    "sheet",
    "traversals",
]
