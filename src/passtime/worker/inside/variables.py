"""Which environment variables may change a framework's speed, and what may be told of them."""
# ruff: noqa: UP006, UP035

import os
import re
from typing import Dict, Mapping

_PREFIXES = (
    # Kernels of the CPU, and the threads under them.
    *(
        "ONEDNN_",
        "DNNL_",
        "MKL_",
        "MKLDNN_",
        "OMP_",
        "KMP_",
        "GOMP_",
        "GOTO_",
        "OPENBLAS_",
        "BLIS_",
        "ACL_",
        "FLEXIBLAS",
    ),
    # Memory.
    *("MALLOC_", "JE_MALLOC_", "_RJEM_MALLOC_", "TCMALLOC_", "MIMALLOC_", "THP_MEM_"),
    # Frameworks and their compilers.
    *("TORCH", "PYTORCH_", "ATEN_", "C10_", "XLA_", "JAX_", "TF_", "TRITON_", "BEAM_"),
    # GPUs.
    *("CUDA_", "CUDNN_", "CUBLAS", "HIP_", "HSA_", "MIOPEN_", "ROCBLAS_"),
)
_NAMES = frozenset(
    {
        *("GLIBC_TUNABLES", "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_BIND_NOW", "LRU_CACHE_CAPACITY"),
        *("NVIDIA_TF32_OVERRIDE", "PYTHONMALLOC", "PYTHONDEVMODE", "PYTHONOPTIMIZE", "PYTHON_JIT", "PYTHON_GIL"),
        # tinygrad's switches have short names.
        *("AMX", "BEAM", "CC", "CLANG", "CPU_LLVM", "DEBUG", "DEFAULT_FLOAT", "DEVECTORIZE", "DONT_GROUP_REDUCES"),
        *("DONT_REALIZE_EXPAND", "FLOAT16", "FUSE_ARANGE", "FUSE_CONV_BW", "IMAGE", "JIT", "JIT_BATCH_SIZE", "LLVM"),
        *("LRU", "NOOPT", "NOLOCALS", "NO_MEMORY_PLANNER", "PROFILE", "QUANTIZE", "RANGEIFY", "SPLIT_REDUCEOP"),
        *("SUM_DTYPE", "TC", "TC_OPT", "TRANSCENDENTAL", "USE_TC", "WINO"),
        # Of Julia's most say where files and packages are.
        *("JULIA_CPU_TARGET", "JULIA_CPU_THREADS", "JULIA_EXCLUSIVE", "JULIA_GC_ALLOC_POOL", "JULIA_GC_ALLOC_OTHER"),
        *(
            "JULIA_HEAP_SIZE_HINT",
            "JULIA_LLVM_ARGS",
            "JULIA_NUM_GC_THREADS",
            "JULIA_NUM_THREADS",
            "JULIA_GC_NO_GENERATIONAL",
        ),
        *("JULIA_THREAD_SLEEP_THRESHOLD",),
    }
)

# Where files are changes no pass.
_PLACES = re.compile(r"_(DIR|DIRS|FILE|HOME|PATH|ROOT|LOC|LOCATION|OUT)$")
_SECRET = re.compile(
    r"TOKEN|SECRET|PASSW|CREDENTIAL|COOKIE|APIKEY|(\b|_)(KEYS?|AUTH|USER|USERNAME|EMAIL)(\b|_)", re.IGNORECASE
)
_PATH = re.compile(r"[^\s:;,='\"]*/[^\s:;,='\"]*")

_IS_SET = "set"  # where the value is not for others to read
_LONGEST = 200


def recorded(threads: int) -> Dict[str, str]:
    """The variables that this process was started with and that still stand, by name, as far as they may be told.

    What the release, or its adapter, sets or changes when it is imported belongs to the release. A variable that sets
    the number of threads to the `threads` of the session says nothing more.
    """
    return told(_at_the_start(), os.environ, threads)


def told(started_with: Mapping[str, str], now: Mapping[str, str], threads: int) -> Dict[str, str]:
    """As `recorded`, of a process that was `started_with` some variables and has others `now`.

    No value names a path, a user or a secret: of preloaded libraries the files' names are told, of another path that
    it is one.
    """
    found = {}
    for name in sorted(started_with):
        value = started_with[name]
        if not _is_of_interest(name) or now.get(name) != value:
            continue
        if name.endswith("_NUM_THREADS") and value == str(threads):
            continue
        if name == "LD_PRELOAD":
            value = ":".join(os.path.basename(path) for path in re.split(r"[\s:]+", value) if path)
            if not value:
                continue
        found[name] = _readable(name, value)
    return found


def _is_of_interest(name: str) -> bool:
    if _SECRET.search(name):
        return False
    return name in _NAMES or (name.startswith(_PREFIXES) and not _PLACES.search(name))


def _readable(name: str, value: str) -> str:
    if name == "LD_LIBRARY_PATH" or "://" in value or "@" in value or _SECRET.search(value):
        return _IS_SET
    return _PATH.sub("(path)", value)[:_LONGEST]


def _at_the_start() -> Mapping[str, str]:
    try:
        with open("/proc/self/environ", "rb") as file:
            lines = file.read().decode("utf-8", "replace").split("\0")
    except OSError:
        return dict(os.environ)
    return {name: value for name, is_set, value in (line.partition("=") for line in lines) if is_set}
