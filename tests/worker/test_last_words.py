"""Why a worker ended, read from what it printed."""

from __future__ import annotations

import pytest

from passtime.worker.driver import last_words

NANOBIND = """
Traceback (most recent call last):
  File "launch.py", line 60, in <module>
    main()
OSError: AF_UNIX path too long
nanobind: leaked 3 instances!
See https://nanobind.readthedocs.io/en/latest/refleaks.html
"""

CHAINED = """
Traceback (most recent call last):
  File "numpy/core/__init__.py", line 24, in <module>
    from . import multiarray
ImportError: libcblas.so.3: cannot open shared object file: No such file or directory

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "numpy/__init__.py", line 1, in <module>
    from . import core
ImportError:

IMPORTANT: PLEASE READ THIS FOR ADVICE ON HOW TO SOLVE THIS ISSUE!
"""

NO_OPTION = """
unknown option --socket
usage: python [option] ... [-c cmd | -m mod | file | -] [arg] ...
Try `python -h' for more information.
"""

JULIA = """
[ Info: Precompiling Flux [587475ba-b771-5e3f-ad9e-33799f191a9c]
WARNING: could not import ZygoteRules.adjoint into Zygote
passtime: Flux cannot be loaded: ArgumentError: Package Zygote not found in current path
"""


OWN = "passtime: " + "one thing and another, " * 50


@pytest.mark.parametrize(
    ("printed", "status", "cause", "is_of_runtime"),
    [
        (NANOBIND, 1, "OSError: AF_UNIX path too long", False),
        (CHAINED, 3, "ImportError: libcblas.so.3: cannot open shared object file: No such file or directory", True),
        (NO_OPTION, 2, "unknown option --socket (exit status 2)", False),
        (JULIA, 3, "Flux cannot be loaded: ArgumentError: Package Zygote not found in current path", True),
        ("python: error while loading shared libraries: libz.so.1: cannot open", 127,
         "python: error while loading shared libraries: libz.so.1: cannot open (exit status 127)", True),
        ("Fatal Python error: init_fs_encoding: failed\nTry again", 1,
         "Fatal Python error: init_fs_encoding: failed (exit status 1)", True),
        ("", -11, "died of SIGSEGV", False),
        ("", -64, "died of SIGRTMAX", False),
        ("a warning: it failed\nIllegal instruction\n", -4, "Illegal instruction (died of SIGILL)", False),
        (CHAINED, -9, None, False),
        ("hello\nworld\n", 5, "hello (exit status 5)", False),
        (OWN, 1, OWN[len("passtime: ") :].rstrip(), False),
        ("", 0, "exit status 0", False),
        ("error " + "x" * 1000, 1, "error " + "x" * 294 + "... (exit status 1)", False),
    ],
)  # fmt: skip
def test_the_cause_is_one_telling_line(printed, status, cause, is_of_runtime):
    """Own last words come first, then the last exception that says something, then the first line that tells."""
    read = last_words.read(printed, status)
    assert cause is None or read.cause == cause
    assert read.is_of_runtime == is_of_runtime
    assert "\n" not in read.cause
