"""Measures of a model: likelihoods in nats, use of the latents, and quality of samples."""

from keras_cvae.evaluation.agreement import (
    classification_accuracy_score,
    label_agreement,
    swap_agreement,
)
from keras_cvae.evaluation.anomaly import anomaly_score
from keras_cvae.evaluation.bits import as_levels
from keras_cvae.evaluation.bound import bound
from keras_cvae.evaluation.calibration import coverage, interval_coverage, ranks
from keras_cvae.evaluation.classifier import Classifier, train_classifier
from keras_cvae.evaluation.columns import associations, distances, shapes, trends
from keras_cvae.evaluation.estimates import Estimate, average
from keras_cvae.evaluation.fidelity import density_coverage, frechet_distance, precision_recall
from keras_cvae.evaluation.labels import label_effect
from keras_cvae.evaluation.latent_use import (
    active_units,
    collapse,
    kl_per_dimension,
    variance_of_means,
)
from keras_cvae.evaluation.leakage import label_leakage
from keras_cvae.evaluation.likelihood import bits_per_dimension, log_likelihood, terms
from keras_cvae.evaluation.likeness import likeness
from keras_cvae.evaluation.marginal import marginal_log_likelihood
from keras_cvae.evaluation.measuring import measure
from keras_cvae.evaluation.rates import rate_and_distortion
from keras_cvae.evaluation.repeated import average_over_draws, number_of_draws, seeded
from keras_cvae.evaluation.report import Measure, Report
from keras_cvae.evaluation.rows import c2st, closest

__all__ = [
    "Classifier",
    "Estimate",
    "Measure",
    "Report",
    "active_units",
    "anomaly_score",
    "as_levels",
    "associations",
    "average",
    "average_over_draws",
    "bits_per_dimension",
    "bound",
    "c2st",
    "classification_accuracy_score",
    "closest",
    "collapse",
    "coverage",
    "density_coverage",
    "distances",
    "number_of_draws",
    "frechet_distance",
    "interval_coverage",
    "kl_per_dimension",
    "label_agreement",
    "label_effect",
    "label_leakage",
    "likeness",
    "log_likelihood",
    "marginal_log_likelihood",
    "measure",
    "precision_recall",
    "ranks",
    "rate_and_distortion",
    "seeded",
    "shapes",
    "swap_agreement",
    "terms",
    "train_classifier",
    "trends",
    "variance_of_means",
]
