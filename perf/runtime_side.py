"""Gives a script that a runtime's interpreter runs the worker's own code: same models, same weights, same inputs."""

import importlib
import os
import sys
import types


def load(folder, *names):
    """The worker's modules of those names, from `folder`, the driver's src/passtime/worker.

    passtime is not installed in runtimes; as in the worker's launch.py, stub packages give its modules their names, and
    NumPy's BLAS starts no threads.
    """
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    for package_name, path in (("passtime", []), ("passtime.worker", [folder])):
        package = types.ModuleType(package_name)
        package.__path__ = path
        sys.modules[package_name] = package
    return [importlib.import_module("passtime.worker." + name) for name in names]
