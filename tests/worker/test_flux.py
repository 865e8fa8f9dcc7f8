"""The Flux worker: its parts in any Julia, and all of it in the Flux releases that are here."""

from __future__ import annotations

import json
import random
import re
import statistics
import subprocess
from pathlib import Path

import numpy as np
import pytest

from passtime import places
from passtime.catalog import frameworks, sampling, workloads
from passtime.errors import PasstimeError
from passtime.measure import parity
from passtime.runtimes import julia, store
from passtime.timeline import manifest
from passtime.worker import adapters, protocol
from passtime.worker.driver import client, start
from passtime.worker.driver.idle import Meter
from passtime.worker.inside import resident, sampler

from .conftest import await_end, children_of, request_of

ROOT = Path(__file__).parents[2]
WORKER = (Path(adapters.__file__).parent / frameworks.get("flux").adapter).parent
SCRIPT = Path(__file__).with_name("flux_without_flux.jl")
RELEASES = ("flux-0.8.3", "flux-0.9.0", "flux-0.10.1", "flux-0.11.6", "flux-0.12.1", "flux-0.16.11")
THREADS = 2
FAKE = "PASSTIME_FAKE_FLUX"

PARAMETERS = {
    "resnet18": 11_689_512,
    "conv3x3/1": 64 * 3 * 9 + 64,
    "dense": 1024 * 512 + 512,
    "batchnorm": 6,
    "maxpool": 0,
    "meanpool": 0,
}

MESSAGES = [
    {"request": "hello", "protocol": 2},
    request_of("sample", "forward", "vgg16"),
    {"text": 'a "quoted" \\ back\nslash, \t tab, é ü 漢 🎉 }],', "": "", "none": None, "yes": True, "no": False},
    {"numbers": [0, -1, 1.5, 2e-7, 1e22], "strings": ["a,b", "[c]"], "empty": []},
    {},
]
REFUSED = ["", "[]", "{", '{"a": }', '{"a": 1 "b": 2}', '{"a": 1} {"b": 2}', '{"a": {"b": 1}}', '{"a": wrong}', '{"a']


class Scripted:
    """Passes that take what the script says, by a clock that only they move."""

    def __init__(self, durations: list[float]) -> None:
        self.now, self.taken, self.durations = 0.0, 0, durations

    def spend(self, *_: object) -> None:
        self.now += self.durations[self.taken % len(self.durations)]
        self.taken += 1

    def nothing(self, *_: object) -> None:
        pass

    forward = backward = infer = spend
    prepare = synchronize = observe = nothing


@pytest.fixture(scope="module")
def any_julia():
    """A Julia that the worker is written for."""
    found = next((path for series in ("1.5", "1.6", "1.10", "1.11") if (path := julia.find(series))), None)
    if found is None:
        pytest.skip(f"no Julia here: put one on PATH, or name it by {julia.JULIA_VARIABLE}")
    return found


@pytest.fixture(scope="module")
def place(any_julia, tmp_path_factory):
    """The folder in which a Julia has run the worker's parts that need no Flux."""
    place = tmp_path_factory.mktemp("julia")
    lines = [*(json.dumps(message) for message in MESSAGES), *REFUSED]
    (place / "messages.in").write_text("\n".join(lines) + "\n", "utf-8")
    for number, shape in enumerate([(5,), (2, 3), (2, 3, 4, 5)]):
        np.save(place / f"{number}.npy", np.arange(np.prod(shape), dtype=np.float32).reshape(shape))
    random_seconds = random.Random(3)
    durations = [random_seconds.uniform(0.004, 0.006) for _ in range(997)]
    for script, first_seconds in {"steady": [], "slow": [4.0, 4.0]}.items():
        (place / f"durations.{script}").write_text("".join(f"{one!r}\n" for one in [*first_seconds, *durations]))
    (place / "policy").write_text(json.dumps(sampling.policy()))
    ended = subprocess.run(
        [str(any_julia), "--startup-file=no", str(SCRIPT), str(WORKER), str(place)], capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    return place


def test_messages_are_read_and_written(place):
    """What Julia reads and writes again is what it was; what is no flat object is refused."""
    lines = (place / "messages.out").read_text("utf-8").splitlines()
    assert [json.loads(line) for line in lines[: len(MESSAGES)]] == MESSAGES
    assert lines[len(MESSAGES) :] == ["refused"] * len(REFUSED)


def test_arrays_keep_their_order(place):
    """A .npy file has its dimensions reversed in Julia, and comes back the same byte for byte in its values."""
    for path in place.glob("*.npy"):
        values = np.load(path)
        assert [int(size) for size in path.with_suffix(".size").read_text().split()] == list(reversed(values.shape))
        np.testing.assert_array_equal(np.load(path.with_suffix(".back")), values)


@pytest.mark.parametrize("session", ["training", "inference"])
@pytest.mark.parametrize("script", ["steady", "slow"])
def test_samples_are_taken_as_in_python(place, session, script):
    """The same passes by the same clock give the same warm-up, batches and samples in both languages.

    Also where the first passes outlast the time of warm-up.
    """
    scripted = Scripted([float(line) for line in (place / f"durations.{script}").read_text().split()])
    samples = sampler.sample(scripted, session, sampling.policy(), lambda: scripted.now)
    theirs = json.loads((place / f"samples.{session}.{script}").read_text())
    counts = (samples.passes_per_sample, samples.warmup_passes, samples.passes)
    assert (theirs.pop("count"), theirs.pop("warmup"), theirs.pop("passes")) == counts
    assert samples.passes_per_sample > 1
    del theirs["settled"], theirs["settled_seconds"]
    assert theirs.keys() == samples.elapsed_seconds.keys()
    for name, seconds in samples.elapsed_seconds.items():
        assert theirs[name] == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize("session", ["training", "inference"])
@pytest.mark.parametrize("script", ["steady", "slow"])
def test_a_held_session_warms_up_as_in_python(place, session, script):
    """Where no samples follow at once, batches are doubled after warm-up until one is long enough."""
    scripted = Scripted([float(line) for line in (place / f"durations.{script}").read_text().split()])
    held = sampler.Held(scripted, session, sampling.policy(), lambda: scripted.now)
    theirs = json.loads((place / f"samples.{session}.{script}").read_text())
    assert theirs["settled"] == [held.samples.passes_per_sample, held.samples.warmup_passes]
    assert theirs["settled_seconds"] == pytest.approx(held.step_seconds, rel=1e-12)


def test_models_are_those_of_the_workloads():
    """Every model that passtime has is in the Julia worker's tables, and no other."""
    text = (WORKER / "models.jl").read_text("utf-8")
    named = set(re.findall(r'^    "(\w+)" =>', text, re.MULTILINE))
    assert named == {name.removesuffix("_bn") for name in workloads.MODELS}


@pytest.fixture
def start_fake(any_julia, tmp_path):
    """Starts workers that find the fake Flux, told to do this instead of a dense layer's work."""
    workers = []

    def started(mishap=""):
        path = [str(Path(__file__).with_name("fake_flux")), "@stdlib"]
        variables = {"JULIA_LOAD_PATH": ":".join(path), "JULIA_DEPOT_PATH": str(tmp_path), FAKE: mishap}
        runtime = store.Runtime("flux-0.0", None, any_julia, variables)
        workers.append(start.worker(frameworks.get("flux"), runtime, THREADS))
        workers[-1].start()
        return workers[-1]

    yield started
    for worker in workers:
        worker.stop()


def test_a_julia_without_flux_says_so(any_julia, tmp_path, monkeypatch):
    """Where Flux cannot be loaded, the worker does not start, and the line has Julia's reason and what may help."""
    monkeypatch.setenv(places.HOME_VARIABLE, str(tmp_path))
    variables = {"JULIA_LOAD_PATH": "@stdlib", "JULIA_DEPOT_PATH": str(tmp_path)}
    worker = start.worker(frameworks.get("flux"), store.Runtime("flux-0.0", None, any_julia, variables), THREADS)
    message = r"flux-0\.0 did not start: Flux cannot be loaded: ArgumentError: Package Flux .*`passtime runtimes remove"
    with pytest.raises(PasstimeError, match=message):
        worker.start()
    worker.stop()


def test_sessions_speak_the_protocol(start_fake):
    """Hello, samples of every pass, memory and parity are answered as the protocol has them, by one process."""
    worker = start_fake()
    assert worker.hello.items() >= {"reply": "hello", "framework": "flux", "devices": ["cpu"]}.items()
    for name in ("forward", "backward", "total", "inference"):
        reply = ask(worker, name, "dense")
        assert (reply["reply"], reply["pass"], reply["workload"], reply["device"]) == ("samples", name, "dense", "cpu")
        assert min(reply["elapsed_seconds"]) > 0
        assert reply["provenance.parameters"] == PARAMETERS["dense"]
        assert reply["provenance.garbage_collection"] == "between passes"
    for name in ("total", "inference"):
        assert ask(worker, name, "dense", "memory")["peak_bytes"] > 0
    found = parity.check(worker, worker, "dense", "cpu")
    assert (found.difference, found.parameters, found.output_error) == ("", PARAMETERS["dense"], 0)


def test_sessions_tell_the_same_conditions_as_in_python(start_fake, start, monkeypatch):
    """What a Julia session was measured under is told in the fields of a Python session, with the same settings."""
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    ours, theirs = start(BEAM="").ask("sample", "total"), ask(start_fake(), "total", "dense")
    fields = ("cpu_quota", "affinity_cpus", "allocator", "transparent_huge_pages", "governor", "turbo")
    for name in (f"provenance.{field}" for field in (*fields, "env.OPENBLAS_CORETYPE")):
        assert ours.get(name) == theirs.get(name)
    for name in ("preemptions", "waits", "steal_seconds", "others_cpu_seconds", "suspended_seconds"):
        assert theirs[f"provenance.{name}"] >= 0
    assert 0 < sum(theirs["elapsed_seconds"]) < theirs["provenance.observed_seconds"]
    assert theirs["marks"] == [mark for mark in theirs["marks"] if mark in protocol.MARKS]
    assert not [name for name in theirs if name.startswith("provenance.env.JULIA")]


def hold(worker, measured_pass="total", workload="dense"):
    asked = request_of("open", measured_pass, workload, samples=1, threads=THREADS)
    return client.Session(worker.address, asked)


def test_a_session_is_held(start_fake):
    """A session is opened, stepped and closed as the protocol has it, and the process goes on to the next one."""
    worker = start_fake()
    for measured_pass, names in (("total", ("forward", "backward", "total")), ("inference", ("inference",))):
        whole = ask(worker, measured_pass, "dense")
        with hold(worker, measured_pass) as session:
            assert session.opened["process_id"] in children_of(worker.process_id)
            assert session.opened["step_seconds"] > 0
            stepped = session.step(3, 2)
            assert {name: len(stepped[f"elapsed_seconds.{name}"]) for name in names} == dict.fromkeys(names, 3)
            assert all(min(stepped[f"elapsed_seconds.{name}"]) > 0 for name in names)
            assert set(stepped["marks"]) <= set(protocol.MARKS)
            session.step(1, 0)
            closed = session.close()
        assert {name for name in whole if name.startswith("provenance.")} <= set(closed)
        assert closed["peak_bytes"] > 0
    assert ask(worker, "total", "dense")["reply"] == "samples"


def test_a_held_session_is_alone_and_ends_with_its_connection(start_fake):
    """The one process holds one session; a client that hangs up costs it, and the next session starts another."""
    worker = start_fake()
    with hold(worker) as session:
        number = session.opened["process_id"]
        with pytest.raises(client.WorkerError, match="holds a session already"):
            hold(worker)
        with pytest.raises(client.WorkerError, match="holds a session already"):
            ask(worker, "inference", "dense")
    await_end(number)
    with hold(worker) as session:
        assert session.opened["process_id"] != number


def test_a_held_session_that_waits_is_idle(start_fake):
    """Some moments after a step no thread of the process uses the processor."""
    worker = start_fake()
    with hold(worker) as session:
        session.step(1, 0)
        meter = Meter(session.opened["process_id"])
        assert meter.wait() or meter.wait() or meter.wait()


@pytest.mark.parametrize(
    ("mishap", "kind", "message"),
    [
        ("throw", "failed", r"ErrorException: the fake layer \(total of dense on cpu\)"),
        ("exhaust", "out_of_memory", r"OutOfMemoryError"),
        ("exit", "failed", r"session ended with exit status 3"),
    ],
)
def test_a_pass_that_fails_is_an_error_of_its_session(start_fake, mishap, kind, message):
    """An exception, memory that is out and a process that ends are one line each, twice in a row."""
    worker = start_fake(mishap)
    for _ in range(2):
        with pytest.raises(client.WorkerError, match=message) as raised:
            ask(worker, "total", "dense")
        assert raised.value.kind == kind
        assert "\n" not in str(raised.value)


def test_what_the_worker_cannot_do_is_said(start_fake):
    """A GPU that is not here is n/a; threads that Julia was not started with are refused."""
    worker = start_fake()
    with pytest.raises(client.WorkerError, match="sees no gpu here") as raised:
        ask(worker, "total", "dense", device="gpu")
    assert raised.value.kind == "unavailable"
    with pytest.raises(client.WorkerError, match="Julia was started with 2 threads, the request wants 1"):
        client.ask(worker.address, request_of("sample", "total", "dense", samples=1, threads=1))


@pytest.fixture(scope="module")
def mishap(tmp_path_factory):
    """The file that has passes fail in `process`, where it is there."""
    return tmp_path_factory.mktemp("mishap") / "mishap"


@pytest.fixture(scope="module")
def process(any_julia, mishap):
    """Julia with the fake Flux, without a worker around it."""
    path = [str(Path(__file__).with_name("fake_flux")), "@stdlib"]
    variables = {"JULIA_LOAD_PATH": ":".join(path), "JULIA_DEPOT_PATH": str(mishap.parent), FAKE: str(mishap)}
    variables.update(dict.fromkeys(frameworks.get("flux").thread_variables, str(THREADS)))
    command = ["env", *(f"{name}={value}" for name, value in variables.items()), str(any_julia), "--startup-file=no"]
    process = resident.Resident([*command, str(WORKER / "main.jl")])
    yield process
    process.close()


def held(process, measured_pass="total", **fields):
    fields = {"samples": None, "threads": THREADS, "observe": ["/proc/stat", "/nowhere"], **fields}
    return process.hold(request_of("open", measured_pass, "dense", **fields), lambda: None)


def answered(turn, request=None, **fields):
    """The document of what was asked, or of this request."""
    if request:
        turn.ask({"request": request, "protocol": 2, **fields})
    while turn.read():
        pass
    return turn.document()


def data_bytes(process_id):
    """The data that a process has in memory."""
    status = Path(f"/proc/{process_id}/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+) kB", status)[1]) * 1024


@pytest.mark.parametrize(("session", "whole"), [("training", "total"), ("inference", "inference")])
def test_a_held_session_is_opened_stepped_and_closed(process, session, whole):
    """It tells how long a step is, takes the samples that are asked for, and at its end what explains them."""
    turn = held(process, whole)
    opened = answered(turn)["reply"]
    assert (opened["reply"], opened["workload"], opened["device"]) == ("opened", "dense", "cpu")
    assert opened["passes_per_sample"] >= 1
    assert opened["step_seconds"] > 0
    assert Path(f"/proc/{opened['process_id']}/exe").resolve().name.startswith("julia")
    ends = []
    for samples, untimed_passes in ((3, 0), (1, 2)):
        document = answered(turn, "step", samples=samples, untimed_passes=untimed_passes)
        stepped, (first, last) = document["reply"], document["observed"]["readings"]
        assert stepped.pop("reply") == "stepped"
        assert stepped.keys() == {f"elapsed_seconds.{name}" for name in protocol.SESSIONS[session]}
        assert all(len(seconds) == samples and min(seconds) > 0 for seconds in stepped.values())
        spent_seconds = sum(stepped[f"elapsed_seconds.{whole}"]) * opened["passes_per_sample"]
        assert spent_seconds < last["monotonic_seconds"] - first["monotonic_seconds"]
        assert first["files"][0].startswith("cpu ")
        assert first["files"][1] == ""
        ends += [first["monotonic_seconds"], last["monotonic_seconds"]]
    assert ends == sorted(ends)
    document = answered(turn, "close")
    closed, sample = document["reply"], at_once(process, whole)[f"sample {whole}"]
    assert closed["peak_bytes"] > 0
    assert document["observed"]["malloc"].startswith("libc")
    assert closed["provenance.warmup_passes"] >= opened["passes_per_sample"]
    assert provenance_of(closed) == provenance_of(sample)
    assert closed["provenance.parameters"] == PARAMETERS["dense"]


def provenance_of(reply):
    return {name for name in reply if name.startswith("provenance.")}


def at_once(process, measured_pass, **fields):
    """The replies of a session that is run at once, in the same process."""
    fields = {"samples": 2, "threads": THREADS, **fields}
    return answered(process.session(request_of("sample", measured_pass, "dense", **fields), lambda: None))["replies"]


def test_a_held_session_splits_its_steps(process):
    """Forward and backward of the same steps make the total, of each sample."""
    turn = held(process)
    answered(turn)
    stepped = answered(turn, "step", samples=2, untimed_passes=1)["reply"]
    answered(turn, "close")
    parts = zip(*(stepped[f"elapsed_seconds.{name}"] for name in ("forward", "backward", "total")), strict=True)
    for forward, backward, total in parts:
        assert forward + backward == pytest.approx(total)


def test_a_held_session_is_held_alone(process):
    """What is asked out of turn is refused, and disturbs neither the session nor the process."""
    for request in ("step", "close"):
        turn = process.session({"request": request, "protocol": 2, "samples": 1, "untimed_passes": 0}, lambda: None)
        assert answered(turn)["error"]["kind"] == "bad_request"
    turn = held(process)
    answered(turn)
    for request in ("sample", "memory", "parity", "open"):
        document = answered(turn, **request_of(request, "total", threads=THREADS))
        assert document["error"]["kind"] == "bad_request"
        assert "a session is held" in document["error"]["message"]
    assert answered(turn, "step", samples=1, untimed_passes=0)["reply"]["reply"] == "stepped"
    assert answered(turn, "close")["reply"]["reply"] == "closed"
    assert answered(turn, "step", samples=1, untimed_passes=0)["error"]["kind"] == "bad_request"


def test_a_held_session_ends_with_an_error(process, mishap):
    """A pass that fails in a step ends the session, as does what cannot be opened; the process goes on."""
    turn = held(process)
    process_id = answered(turn)["reply"]["process_id"]
    mishap.touch()
    failed = answered(turn, "step", samples=1, untimed_passes=0)
    assert (failed["error"]["kind"], failed["error"]["message"]) == ("failed", "ErrorException: the fake layer")
    mishap.unlink()
    assert answered(turn, "step", samples=1, untimed_passes=0)["error"]["kind"] == "bad_request"
    assert answered(held(process, device="gpu"))["error"]["kind"] == "unavailable"
    turn = held(process)
    assert answered(turn)["reply"]["process_id"] == process_id
    answered(turn, "close")


def test_a_held_session_leaves_nothing(process):
    """Its workload is freed when it is closed, and its peak holds what it had; also the process's memory is let go."""
    large = {"input_shape": [20_000, 1024], "samples": 1}
    turn = held(process, **large)
    process_id = answered(turn)["reply"]["process_id"]
    while_open = data_bytes(process_id)
    answered(turn, "step", samples=1, untimed_passes=0)
    input_bytes = 20_000 * 1024 * 4
    assert answered(turn, "close")["reply"]["peak_bytes"] > input_bytes
    assert at_once(process, "inference")
    assert data_bytes(process_id) < while_open - 0.9 * input_bytes


@pytest.fixture(scope="module", params=RELEASES)
def worker(request):
    """A worker of a real Flux release."""
    runtime = store.find(manifest.load(ROOT).get(request.param))
    if runtime is None:
        pytest.skip(f"{request.param} is not here: passtime runtimes install or adopt {request.param}")
    with start.worker(frameworks.get("flux"), runtime, THREADS) as worker:
        yield worker


def ask(worker, measured_pass, workload, request="sample", **fields):
    return client.ask(
        worker.address, request_of(request, measured_pass, workload, samples=1, threads=THREADS, **fields)
    )


@pytest.mark.real
@pytest.mark.timeout(900)
@pytest.mark.parametrize("workload", PARAMETERS)
def test_flux_runs_the_workload(worker, workload):
    """A real release answers training and inference, with the workload's number of parameters and its shapes."""
    assert f"flux-{worker.hello['version']}" == worker.name
    total = ask(worker, "total", workload)
    assert total["provenance.parameters"] == PARAMETERS[workload]
    assert total["provenance.input_shape"] == request_of("sample", "total", workload)["input_shape"]
    assert total["provenance.threads"] == THREADS
    if total["provenance.blas"].startswith("openblas"):
        assert total["provenance.blas_core"]
    assert ask(worker, "forward", workload)["elapsed_seconds"][0] < total["elapsed_seconds"][0]
    assert ask(worker, "total", workload, "memory")["peak_bytes"] > 0
    assert ask(worker, "inference", workload)["elapsed_seconds"][0] > 0


@pytest.mark.real
def test_a_flux_session_takes_turns_with_others(worker):
    """A real release holds a session whose samples are those of one that is sampled at once."""
    at_once = ask(worker, "total", "conv3x3/1")["elapsed_seconds"][0]
    with hold(worker, "total", "conv3x3/1") as session:
        samples = session.step(5, 1)["elapsed_seconds.total"]
        assert session.close()["provenance.framework"] == "flux"
    assert 0.2 < statistics.median(samples) / at_once < 5


@pytest.mark.real
def test_what_flux_lacks_is_unavailable(worker):
    """A GPU that is not here, and groups in releases without them, are n/a and no failure."""
    for workload, device in (("dense", "gpu"), ("resnext50_32x4d", "cpu")):
        if device in worker.hello["devices"] and worker.hello["version"].startswith("0.16"):
            continue
        with pytest.raises(client.WorkerError) as raised:
            ask(worker, "total", workload, device=device)
        assert raised.value.kind == "unavailable"


@pytest.mark.real
@pytest.mark.parametrize("workload", ["conv5x5/2", "dense", "batchnorm", "maxpool", "meanpool"])
def test_flux_does_the_same_work_as_torch(worker, workload):
    """The same weights and input give torch's output and gradients, but for a known fault."""
    release = manifest.load(ROOT).get("torch-2.15.0")
    runtime = store.find(release)
    if runtime is None:
        pytest.skip("torch-2.15.0 is not installed: passtime runtimes install torch-2.15.0")
    with start.worker(frameworks.get("torch"), runtime, THREADS) as torch:
        found = parity.check(torch, worker, workload, "cpu")
    if workload.endswith("pool") and worker.hello["version"].startswith(("0.8.", "0.9.", "0.10.")):
        # Their NNlib, 0.6, takes no sum or maximum below zero at padding, and keeps only the last of the gradients
        # of maxima that overlap.
        assert "outputs differ" in found.difference
        assert ("gradients differ" in found.difference) == (workload == "maxpool")
    else:
        assert found.difference == ""
    assert found.parameters == PARAMETERS.get(workload, 64 * 3 * 25 + 64)
