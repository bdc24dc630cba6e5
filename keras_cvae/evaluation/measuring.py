"""All measures of a model on a data set, as one report."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import keras
import numpy as np

from keras_cvae import batched, progress
from keras_cvae.evaluation import (
    agreement,
    bits,
    fidelity,
    latent_use,
    leakage,
    likelihood,
    remarks,
)
from keras_cvae.evaluation.bound import bound as measure_bound
from keras_cvae.evaluation.estimates import average
from keras_cvae.evaluation.marginal import marginal_log_likelihood
from keras_cvae.evaluation.report import Measure, Report
from keras_cvae.evaluation.subject import LeftOut, Subject

NEIGHBOURS = 5  # the largest number of neighbours in a measure of fidelity
SETS = 5  # sets of generated examples over which fidelity is averaged
SET_SIZE = 5000  # examples in each set, at most: distances between all pairs are computed
NATS, SHARE = "nats", "share"


# The measures, in the order of the table. Each yields rows, or raises `LeftOut`.


def _nats(name, values, how):
    return Measure(name, *average(values), NATS, how)


def bound(subject: Subject) -> Iterator[Measure]:
    """Yields the ELBO, rate and distortion."""
    options = {"draws": subject.draws, "seed": subject.seed, "verbose": subject.verbose}
    estimates = measure_bound(subject.model, subject.x, subject.condition, **options)
    how = f"{subject.draws} samples of z for each example"
    yield Measure("ELBO", *estimates["elbo"], NATS, how)
    yield Measure("rate", *estimates["rate"], NATS, "KL of all latents from the prior")
    of_x = "-log p(x | z, y) at samples of q"
    yield Measure("distortion", *estimates["reconstruction"], NATS, of_x)
    _, *kl = subject.model.elbo_terms
    if len(kl) > 1:
        for name in kl:
            yield Measure(name, *estimates[name], NATS, "its share of the rate")


def evidence(subject: Subject) -> Iterator[Measure]:
    """Yields the importance-weighted log p(x | y)."""
    options = {"samples": subject.samples, "seed": subject.seed, "verbose": subject.verbose}
    log_p = likelihood.log_likelihood(subject.model, subject.x, subject.condition, **options)
    name = "log p(x)" if subject.condition is None else "log p(x | y)"
    yield _nats(name, log_p, f"importance-weighted, {subject.samples} samples of z; a lower bound")


def marginal(subject: Subject) -> Iterator[Measure]:
    """Yields the importance-weighted log p(x), by a sum over labels."""
    subject.require_condition("a sum over labels")
    count = len(subject.model.classes)
    each = -(-subject.samples // count)  # the total work is that of log p(x | y)
    weights = np.bincount(subject.y_train[subject.y_train >= 0], minlength=count)
    options = {"samples": each, "seed": subject.seed, "verbose": subject.verbose}
    log_p = marginal_log_likelihood(subject.model, subject.x, weights, **options)
    how = f"p(y) as in the training labels, {each} samples for each label; a lower bound"
    yield _nats("log p(x)", log_p, how)


def bits_per_dimension(subject: Subject) -> Iterator[Measure]:
    """Yields the bits per dimension of the ELBO."""
    if len(subject.model.image_shape) == 1 and subject.x.dtype != np.uint8:
        raise LeftOut("columns of numbers have no levels")
    try:
        x, levels = bits.as_levels(subject.model, subject.x, seed=subject.seed)
    except ValueError as error:
        raise LeftOut(str(error)) from None
    elbo = measure_bound(
        subject.model, x, subject.condition, draws=subject.draws, seed=subject.seed
    )["elbo"]
    shape = subject.model.image_shape
    value = likelihood.bits_per_dimension(elbo.value, shape, levels=levels)
    error = abs(likelihood.bits_per_dimension(elbo.standard_error, shape))
    noise = "" if levels is None else f", with uniform noise within each of {levels} levels"
    of_noise = math.log2(levels or 256)
    how = f"of the ELBO{noise}; uniform noise has {of_noise:.3g}"
    yield Measure("bits per dimension", value, error, "bits", how, reference=of_noise)


def units(subject: Subject) -> Iterator[Measure]:
    """Yields the number of active units."""
    active = latent_use.active_units(subject.model, subject.x, subject.condition)
    how = f"of {len(active)}: variance of the posterior mean above {latent_use.ACTIVE}"
    yield Measure("active units", int(active.sum()), None, "latents", how)


def dimensions(subject: Subject) -> Iterator[Measure]:
    """Yields the KL divergence of each dimension."""
    try:
        kl = latent_use.kl_per_dimension(
            subject.model, subject.x, subject.condition, seed=subject.seed
        ).mean(0)
    except ValueError as error:
        raise LeftOut(str(error)) from None
    how = "least and greatest"
    yield Measure("KL per dimension", [float(v) for v in kl], None, NATS, how)


def inferred_labels(subject: Subject) -> Iterator[Measure]:
    """Yields the accuracy of the labels that the model infers."""
    if not subject.model.infers_label:
        return
    subject.require_labels("the accuracy of inferred labels")
    inferred = batched.predict(subject.model.classifier, subject.x).argmax(-1)
    how = "accuracy of the most probable label by q(y | x)"
    yield Measure("label inferred", *average(inferred == subject.y), SHARE, how)


def label_in_z(subject: Subject) -> Iterator[Measure]:
    """Yields the accuracy of a linear probe from z to the label."""
    subject.require_labels("a probe")
    data = subject.x_train, subject.y_train, subject.x, subject.y
    accuracy, chance = leakage.label_leakage(subject.model, *data, seed=subject.seed)
    how = f"accuracy of a linear probe; chance is {chance:.4f}"
    yield Measure("label read from z", *accuracy, SHARE, how, reference=chance)


def labels_of_samples(subject: Subject) -> Iterator[Measure]:
    """Yields the accuracy of the classifier, label agreement, classification accuracy score."""
    own = average(subject.classifier.predict(subject.x) == subject.y)
    yield Measure("classifier", *own, SHARE, "accuracy on real test data, trained on real data")
    subject.require_condition("label agreement")
    agreed = agreement.label_agreement(
        subject.model, subject.y, subject.classifier, seed=subject.seed
    )
    how = f"share of {len(subject.y)} generated examples classified as their label"
    yield Measure("label agreement", *agreed, SHARE, how, own.value)
    changed = agreement.swap_agreement(subject.model, subject.x, subject.y, subject.classifier)
    how = "share of test examples with a changed label classified as that label"
    yield Measure("label swap", *changed, SHARE, how, own.value)
    options = {"seed": subject.seed, "verbose": subject.verbose}
    score = agreement.classification_accuracy_score(
        subject.model, subject.y_train, subject.x, subject.y, **options
    )
    how = f"accuracy on real test data, trained on {len(subject.y_train)} generated"
    yield Measure("classification accuracy score", *score, SHARE, how, own.value)


def likeness(subject: Subject) -> Iterator[Measure]:
    """Yields fidelity and diversity in the classifier's features."""
    subject.require_labels("a classifier")
    size = min(len(subject.x), len(subject.x_train), SET_SIZE)
    if size <= NEIGHBOURS:
        raise LeftOut(f"it needs more than {NEIGHBOURS} examples, and there are {size}")
    features = subject.classifier.features
    pairs, bar = [], progress.bar(SETS, "set", subject.verbose)
    for number in range(SETS):
        rng = np.random.default_rng((subject.seed, number))
        reference = features(subject.x_train[rng.choice(len(subject.x_train), size, replace=False)])
        rows = rng.choice(len(subject.x), size, replace=False)
        y = subject.model.y_of_class(subject.y[rows])
        generated = agreement.generate(subject.model, y, count=size, seed=(subject.seed, number))
        pairs.append([_likeness(reference, features(x)) for x in (generated, subject.x[rows])])
        bar.add(1)
    for name in pairs[0][0]:
        generated, real = (average([pair[i][name] for pair in pairs]) for i in (0, 1))
        yield Measure(name, *generated, *OF_LIKENESS[name], real.value)


# The unit and the definition of each measure, by name.
OF_LIKENESS = {
    "Frechet distance": (
        "squared features",
        "of the classifier's features, not Inception's as in FID",
    ),
    "precision": (SHARE, "of generated images in the support of real ones"),
    "recall": (SHARE, "of real images in the support of generated ones"),
    "density": ("ratio", "of real images around generated ones"),
    "coverage": (SHARE, "of real images, with a generated one nearby"),
}


def _likeness(reference, features):
    return {
        "Frechet distance": fidelity.frechet_distance(reference, features),
        **fidelity.precision_recall(reference, features),
        **fidelity.density_coverage(reference, features),
    }


STAGES = {
    "ELBO, rate and distortion": bound,
    "log p, importance-weighted": evidence,
    "log p(x), the label summed out": marginal,
    "bits per dimension": bits_per_dimension,
    "active units": units,
    "KL per dimension": dimensions,
    "label inferred from x": inferred_labels,
    "label read from z": label_in_z,
    "label agreement and classification accuracy score": labels_of_samples,
    "fidelity and diversity": likeness,
}


def measure(
    cvae,
    dataset,
    *,
    samples: int = 1000,
    limit: int | None = None,
    seed: int = 0,
    verbose: int = 1,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> Report:
    """Measures a model on test data with all measures that apply.

    The classifier, the probe and the reference of fidelity use the training data; all other
    measures use the test data only.

    Args:
        cvae: A `CVAE`. With a condition that is not one of classes, measures that need labels are
            left out.
        dataset: A `datasets.Dataset`.
        samples: The number of samples of z for the importance-weighted log p of an image; for log
            p(x) they are divided among the labels.
        limit: The number of test images to use, sampled with the seed; by default all.
        seed: Seed of all randomness.
        verbose: 1 shows progress, 0 does not.
        on_stage: Function that is called at the beginning of each stage with a text, its number and
            name.

    Returns:
        A `Report`, which prints as a table. Standard errors are over test images, and for measures
        of fidelity over sets of generated images.

    Raises:
        ValueError: If an argument is not one of the above, or the data is invalid; before anything
            is computed.

    Example:
    ```python
    print(evaluation.measure(cvae, datasets.load("digits")))
    ```
    """
    subject = Subject.of(cvae, dataset, samples, limit, seed, verbose)
    report = Report(_protocol(subject))
    for number, (stage, measures) in enumerate(STAGES.items(), start=1):
        on_stage(f"{number}/{len(STAGES)} {stage}")
        try:
            report.measures.extend(measures(subject))
        except LeftOut as why:
            report.left_out[stage] = str(why)
    by_name = {one.name: one for one in report.measures}
    for one in report.measures:
        one.remark = remarks.remark(one, by_name)
    report.verdict = latent_use.collapse(cvae, subject.x, subject.condition, seed=seed)
    return report


def _protocol(subject):
    return {
        "test_examples": len(subject.x),
        "training_examples": len(subject.x_train),
        "samples": subject.samples,
        "draws": subject.draws,
        "seed": subject.seed,
        "prior": type(subject.model.prior).__name__,
        "generated": "the mean of p(x | z, y) for images, a sample of it for vectors",
        "standard_errors": "over test examples; of fidelity over sets of generated examples",
        "fidelity": f"{SETS} sets of at most {SET_SIZE}, each against as many training examples",
        "backend": keras.backend.backend(),
    }
