"""Shared by all tests: quiet and quick backends, real digits, gradients on any backend."""

import contextlib
import ctypes
import gc
import importlib.util
import math
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# What a test compiles runs for a moment: XLA is not to spend seconds on making it fast.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true "
    "--xla_cpu_use_fusion_emitters=false",
)
# JAX keeps what it compiles, for all processes of this run that come to the same program.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    programs = tempfile.TemporaryDirectory()
    os.environ["JAX_COMPILATION_CACHE_DIR"] = programs.name
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"

import hypothesis
import keras
import numpy as np
import pytest

import keras_cvae
from keras_cvae import datasets, networks, priors, runs
from keras_cvae.evaluation import repeated
from keras_cvae.priors import fitting

# The same examples in each run: a change breaks a test, not chance.
hypothesis.settings.register_profile("seeded", derandomize=True, deadline=None)
hypothesis.settings.load_profile("seeded")

MOST_MEMORY = 1.2e9  # bytes
EPOCHS, CANDIDATES = fitting.EPOCHS, priors.CANDIDATES
WRITE_REPORT = runs.report.write


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Gives each worker a stretch of files, so that what a file's tests share is made once."""
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log) if config.getoption("dist") == "load" else None


def pytest_collection_modifyitems(items):
    """Leaves out on JAX and torch what is about no backend."""
    if keras.backend.backend() != "tensorflow":
        for item in items:
            if item.get_closest_marker("once"):
                item.add_marker(pytest.mark.skip(reason="about no backend: runs on TensorFlow"))


def pytest_collection_finish():
    """Spares Python's garbage collector what was imported: half a million objects each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def _clear_kernels():
    """Spares TensorFlow's compiled kernels, which each seed of its own clears.

    Nothing is drawn by that seed: Keras's generators have states, and orders are NumPy's. Yields a
    function that clears the kernels after all.
    """
    if keras.backend.backend() != "tensorflow":
        yield lambda: None
        return
    import tensorflow as tf

    set_seed = tf.random.set_seed
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tf.random, "set_seed", lambda seed: None)
        yield lambda: set_seed(0)


@pytest.fixture(autouse=True, scope="session")
def long_fits():
    """A context in which priors are fitted as users have them fitted.

    Elsewhere for an epoch, and of those that are compared a mixture alone, which compiles nothing.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "EPOCHS", 1)
        patch.setattr(priors, "CANDIDATES", CANDIDATES[:1])

        @contextlib.contextmanager
        def as_users_have_them():
            with pytest.MonkeyPatch.context() as inner:
                inner.setattr(fitting, "EPOCHS", EPOCHS)
                inner.setattr(priors, "CANDIDATES", CANDIDATES)
                yield

        yield as_users_have_them


@pytest.fixture(autouse=True, scope="session")
def _no_reports():
    """Spares runs their reports, each of which costs seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs.report, "write", lambda run: None)
        yield


@pytest.fixture
def reports(monkeypatch):
    """For tests of reports."""
    monkeypatch.setattr(runs.report, "write", WRITE_REPORT)


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True, scope="module")
def _let_go(_clear_kernels):
    """After the tests of a file, lets go of what their models compiled: gigabytes by the end.

    Not while that is little: the tests of the next file compile much of the same. The C library
    keeps what was freed in many small pieces, unless it is asked to return it.
    """
    yield
    if _memory() < MOST_MEMORY:
        return
    keras.utils.clear_session()
    _clear_kernels()
    if keras.backend.backend() == "jax":
        import jax

        jax.clear_caches()
    gc.collect()
    with contextlib.suppress(AttributeError, OSError):  # of another C library
        ctypes.CDLL(None).malloc_trim(0)


def _memory():
    """The memory that this process holds, in bytes; infinite where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return math.inf
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture(autouse=True, scope="session")
def with_xla():
    """A context in which TensorFlow compiles steps by XLA where users have them so compiled.

    And optimizes all graphs. Elsewhere a test does without: on TensorFlow that is most of what a
    short training costs.
    """
    if keras.backend.backend() != "tensorflow":
        yield contextlib.nullcontext
        return
    import tensorflow as tf

    from keras_cvae.fitting import tensorflow_steps

    def optimize(is_on):
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": not is_on})

    gains_by_xla = tensorflow_steps.gains_by_xla
    optimize(False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tensorflow_steps, "gains_by_xla", lambda model: False)

        @contextlib.contextmanager
        def as_users_have_it():
            optimize(True)
            try:
                with pytest.MonkeyPatch.context() as inner:
                    inner.setattr(tensorflow_steps, "gains_by_xla", gains_by_xla)
                    yield
            finally:
                optimize(False)

        yield as_users_have_it


@pytest.fixture(scope="session")
def eagerly():
    """A context in which TensorFlow compiles nothing: a few steps cost less than compiling does.

    Then an ELBO is measured by fewer draws than users have.
    """
    if keras.backend.backend() != "tensorflow":
        return contextlib.nullcontext
    import tensorflow as tf

    @contextlib.contextmanager
    def step_by_step():
        tf.config.run_functions_eagerly(True)
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(repeated, "DRAWS", 2**12)
                yield
        finally:
            tf.config.run_functions_eagerly(False)

    return step_by_step


@pytest.fixture
def uncompiled(eagerly):
    """For tests of a few steps whose subject is not what they are compiled to."""
    with eagerly():
        yield


@pytest.fixture(scope="session")
def digits():
    """The 8x8 digits of scikit-learn: a `Dataset` with pixels in [0, 1].

    Whole batches of 32 and 64 of them: a partial one is traced again, for a second each.
    """
    x_train, y_train, x_test, y_test, names = datasets.load("digits")
    whole, held_out = slice(1408), slice(320)
    return datasets.Dataset(
        x_train[whole], y_train[whole], x_test[held_out], y_test[held_out], names
    )


@pytest.fixture(scope="session")
def trained_on_digits(digits):
    """A CVAE that has learned the digits, with the default prior. Tests leave it as it is."""
    keras.utils.set_random_seed(0)
    cvae = keras_cvae.build_cvae((8, 8, 1), 10, 8, network=networks.Dense((64,)))
    cvae.compile(keras.optimizers.Adam(3e-3))
    cvae.fit([digits.x_train, digits.y_train], epochs=25, batch_size=64, verbose=0)
    return cvae


@pytest.fixture(scope="session")
def toys(tmp_path_factory):
    """A data set of vectors in two classes, as an .npz file."""
    path = tmp_path_factory.mktemp("toys") / "toys.npz"
    x = np.random.default_rng(0).random((40, 6)).astype("float32")
    y = np.arange(40) % 2
    np.savez(path, x_train=x[:30], y_train=y[:30], x_test=x[30:], y_test=y[30:])
    return path


@pytest.fixture
def graphviz():
    """Skips a test of diagrams where Graphviz, which draws them, is not installed."""
    if not shutil.which("dot"):
        pytest.skip("Graphviz is not installed")


@pytest.fixture(scope="session")
def gradient():
    """A function `(f, *arrays)` to the gradients of the scalar f(*tensors), as numpy arrays."""

    def tensorflow(f, tensors):
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = f(*tensors)
        return tape.gradient(value, tensors)

    def jax(f, tensors):
        import jax

        return jax.grad(f, argnums=tuple(range(len(tensors))))(*tensors)

    def torch(f, tensors):
        import torch

        return torch.autograd.grad(f(*tensors), tensors)

    def apply(f, *arrays):
        tensors = [keras.ops.convert_to_tensor(np.asarray(a, "float32")) for a in arrays]
        if keras.backend.backend() == "torch":
            tensors = [tensor.requires_grad_() for tensor in tensors]
        backend = {"tensorflow": tensorflow, "jax": jax, "torch": torch}[keras.backend.backend()]
        return [keras.ops.convert_to_numpy(g) for g in backend(f, tensors)]

    return apply


@pytest.fixture
def on_every_backend(tmp_path, monkeypatch):
    """A function of a program and its arguments, which runs it on all backends.

    The program is given the arguments and the backend's name, in `tmp_path`: on this backend here,
    on the others each by itself. Returns the names of the backends, that of this process first. The
    test runs on one of the backends that are installed, where there are several.
    """
    ours = keras.backend.backend()
    others = [
        b for b in ("tensorflow", "jax", "torch") if b != ours and importlib.util.find_spec(b)
    ]
    if not others:
        pytest.skip("no other backend is installed")
    if ours != (first := min(ours, *others)):
        pytest.skip(f"the tests of {first} compare all backends")

    def run(program, *arguments):
        with monkeypatch.context() as patch, warnings.catch_warnings(action="ignore"):
            patch.chdir(tmp_path)
            patch.setattr(sys, "argv", ["-c", *arguments, ours])
            exec(program, {"__name__": "__main__"})
        running = [
            subprocess.Popen(
                [sys.executable, "-W", "ignore", "-c", program, *arguments, backend],
                env={**os.environ, "KERAS_BACKEND": backend},
                cwd=tmp_path,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            for backend in others
        ]
        for process in running:
            _, error = process.communicate(timeout=300)
            assert process.returncode == 0, error[-2000:]
        return ours, *others

    return run


@pytest.fixture
def finite_differences():
    """A function of f and arrays to the gradients of f, a number, by central differences."""

    def differences(f, *arrays, step=1e-5):
        arrays = [np.asarray(array, "float64") for array in arrays]
        gradients = [np.empty_like(array) for array in arrays]
        for place, gradient in enumerate(gradients):
            for index in np.ndindex(gradient.shape):
                ends = []
                for moved in (step, -step):
                    shifted = [array.copy() for array in arrays]
                    shifted[place][index] += moved
                    ends.append(f(*shifted))
                gradient[index] = (ends[0] - ends[1]) / (2 * step)
        return gradients

    return differences
