"""Contenders that train on a table: keras_cvae, `fit` of a plain Keras model, a PyTorch loop.

All have 128-128 hidden units each way, 8 latents, the same likelihood of each column and Adam.
"""

from __future__ import annotations

import math

import numpy as np

HIDDEN_UNITS, LATENT_DIM, LEARNING_RATE = (128, 128), 8, 1e-3
LEVELS = (2, 2, 3, 4, 5, 8)
NUMERIC, COUNTS = 10, 4
COLUMNS = {
    **{f"number {i}": "numeric" for i in range(NUMERIC)},
    **{f"class {i}": [str(k) for k in range(size)] for i, size in enumerate(LEVELS)},
    **{f"count {i}": "count" for i in range(COUNTS)},
}


def table(rows: int, seed: int = 0) -> np.ndarray:
    """A table of 20 columns: rows of a mixture of five kinds, with 3% of the cells missing."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(5, rows, p=[0.35, 0.25, 0.2, 0.15, 0.05])
    hidden = rng.normal(size=(5, 3))[kind] + rng.normal(size=(rows, 3))
    numbers = hidden @ rng.normal(size=(3, NUMERIC)) + 0.5 * rng.normal(size=(rows, NUMERIC))
    numbers = 10.0 ** rng.integers(-2, 4, NUMERIC) * (numbers + 3 * rng.normal(size=NUMERIC))
    classes = []
    for size in LEVELS:
        logits = hidden @ rng.normal(size=(3, size)) + rng.gumbel(size=(rows, size))
        classes.append(logits.argmax(1))
    counts = rng.poisson(np.exp(np.clip(0.7 * hidden @ rng.normal(size=(3, COUNTS)) + 1, None, 6)))
    found = np.column_stack([numbers, *classes, counts]).astype("float32")
    found[rng.random(found.shape) < 0.03] = np.nan
    return found


def library(data, model, batch_size, seed):
    """`fit` of keras_cvae as it comes."""
    import keras

    import keras_cvae
    from keras_cvae import networks, tables

    cvae = keras_cvae.build_cvae(
        (len(COLUMNS),),
        None,
        LATENT_DIM,
        network=networks.Dense(HIDDEN_UNITS),
        likelihood=tables.Columns(COLUMNS),
    )
    cvae.compile(keras.optimizers.Adam(LEARNING_RATE))
    return _fitting(cvae, data, batch_size)


def plain(data, model, batch_size, seed):
    """The same model as one writes it with Keras: layers, a `call`, `add_loss`, `fit`."""
    import keras
    from keras import layers, ops

    from keras_cvae import tables

    class Plain(keras.Model):
        def __init__(self):
            super().__init__()
            self.likelihood = tables.Columns(COLUMNS)
            self.seen = self.likelihood.standardizer()
            self.seen.build((None, len(COLUMNS)))
            self.seen.adapt(data.images)
            learned = (np.array(ops.convert_to_numpy(w)) for w in self.seen.learned)
            self.likelihood.standardize(*learned)
            (size,) = self.likelihood.parameter_shape((len(COLUMNS),))
            self.encoder = [layers.Dense(units, "relu") for units in HIDDEN_UNITS]
            self.heads = layers.Dense(2 * LATENT_DIM)
            self.decoder = [layers.Dense(units, "relu") for units in reversed(HIDDEN_UNITS)]
            self.decoder.append(layers.Dense(size))
            self.seeds = keras.random.SeedGenerator(seed)

        def call(self, x):
            h = self.seen(x)
            for layer in self.encoder:
                h = layer(h)
            mean, log_var = ops.split(self.heads(h), 2, axis=-1)
            noise = keras.random.normal(ops.shape(mean), seed=self.seeds)
            h = mean + ops.exp(0.5 * log_var) * noise
            for layer in self.decoder:
                h = layer(h)
            kl = -0.5 * ops.sum(1 + log_var - ops.square(mean) - ops.exp(log_var), axis=-1)
            self.add_loss(ops.mean(kl - self.likelihood.log_prob(x, h)))
            return h

    vae = Plain()
    vae.compile(keras.optimizers.Adam(LEARNING_RATE))
    return _fitting(vae, data, batch_size)


def _fitting(model, data, batch_size):
    """Function of a number of epochs to the loss of the last, by the model's own `fit`."""

    def train(epochs):
        fitted = model.fit(data.images, batch_size=batch_size, epochs=epochs, verbose=0)
        return fitted.history["loss"][-1]

    return train


def torch_loop(data, model, batch_size, seed):
    """A loop over batches taken by a shuffled index; what is encoded is made once beforehand."""
    import torch
    from torch import nn
    from torch.nn import functional

    torch.manual_seed(seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    x = data.images
    known = ~np.isnan(x)
    numbers, counts = slice(0, NUMERIC), slice(len(COLUMNS) - COUNTS, None)
    classes = slice(NUMERIC, NUMERIC + len(LEVELS))
    scaled = np.concatenate([x[:, numbers], np.log1p(x[:, counts])], axis=1)
    location, scale = np.nanmean(scaled, 0), np.nanstd(scaled, 0)
    unit = np.nan_to_num((scaled - location) / scale)
    index = np.nan_to_num(x[:, classes], nan=-1).astype(int)
    one_hot = [np.eye(size + 1)[index[:, i]][:, :size] for i, size in enumerate(LEVELS)]
    missing = ~np.concatenate([known[:, numbers], known[:, counts]], axis=1)
    seen = torch.from_numpy(np.concatenate([unit, missing, *one_hot], 1).astype("float32"))
    target = torch.from_numpy(unit[:, :NUMERIC].astype("float32")).to(device)
    index = torch.from_numpy(np.maximum(index, 0)).to(device)
    counted = torch.from_numpy(np.nan_to_num(x[:, counts])).to(device)
    weight = torch.from_numpy(known.astype("float32")).to(device)
    log_scale = torch.from_numpy(np.log(scale[:NUMERIC])).to(device)
    log_base = torch.from_numpy(np.log(np.expm1(location[NUMERIC:]))).to(device)
    seen = seen.to(device)

    def network(*sizes):
        layers = []
        for before, after in zip(sizes, sizes[1:], strict=False):
            layers += [nn.Linear(before, after), nn.ReLU()]
        return nn.Sequential(*layers[:-1]).to(device)

    size = 2 * NUMERIC + sum(LEVELS) + 2 * COUNTS
    encoder = network(seen.shape[1], *HIDDEN_UNITS, 2 * LATENT_DIM)
    decoder = network(LATENT_DIM, *reversed(HIDDEN_UNITS), size)
    parameters = [*encoder.parameters(), *decoder.parameters()]
    adam = torch.optim.Adam(parameters, LEARNING_RATE, fused=True)
    sizes = [NUMERIC, NUMERIC, COUNTS, COUNTS, *LEVELS]

    def log_probs(rows, outputs):
        mean, log_var, log_mean, log_r, *logits = outputs.split(sizes, dim=1)
        log_var = torch.logaddexp(log_var + math.log(0.1), log_var.new_tensor(math.log(1e-4)))
        square = (target[rows] - mean).square() * torch.exp(-log_var)
        normal = -0.5 * (math.log(2 * math.pi) + log_var + square) - log_scale
        k, log_mean, r = counted[rows], log_mean + log_base, torch.exp(log_r.clamp(-10, 10))
        mean = torch.exp(log_mean)
        choices = torch.lgamma(k + r) - torch.lgamma(r) - torch.lgamma(k + 1)
        binomial = choices + k * (log_mean - torch.log(r + mean)) - r * torch.log1p(mean / r)
        places = index[rows]
        each = [
            -functional.cross_entropy(part, places[:, i], reduction="none")
            for i, part in enumerate(logits)
        ]
        found = torch.cat([normal, torch.stack(each, 1), binomial], dim=1)
        return (weight[rows] * found).sum()

    def epoch():
        total = torch.zeros((), device=device)
        for rows in torch.randperm(len(seen), device=device).split(batch_size):
            mean, log_var = encoder(seen[rows]).chunk(2, dim=1)
            z = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
            kl = -0.5 * torch.sum(1 + log_var - mean.square() - log_var.exp())
            loss = (kl - log_probs(rows, decoder(z))) / len(rows)
            adam.zero_grad()
            loss.backward()
            adam.step()
            total += loss.detach() * len(rows)
        return total.item() / len(seen)

    return epoch
