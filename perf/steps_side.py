"""Joint training steps beside passes measured apart, run by a runtime's interpreter: `steps_side.py FOLDER <REQUEST`.

The request is a worker's, with `seconds` and `rounds`; the answer gives the seconds of each round,
`{"joint": {pass: [...]}, "apart": {pass and how: [...]}}`. The joint steps are the worker's own code. One process
measures everything, in turn, so that nothing but the order of operations differs.
"""

import json
import sys
import time

import runtime_side

clock = time.perf_counter


def forward_apart(workload):
    """Seconds of a forward pass; its graph is recorded and dropped."""
    workload.prepare()
    workload.synchronize()
    start = clock()
    output = workload.forward()
    workload.synchronize()
    end = clock()
    output = None  # noqa: F841  freed outside the clock
    return end - start


def forward_in_a_step(workload):
    """Seconds of a forward pass in a training step whose backward pass is not timed, so after one, as in training."""
    workload.prepare()
    workload.synchronize()
    start = clock()
    output = workload.forward()
    workload.synchronize()
    end = clock()
    workload.backward(output)
    workload.synchronize()
    output = None
    return end - start


def backward_apart(workload):
    """Seconds of a backward pass, after a forward pass that is not timed."""
    workload.prepare()
    output = workload.forward()
    workload.synchronize()
    start = clock()
    workload.backward(output)
    workload.synchronize()
    end = clock()
    output = None
    return end - start


def total_apart(workload):
    """Seconds of both, without a look at the clock between them."""
    workload.prepare()
    workload.synchronize()
    start = clock()
    output = workload.forward()
    workload.backward(output)
    workload.synchronize()
    end = clock()
    output = None
    return end - start


APART = {
    "forward": forward_apart,
    "forward, in a step": forward_in_a_step,
    "backward": backward_apart,
    "total": total_apart,
}


def measure(workload, sampler, policy, rounds, seconds):
    """Rounds of joint steps and of each pass apart, in an order that turns round; at least `rounds`, for `seconds`.

    Each turn starts with a pass of its own kind that is not timed, so that no pass is timed in another's wake.
    """
    joint_batch = sampler.batches(workload, "training", clock)
    count, *_ = sampler.warm_up(joint_batch, policy, clock)
    joint = {name: [] for name in ("forward", "backward", "total")}
    apart = {name: [] for name in APART}

    def joint_turn():
        joint_batch(1)
        for name, mean in joint_batch(count).items():
            joint[name].append(mean)

    def apart_turn(name):
        APART[name](workload)
        apart[name].append(sum(APART[name](workload) for _ in range(count)) / count)

    turns = [joint_turn] + [lambda name=name: apart_turn(name) for name in APART]
    start = clock()
    while len(joint["total"]) < rounds or clock() - start < seconds:
        for turn in turns:
            turn()
        turns.reverse()
    return {"joint": joint, "apart": apart}


def main():
    import gc

    request = json.load(sys.stdin)
    torch, sampler = runtime_side.load(sys.argv[1], "adapters.torch", "inside.sampler")
    workload = torch.ADAPTER.build(request, "training")
    gc.collect()
    gc.disable()
    json.dump(measure(workload, sampler, request, request["rounds"], request["seconds"]), sys.stdout)


if __name__ == "__main__":
    main()
