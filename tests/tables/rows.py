"""A table with a column of every kind."""

import numpy as np
import pandas as pd

COUNT = 60


def frame():
    """A column of every kind."""
    rng = np.random.default_rng(0)
    found = pd.DataFrame(
        {
            "age": rng.integers(18, 90, COUNT),
            "sex": rng.choice(["M", "F"], COUNT),
            "dose": rng.normal(5, 1, COUNT).round(2),
            "visits": rng.negative_binomial(1, 0.1, COUNT),
            "smokes": rng.random(COUNT) < 0.5,
            "grade": pd.Categorical(
                rng.choice(["low", "high"], COUNT), ["low", "mid", "high"], ordered=True
            ),
            "rooms": pd.array(rng.integers(1, 5, COUNT), "Int64"),
            "country": "AT",
            "ratio": rng.random(COUNT),
            "empty": np.nan,
        }
    )
    found.loc[0, "visits"] = 0
    found.loc[1, ["sex", "dose", "rooms"]] = None
    return found
