"""The command `keras-cvae`, a module beside the package, whose import would import Keras.

Options are parsed, and `--help` and `--version` answered, before Keras and a backend are imported,
which takes seconds.
"""

from __future__ import annotations

import importlib.util
import sys


def main() -> None:
    """Runs the command.

    TensorFlow's own log is shown where the environment sets `TF_CPP_MIN_LOG_LEVEL`, 0 for all.

    Raises:
        SystemExit: Always.
    """
    # The package as a module whose `__init__` has not run: its command line can be imported.
    spec = importlib.util.find_spec("keras_cvae")
    package = sys.modules["keras_cvae"] = importlib.util.module_from_spec(spec)
    from keras_cvae.cli import main, starting

    main(prepare=lambda: starting.import_package(lambda: spec.loader.exec_module(package)))


if __name__ == "__main__":
    main()
