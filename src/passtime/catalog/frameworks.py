"""The one registry of frameworks: how a framework is installed, which adapter times it, how it is started. Data only.

A new framework is one adapter under `worker/adapters/` and one entry here, beside its releases in
`timeline/releases.toml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from passtime.errors import PasstimeError


@dataclass(frozen=True)
class Framework:
    """A framework that passtime can time.

    `adapter` is the worker's code that knows the framework, a path below `worker/adapters/`. A `resident` framework
    runs all sessions in one process, for a language whose compiled code dies with its process; the others fork a
    process for each. `thread_variables` are set to the number of threads: what the libraries under the framework read
    when they are loaded.

    `language` is the key under which a release says what version of `python` or `julia` it runs on, `package` what its
    package manager calls the framework. `cpu_index` has builds for machines without a GPU, beside the package index.
    `nightly_index` is the package index of its nightlies, `companions` the packages that are built for one build of
    it. `build_environment` is set where it is built from its source, but for what the user has set, and for a
    compiler's launcher that is not here.
    """

    name: str
    adapter: str
    is_resident: bool = False
    thread_variables: tuple[str, ...] = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
    language: str = "python"
    package_name: str | None = None
    cpu_index: str | None = None
    nightly_index: str | None = None
    companions: tuple[str, ...] = ()
    build_environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def package(self) -> str:
        return self.package_name or self.name


# For the CPU, and without what no pass runs: docs/pytorch-from-source.md. What makes passes fast is as in the wheels.
_TORCH_BUILD = {
    **dict.fromkeys(("USE_CUDA", "USE_ROCM", "USE_XPU", "USE_DISTRIBUTED", "BUILD_TEST"), "0"),
    **dict.fromkeys(("CMAKE_C_COMPILER_LAUNCHER", "CMAKE_CXX_COMPILER_LAUNCHER"), "ccache"),
    # Each commit is built in a folder of its own, whose name must not make a file of it another one.
    "CCACHE_BASEDIR": "/",
    "CCACHE_NOHASHDIR": "1",
}

FRAMEWORKS: dict[str, Framework] = {
    framework.name: framework
    for framework in [
        Framework(
            "torch",
            "torch.py",
            cpu_index="https://download.pytorch.org/whl/cpu/",
            nightly_index="https://download.pytorch.org/whl/nightly/cpu/",
            companions=("torchvision",),
            build_environment=_TORCH_BUILD,
        ),
        Framework(
            "flux",
            "flux/main.jl",
            is_resident=True,
            thread_variables=("JULIA_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
            language="julia",
            package_name="Flux",
        ),
        Framework("tinygrad", "tinygrad.py", thread_variables=("NUM_CPU_THREADS", "CPU_COUNT")),
    ]
}


def get(name: str) -> Framework:
    """The framework of that name. Raises PasstimeError for one that is not registered."""
    try:
        return FRAMEWORKS[name]
    except KeyError:
        raise PasstimeError(f"unknown framework {name!r}: passtime knows {', '.join(sorted(FRAMEWORKS))}") from None


def to_install(name: str) -> Framework:
    """The same; a name that is not registered is that of a Python package, which is installed and cannot be timed."""
    return FRAMEWORKS.get(name) or Framework(name, f"{name}.py")
