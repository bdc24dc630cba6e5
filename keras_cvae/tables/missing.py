"""The pattern of missing cells in a row: a mixture of the patterns in the data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from keras import ops

from keras_cvae import checks
from keras_cvae.likelihoods import categorical
from keras_cvae.types import Tensor

if TYPE_CHECKING:
    from pandas import DataFrame

MOST_PATTERNS = 64  # the most frequent patterns are kept
OTHERWISE = 1e-4  # probability that a cell differs from its pattern, so that no row is impossible


class MissingPatterns:
    r"""A mixture of patterns, whose probabilities depend on a row's latent z.

    log P(m | z) = log \sum_c \pi_c(z) \prod_j P(m_j | c),

    where m_j is 1 if cell j is missing; it differs from pattern c with probability 1e-4. The
    logits of \pi are the decoder's output plus the logarithm of each pattern's share of the rows,
    so that patterns occur at their rate even where z has no information about them.

    Args:
        patterns: List of `[share, names]`: the share of rows in which exactly the columns of these
            names are missing.
        columns: Names of all columns of x, in their order.

    Raises:
        ValueError: If a share is not above 0, or a name is not that of a column.
    """

    def __init__(self, patterns: Sequence, columns: Sequence[str]):
        for share, names in patterns:
            checks.number("missing", share, above=0, most=1)
            for name in names:
                checks.look_up("missing", name, dict.fromkeys(columns, True))
        named = {name for _, names in patterns for name in names}
        self.places = [place for place, name in enumerate(columns) if name in named]
        self.size = len(patterns) if self.places else 0
        self._among = len(columns)
        rows = [[columns[place] in names for place in self.places] for _, names in patterns]
        self._patterns = np.array(rows, "float32").reshape(len(patterns), len(self.places))
        self._log_shares = np.log([[share for share, _ in patterns]], dtype="float32")

    def log_prob(self, known, parameters) -> Tensor:
        """Returns the log-probability of the patterns of missing cells.

        Args:
            known: Booleans of shape `(batch, columns)`, true where a cell is known.
            parameters: The decoder's output, of shape `(batch, size)`.

        Returns:
            Tensor of shape `(batch,)`, in nats.
        """
        missing = 1.0 - ops.cast(ops.take(known, self.places, axis=1), "float32")
        differ = ops.sum(ops.abs(ops.subtract(missing[:, None], self._patterns[None])), axis=2)
        same = len(self.places) - differ
        of_cells = same * math.log1p(-OTHERWISE) + differ * math.log(OTHERWISE)
        return ops.logsumexp(ops.log_softmax(self._logits(parameters)) + of_cells, axis=1)

    def leave_out(self, cells, parameters, seed) -> Tensor:
        """Samples a pattern for each row, and sets the missing cells to NaN.

        Args:
            cells: Tensor of shape `(batch, columns)`.
            parameters: The decoder's output, of shape `(batch, size)`.
            seed: As for `Likelihood.sample`.
        """
        pattern = categorical.sample_category(self._logits(parameters)[:, None], seed)
        to_columns = np.eye(self._among, dtype="float32")[self.places]
        patterns = ops.convert_to_tensor(self._patterns @ to_columns)
        gone = ops.take(patterns, ops.cast(pattern[:, 0], "int32"), axis=0)
        return ops.where(gone > 0, np.nan, cells)

    def _logits(self, parameters):
        return ops.add(parameters, self._log_shares)


def patterns_of(holes: DataFrame) -> tuple:
    """Finds the patterns of missing cells in a table, and their shares of the rows.

    Args:
        holes: Booleans, true where a cell is missing.

    Returns:
        Pairs `(share, names)`, the most frequent first; an empty tuple where no cell is missing.
    """
    if not holes.to_numpy().any():
        return ()
    shares = holes.value_counts(normalize=True).head(MOST_PATTERNS)
    total = float(shares.sum())
    patterns = []
    for pattern, share in shares.items():
        names = tuple(name for name, gone in zip(holes.columns, pattern, strict=True) if gone)
        patterns.append((float(share) / total, names))
    return tuple(patterns)
