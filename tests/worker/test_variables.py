"""Which environment variables are told of a session, and how much of them."""

from __future__ import annotations

import pytest

from passtime.worker.inside import variables


def told(now=None, threads=2, **started_with):
    return variables.told(started_with, {**started_with, **(now or {})}, threads)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ONEDNN_MAX_CPU_ISA", "SSE41"),
        ("ONEDNN_DEFAULT_FPMATH_MODE", "BF16"),
        ("DNNL_MAX_CPU_ISA", "AVX2"),
        ("MKL_CBWR", "COMPATIBLE"),
        ("OMP_WAIT_POLICY", "passive"),
        ("KMP_AFFINITY", "granularity=fine,compact,1,0"),
        ("GOMP_SPINCOUNT", "0"),
        ("OPENBLAS_CORETYPE", "Haswell"),
        ("MALLOC_ARENA_MAX", "1"),
        ("MALLOC_TRIM_THRESHOLD_", "100000000"),
        ("GLIBC_TUNABLES", "glibc.malloc.trim_threshold=1:glibc.malloc.hugetlb=1"),
        ("TORCHDYNAMO_DISABLE", "1"),
        ("PYTORCH_JIT", "0"),
        ("ATEN_CPU_CAPABILITY", "default"),
        ("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false"),
        ("JAX_ENABLE_X64", "1"),
        ("TF_ENABLE_ONEDNN_OPTS", "0"),
        ("CUDA_LAUNCH_BLOCKING", "1"),
        ("NVIDIA_TF32_OVERRIDE", "0"),
        ("BEAM", "2"),
        ("NOOPT", "1"),
        ("JULIA_CPU_TARGET", "generic"),
        ("JULIA_HEAP_SIZE_HINT", "1G"),
        ("CUDA_VISIBLE_DEVICES", ""),
    ],
)
def test_what_changes_the_speed_is_told(name, value):
    """Settings of kernels, threads, memory, frameworks and GPUs are told as they are."""
    assert told(**{name: value}) == {name: value}


@pytest.mark.parametrize(
    "name",
    [
        *("HOME", "PATH", "USER", "HOSTNAME", "PASSTIME_HOME", "LANG", "TORCH_HOME", "CUDA_PATH", "JULIA_DEPOT_PATH"),
        *("JULIA_PKG_SERVER", "JAX_COMPILATION_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "TORCH_API_KEY", "XLA_TOKEN"),
        *("JAX_PASSWORD", "PYTORCH_APIKEY", "TF_SECRET_NAME", "CUDA_USER"),
    ],
)
def test_places_secrets_and_what_changes_no_speed_are_not_told(name):
    """Where files are, who the user is, and what is a secret by its name, is in no session's line."""
    assert told(**{name: "something"}) == {}


def test_values_name_no_path_and_no_secret():
    """Of preloaded libraries the files' names are told, of other paths and addresses that there is one."""
    assert told(
        LD_PRELOAD="/srv/me/lib/libjemalloc.so.2 /opt/libx.so:liby.so",
        LD_LIBRARY_PATH="/srv/me/lib",
        XLA_FLAGS="--xla_dump_to=/srv/me/dump --xla_cpu_enable_fast_math=true",
        TORCH_LOGS="https://me:word@example.org/x",
        KMP_SETTINGS="password=x",
        MALLOC_CONF="x" * 5000,
    ) == {
        "LD_PRELOAD": "libjemalloc.so.2:libx.so:liby.so",
        "LD_LIBRARY_PATH": "set",
        "XLA_FLAGS": "--xla_dump_to=(path) --xla_cpu_enable_fast_math=true",
        "TORCH_LOGS": "set",
        "KMP_SETTINGS": "set",
        "MALLOC_CONF": "x" * 200,
    }
    assert told(LD_PRELOAD="") == {}


def test_the_number_of_threads_is_told_once():
    """A variable that sets a library's threads is told where it says another number than the session's."""
    assert told(OMP_NUM_THREADS="2", MKL_NUM_THREADS="2", JULIA_NUM_THREADS="2") == {}
    assert told(OMP_NUM_THREADS="4") == {"OMP_NUM_THREADS": "4"}


def test_what_the_release_sets_itself_is_not_told():
    """What is set or changed while the release is imported is the same for everyone who runs it."""
    assert told(JIT="0", BEAM="2", now={"JIT": "1", "CLANG": "1"}) == {"BEAM": "2"}
