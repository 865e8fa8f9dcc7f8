"""`torch.utils.benchmark.Timer` on a workload, run by a runtime's interpreter: `timer_side.py FOLDER <REQUEST >ANSWER`.

The request is a worker's, with `session`, `passes_per_sample` and `seconds` for each pass; the answer gives each
pass's seconds, a median. The model, its weights and its input come from the worker's adapter. All else is Timer's:
its warm-up, its clock, its blocks, its threads.
"""

import json
import statistics
import sys

import runtime_side

# A pass that lasts 2.5 ms or more: the worker's batches of 20 ms have no more than these.
MOST_PASSES_OF_LONG_ONE = 8

# Less than any pass: then Timer takes blocks of one.
NO_SECONDS = 1e-9

# Before each block, Timer runs `setup`, outside its clock. A name that `stmt` binds lives until the block has ended,
# so that with blocks of one pass the graph is freed outside the clock, too: what the worker times.
SETUP_AND_STATEMENT = {
    "forward": ("clear()", "output = module(batch)"),
    "backward": ("clear(); output = module(batch)", "output.backward(gradient)"),
    "total": ("clear()", "output = module(batch); output.backward(gradient)"),
    "inference": ("pass", "output = module(batch)"),
}

# In blocks of many passes nothing can be done between two of them that is not timed. A backward pass needs a graph of
# its own and cannot be expressed.
STATEMENT_IN_BLOCKS = {
    "forward": "output = module(batch)",
    "total": "clear(); output = module(batch); output.backward(gradient)",
    "inference": "output = module(batch)",
}
# Timer then repeats forward alone, its weights in the cache; a training step's comes after a backward pass.
NOT_THE_SAME = ("forward",)


def measure(workload, session, passes_per_sample, seconds, threads):
    """`{"seconds": {pass: seconds}, "not_the_same": [pass, ...]}` of a session's passes."""
    import torch
    from torch.utils.benchmark import Timer

    module, batch = workload.forward.func, workload.batch
    names = {"module": module, "batch": batch, "clear": workload.prepare, "gradient": torch.ones_like(module(batch))}
    passes = ["inference"] if session == "inference" else ["forward", "backward", "total"]
    if passes_per_sample > MOST_PASSES_OF_LONG_ONE:
        timers = {name: Timer(STATEMENT_IN_BLOCKS[name], globals=names, num_threads=threads)
                  for name in passes if name in STATEMENT_IN_BLOCKS}  # fmt: skip
        medians = {name: block_median(timer, passes_per_sample, seconds) for name, timer in timers.items()}
        return {"seconds": medians, "not_the_same": [name for name in passes if name in NOT_THE_SAME]}
    medians = {}
    for name in passes:
        setup, statement = SETUP_AND_STATEMENT[name]
        timer = Timer(statement, setup, globals=names, num_threads=threads)
        times = single_passes(timer, passes_per_sample, seconds)
        medians[name] = statistics.median(batch_means(times, passes_per_sample))
    return {"seconds": medians, "not_the_same": []}


def single_passes(timer, passes_per_sample, seconds):
    """Seconds of passes in blocks of one, until they add up to `seconds`.

    Timer chooses such blocks by itself where its clock costs less than 1e-4 of a pass, which holds for models. For
    what is shorter, it is asked for the least it can do, again and again; it warms up each time.
    """
    times = []
    while sum(times) < seconds:
        measured = timer.blocked_autorange(min_run_time=seconds if passes_per_sample == 1 else NO_SECONDS)
        if measured.number_per_run != 1:
            sys.exit(f"Timer took blocks of {measured.number_per_run} passes, not of one")
        times.extend(measured.raw_times)
    return times


def block_median(timer, passes_per_sample, seconds):
    """The median seconds per pass of Timer's blocks, which are as long as a worker's sample."""
    means = []
    while sum(means) * passes_per_sample < seconds:
        means.append(timer.timeit(passes_per_sample).mean)
    return statistics.median(means)


def batch_means(times, passes_per_sample):
    """The means over as many passes as a worker's sample has; what is left over at the end is left out."""
    whole = max(1, len(times) // passes_per_sample)
    batches = [times[index * passes_per_sample : (index + 1) * passes_per_sample] for index in range(whole)]
    return [sum(times) / len(times) for times in batches]


def main():
    request = json.load(sys.stdin)
    (adapter,) = runtime_side.load(sys.argv[1], "torch")
    try:
        import torch.utils.benchmark  # noqa: F401
    except ImportError:
        sys.exit("this release has no torch.utils.benchmark: name one from 1.7 on")
    workload = adapter.build(request, request["session"])
    answer = measure(workload, request["session"], request["passes_per_sample"], request["seconds"], request["threads"])
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
