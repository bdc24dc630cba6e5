"""The names that `--help` lists, written out because importing them would import Keras."""

DATA = "digits", "mnist", "fashion_mnist"
NETWORKS = "dense", "conv", "residual", "hierarchical"
INJECTIONS = "input", "every_layer", "film"
LIKELIHOODS = (
    "bernoulli",
    "gaussian",
    "logistic_mixture",
    "categorical",
    "continuous_bernoulli",
    "optimal_gaussian",
    "poisson",
    "negative_binomial",
)
PRIORS = ("standard_normal", "conditional", "mixture", "vamp", "flow", "spline_flow")
OBJECTIVES = (
    "elbo",
    "warmup",
    "free_bits",
    "capacity",
    "iwae",
    "total_correlation",
    "mmd",
    "adversary",
)
CORRUPTIONS = ("gaussian", "salt_and_pepper", "blocks")
FORMATS = "onnx", "tf_saved_model", "litert", "openvino", "web"
COLUMN_KINDS = (
    "date",
    "month_first",
    "duration",
    "amount",
    "count",
    "numeric",
    "categorical",
    "ignore",
)
PICTURES = (
    "reconstructions",
    "samples",
    "manifold",
    "interpolation",
    "traversals",
    "swaps",
    "scatter",
    "latent_use",
    "nearest",
    "loss",
    "marginals",
    "correlations",
)
