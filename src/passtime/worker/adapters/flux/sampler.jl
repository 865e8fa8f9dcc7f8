# How many passes are run and what is kept; the same as ../../inside/sampler.py, function for function.
#
# A workload has `prepare()`, `forward()`, `backward(output)`, `infer()` and `synchronize()`, as there; `clock()` gives
# seconds. Nothing of a session's first batch is kept, so nothing that Julia compiles for it is either.

module Sampler

const SESSIONS = Dict("training" => ["forward", "backward", "total"], "inference" => ["inference"])

"""What a session measured: `elapsed_seconds` by pass, each a vector of seconds per pass in the order taken."""
struct Samples
    passes_per_sample::Int
    warmup_passes::Int
    elapsed_seconds::Dict{String,Vector{Float64}}
end

"""How many times the workload was run, warm-up included; a training step counts once."""
passes(samples::Samples) =
    samples.warmup_passes + maximum(length, values(samples.elapsed_seconds)) * samples.passes_per_sample

"""
Warms up, then samples until the medians are tight enough or a bound is reached. `observe` is called right before the
first sample, again where that was none yet, and right after the last.
"""
function sample(workload, session::String, policy::AbstractDict, clock, observe = () -> nothing)
    batch = batches(workload, session, clock)
    count, warmup_passes, _ = warm_up(batch, policy, clock)
    elapsed_seconds = none_of(session)
    observe()
    start = clock()
    while !is_enough(elapsed_seconds, policy, clock() - start)
        means = batch(count)
        if is_too_short(means, count, policy)
            # Warm-up ended too early: what looked like samples were the rest of it.
            warmup_passes += count * (1 + maximum(length, values(elapsed_seconds)))
            count *= 2
            elapsed_seconds = none_of(session)
            observe()
            start = clock()
            continue
        end
        for (name, seconds) in means
            push!(elapsed_seconds[name], seconds)
        end
    end
    observe()
    return Samples(count, warmup_passes, elapsed_seconds)
end

"""The function that runs and times passes of this workload, each by itself."""
function batches(workload, session::String, clock)
    prepare, synchronize = workload.prepare, workload.synchronize
    forward, backward, infer = workload.forward, workload.backward, workload.infer

    function training(count)
        forward_seconds = backward_seconds = 0.0
        for _ in 1:count
            prepare()
            synchronize()
            start = clock()
            output = forward()
            synchronize()
            between = clock()
            backward(output)
            synchronize()
            finish = clock()
            output = nothing
            forward_seconds += between - start
            backward_seconds += finish - between
        end
        forward_seconds /= count
        backward_seconds /= count
        return Dict(
            "forward" => forward_seconds,
            "backward" => backward_seconds,
            "total" => forward_seconds + backward_seconds,
        )
    end

    function inference(count)
        seconds = 0.0
        for _ in 1:count
            prepare()
            synchronize()
            start = clock()
            output = infer()
            synchronize()
            finish = clock()
            output = nothing
            seconds += finish - start
        end
        return Dict("inference" => seconds / count)
    end

    return session == "training" ? training : inference
end

"""Runs the workload until it is steady; gives the passes per sample, the passes that it took and its last batch."""
function warm_up(batch, policy, clock)
    count, passes, best = 1, 0, Inf
    start = clock()
    while true
        means = batch(count)
        passes += count
        slowest, shortest = maximum(values(means)), minimum(values(means))
        is_long_enough = shortest * count >= policy["batch_seconds"]
        clock() - start >= policy["warmup_seconds"] && return count, passes, means
        if is_long_enough
            slowest >= best * (1 - policy["warmup_tolerance"]) && return count, passes, means
            best = slowest
        else
            count *= 2
        end
    end
end

"""
Warm-up where samples are asked for later: gives the passes per sample, the passes that it took, and each pass's mean
seconds in its last batch. What `sample` finds out with its samples, that warm-up ended too early, is found out here.
"""
function settle(batch, policy, clock)
    count, passes, means = warm_up(batch, policy, clock)
    while is_too_short(means, count, policy)
        count *= 2
        means = batch(count)
        passes += count
    end
    return count, passes, means
end

"""Whether a batch of so many passes, which took these seconds each, is not half as long as it should be."""
function is_too_short(means, count, policy)
    shortest, longest = minimum(values(means)) * count, maximum(values(means)) * count
    return shortest < policy["batch_seconds"] / 2 && longest < policy["warmup_seconds"]
end

none_of(session) = Dict(name => Float64[] for name in SESSIONS[session])

"""Whether sampling may end: the least number is there, and every pass is tight enough or a bound is reached."""
function is_enough(elapsed_seconds, policy, spent_seconds)
    taken = minimum(length, values(elapsed_seconds))
    taken == 0 && return false
    is_long = all(samples -> median(samples) >= policy["long_pass_seconds"], values(elapsed_seconds))
    taken < policy[is_long ? "minimum_long_samples" : "minimum_samples"] && return false
    (taken >= policy["maximum_samples"] || spent_seconds >= policy["maximum_seconds"]) && return true
    return all(samples -> precision(samples) <= policy["target_precision"], values(elapsed_seconds))
end

function median(numbers)
    ordered = sort(numbers)
    middle = div(length(ordered), 2)
    return isodd(length(ordered)) ? ordered[middle+1] : (ordered[middle] + ordered[middle+1]) / 2
end

"""Half the width of the median's 95 % confidence interval, over the median; infinite for fewer than 6 values."""
function precision(numbers)
    ordered = sort(numbers)
    rank = interval_rank(length(ordered))
    rank == 0 && return Inf
    return (ordered[end-rank+1] - ordered[rank]) / 2 / median(ordered)
end

"""The largest k whose interval, from the k-th smallest to the k-th largest, holds the median with 95 %; 0 for none."""
function interval_rank(count)
    rank, ways, below = 0, big(1), big(0)
    while true
        below += ways
        2 * below > 0.05 * big(2)^count && return rank
        ways = div(ways * (count - rank), rank + 1)
        rank += 1
    end
end

end
