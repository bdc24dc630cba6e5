"""Pictures of a model: each function takes arrays and returns a matplotlib `Figure`.

No function here takes a model: compute the images, then draw them. Images are uint8 in 0..255 or
numbers in [0, 1], of shape `(H, W)`, `(H, W, 1)` or `(H, W, 3)` after the leading axes that each
function names; reshape vectors first. Labels are integers, and -1 means unlabelled. A figure has no
window and is in no global list: write it with `figure.savefig("name.png")`. At its own resolution a
pixel of an image is a whole number of pixels on the screen, unless the grid is larger than 4000
pixels. An array of wrong shape, type or range, or one that does not match another, raises a
`ValueError`.
"""

from keras_cvae.plots.curves import compared_curves, loss_curves
from keras_cvae.plots.latent import interpolation, latent_scatter, latent_use, manifold, traversals
from keras_cvae.plots.sheets import class_rows, label_swaps, neighbours, reconstructions, sheet
from keras_cvae.plots.tables import correlations, marginals

__all__ = [
    "class_rows",
    "compared_curves",
    "correlations",
    "interpolation",
    "label_swaps",
    "latent_scatter",
    "latent_use",
    "loss_curves",
    "manifold",
    "marginals",
    "neighbours",
    "reconstructions",
    "sheet",
    "traversals",
]
