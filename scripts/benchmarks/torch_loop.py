"""Programs in PyTorch: a training loop, and sampling with a decoder."""

from __future__ import annotations

import math

import torch
from architecture import (
    BETA_1,
    BETA_2,
    EPSILON,
    FILTERS,
    HIDDEN_UNITS,
    LATENT_DIM,
    LEARNING_RATE,
    small_shape,
    weights,
)
from torch import nn
from torch.nn import functional

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


class VAE(nn.Module):
    """The VAE in PyTorch's own layers."""

    def __init__(self, data, model, seed):
        super().__init__()
        pixels, latent_dim, units = math.prod(data.image_shape), LATENT_DIM[model], HIDDEN_UNITS
        self.classes = data.num_classes if model == "dense" else 0
        if model == "dense":
            features = units
            self.hidden = nn.Sequential(nn.Linear(pixels + self.classes, units), nn.ReLU())
            self.decoder = nn.Sequential(
                nn.Linear(latent_dim + self.classes, units), nn.ReLU(), nn.Linear(units, pixels)
            )
        else:
            first, second = FILTERS
            channels, (height, width, _) = data.image_shape[-1], small_shape(data.image_shape)
            small, half = (first, height, width), {"stride": 2, "padding": 1}
            features = second * height * width
            self.hidden = nn.Sequential(
                nn.Conv2d(channels, first, 3, **half),
                nn.ReLU(),
                nn.Conv2d(first, second, 3, **half),
                nn.ReLU(),
                nn.Flatten(),
            )
            self.decoder = nn.Sequential(
                nn.Linear(latent_dim, math.prod(small)),
                nn.ReLU(),
                nn.Unflatten(1, small),
                nn.ConvTranspose2d(first, second, 3, **half, output_padding=1),
                nn.ReLU(),
                nn.ConvTranspose2d(second, first, 3, **half, output_padding=1),
                nn.ReLU(),
                nn.ConvTranspose2d(first, channels, 3, padding=1),
            )
        self.z_mean, self.z_log_var = (nn.Linear(features, latent_dim) for _ in range(2))
        self._initialise(weights(model, data, seed))

    def _initialise(self, pairs):
        parts = [self.hidden, self.z_mean, self.z_log_var, self.decoder]
        layers = [layer for part in parts for layer in part.modules() if hasattr(layer, "weight")]
        for layer, (kernel, bias) in zip(layers, pairs, strict=True):
            kernel = torch.from_numpy(kernel)
            # From (in, out) to (out, in), and from (height, width, a, b) to (b, a, height, width).
            kernel = kernel.T if kernel.ndim == 2 else kernel.permute(3, 2, 0, 1)
            layer.weight.data.copy_(kernel)
            layer.bias.data.copy_(torch.from_numpy(bias))

    def join(self, x, label):
        """Concatenates x and one-hot labels, if the model takes them."""
        if not self.classes:
            return x
        return torch.cat([x, functional.one_hot(label, self.classes).float()], dim=1)

    def forward(self, x, label):
        hidden = self.hidden(self.join(x, label))
        z_mean, z_log_var = self.z_mean(hidden), self.z_log_var(hidden)
        z = z_mean + torch.exp(0.5 * z_log_var) * torch.randn_like(z_mean)
        return z_mean, z_log_var, self.decoder(self.join(z, label))


def loop(data, model, batch_size, seed):
    """A loop over batches of a shuffled index into one tensor, without a DataLoader."""
    torch.manual_seed(seed)
    images = torch.from_numpy(data.images).to(DEVICE)
    labels = torch.from_numpy(data.labels).long().to(DEVICE)
    images = images.flatten(1) if model == "dense" else images.permute(0, 3, 1, 2)
    # On a CPU, channels last made convolutions faster by a quarter, fused Adam by a tenth.
    vae = VAE(data, model, seed).to(DEVICE, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(
        vae.parameters(), LEARNING_RATE[model], (BETA_1, BETA_2), EPSILON, fused=True
    )

    def epoch():
        total = torch.zeros((), device=DEVICE)
        for rows in torch.randperm(len(images), device=DEVICE).split(batch_size):
            x = images[rows].float() / data.scale
            if model == "conv":
                x = (x > 0.5).float()
            z_mean, z_log_var, logits = vae(x, labels[rows])
            pixels = functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")
            kl = -0.5 * torch.sum(1 + z_log_var - z_mean.square() - z_log_var.exp())
            loss = (pixels + kl) / len(rows)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(rows)
        return total.item() / len(images)

    return epoch


def decode(data, model, batch_size, seed, count):
    """The mean images of `count` samples from the prior, `batch_size` at a time."""
    torch.manual_seed(seed)
    vae = VAE(data, model, seed).to(DEVICE)
    label = torch.arange(count, device=DEVICE) % data.num_classes

    def sample():
        with torch.inference_mode():
            z = torch.randn(count, LATENT_DIM[model], device=DEVICE)
            batches = zip(z.split(batch_size), label.split(batch_size), strict=True)
            images = [torch.sigmoid(vae.decoder(vae.join(*batch))) for batch in batches]
            return (torch.cat(images) if len(images) > 1 else images[0]).mean().item()

    return sample
