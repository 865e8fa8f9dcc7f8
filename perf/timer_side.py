"""`torch.utils.benchmark.Timer` beside a worker's sampler, run by a runtime's interpreter: `timer_side.py FOLDER`.

The request on stdin is a worker's, with `session`, `passes`, `passes_per_sample`, `seconds` and `pairs`; the answer on
stdout is `{"pairs": {pass: [[worker's seconds, Timer's seconds], ...]}, "not_the_same": [pass, ...]}`, in seconds.

Both take turns on one workload in one process, forked and prepared as a worker's session is, so that nothing but who
measures differs: which pages a process's memory lies in, and what else the machine does in that minute, makes more
difference than anything that is looked for here. Either's turn follows a pass of the worker's, that of the worker one
that is not timed: a forward pass after another finds memory that it would have to ask for after a backward pass.
"""

import functools
import gc
import json
import sys

import runtime_side

# A pass that lasts 2.5 ms or more: the worker's batches of 20 ms have no more than these.
MOST_PASSES_OF_LONG_ONE = 8

# Less than any pass: then Timer takes blocks of one.
NO_SECONDS = 1e-9

# Timer chooses blocks that last a thousandth of the time it is given.
BLOCKS = 1000

# Before each block, Timer runs `setup`, outside its clock. A name that `stmt` binds lives until the block has ended,
# so that with blocks of one pass the graph is freed outside the clock, too: what the worker times.
SETUP_AND_STATEMENT = {
    "forward": ("clear()", "output = module(batch)"),
    "backward": ("clear(); output = module(batch)", "output.backward(gradient)"),
    "total": ("clear()", "output = module(batch); output.backward(gradient)"),
    "inference": ("pass", "output = module(batch)"),
}

# Where Timer repeats a pass without the worker's in between, a forward pass would follow a forward pass.
WHOLE_STEP = "module(batch).backward(gradient)"

# In blocks of many passes nothing can be done between two of them that is not timed. A backward pass needs a graph of
# its own and cannot be expressed.
STATEMENT_IN_BLOCKS = {
    "forward": "output = module(batch)",
    "total": "clear(); output = module(batch); output.backward(gradient)",
    "inference": "output = module(batch)",
}
# Timer then repeats forward alone, its weights in the cache; a training step's comes after a backward pass.
NOT_THE_SAME = ("forward",)


def measure(adapter, sampler, request):
    """What the module says the answer is, of a session's passes."""
    import torch
    from torch.utils.benchmark import Timer

    session, count = request["session"], request["passes_per_sample"]
    workload = adapter.build(request, session)
    gc.collect()
    gc.disable()
    batch = sampler.batches(workload, session, adapter.clock)
    sampler.warm_up(batch, request, adapter.clock)
    module, images = workload.forward.func, workload.batch
    names = {"module": module, "batch": images, "clear": workload.prepare, "gradient": torch.ones_like(module(images))}
    new_timer = functools.partial(Timer, globals=names, num_threads=request["threads"])
    passes = request["passes"]
    if count > MOST_PASSES_OF_LONG_ONE:
        seconds = request["batch_seconds"] * BLOCKS
        pairs = {
            name: pairs_of_blocks(new_timer(STATEMENT_IN_BLOCKS[name]), batch, name, seconds)
            for name in passes
            if name in STATEMENT_IN_BLOCKS
        }
        return {"pairs": pairs, "not_the_same": [name for name in passes if name in NOT_THE_SAME]}
    pairs = {}
    for name in passes:
        setup, statement = SETUP_AND_STATEMENT[name]
        if name == "forward" and count > 1:
            setup = f"{WHOLE_STEP}; {setup}"
        timer = new_timer(statement, setup)
        pairs[name] = pairs_of_passes(timer, batch, name, count, request["seconds"], request["pairs"])
    return {"pairs": pairs, "not_the_same": []}


def pairs_of_passes(timer, batch, name, count, seconds, least):
    """A worker's sample of `count` passes and as many of Timer's, each in a block of its own, in turn.

    At least so many pairs, until Timer's own passes add up to `seconds`.
    """
    if count == 1:
        return pairs_of_blocks(timer, batch, name, max(seconds, least * batch(1)[name]), check_single)
    # Timer chooses blocks of one by itself for models. For what is shorter it is asked for the least that it can do,
    # again and again; it warms up each time.
    pairs, spent = [], 0.0
    while len(pairs) < least or spent < seconds:
        theirs = []
        while len(theirs) < count:
            measured = timer.blocked_autorange(min_run_time=NO_SECONDS)
            check_single(measured.number_per_run)
            theirs.extend(measured.raw_times)
        spent += sum(theirs)
        batch(1)
        pairs.append([batch(count)[name], sum(theirs) / len(theirs)])
    return pairs


def pairs_of_blocks(timer, batch, name, seconds, check=lambda number: None):
    """After each of Timer's blocks a worker's sample of as many passes, until the blocks add up to `seconds`."""
    pairs = []

    def after_block(number, block_seconds):
        check(number)
        batch(1)
        pairs.append([batch(number)[name], block_seconds / number])

    timer.blocked_autorange(callback=after_block, min_run_time=seconds)
    return pairs


def check_single(number):
    """Ends the script when Timer took blocks of several passes: its `setup` ran before the first of them alone."""
    if number != 1:
        sys.exit(f"Timer took blocks of {number} passes, not of one")


def main():
    request = json.load(sys.stdin)
    torch, sampler, child = runtime_side.load(sys.argv[1], "adapters.torch", "inside.sampler", "inside.child")
    session = child.Child(functools.partial(measure, torch.ADAPTER, sampler, request), lambda: None)
    while session.read():
        pass
    json.dump(session.document(), sys.stdout)


if __name__ == "__main__":
    main()
