# The worker's parts that need no Flux, for test_flux.py: messages, arrays and samples, in and out by files.
# julia flux_without_flux.jl FOLDER-OF-THE-WORKER FOLDER-OF-THE-TEST

worker, place = ARGS

include(joinpath(worker, "json.jl"))
include(joinpath(worker, "npy.jl"))
include(joinpath(worker, "sampler.jl"))
include(joinpath(worker, "watch.jl"))

# Messages: each line read and written again; what cannot be read is said.
open(joinpath(place, "messages.out"), "w") do out
    for line in eachline(joinpath(place, "messages.in"))
        written = try
            Json.write_value(Json.parse_flat(line))
        catch
            "refused"
        end
        println(out, written)
    end
end
nan = try
    Json.write_value(Dict("x" => NaN))
catch error
    "refused"
end
nan == "refused" || error("NaN is no JSON")

# Arrays: as they are, and their dimensions as Julia has them.
for name in readdir(place)
    endswith(name, ".npy") || continue
    values = Npy.load(joinpath(place, name))
    write(joinpath(place, replace(name, ".npy" => ".size")), join(size(values), " "))
    Npy.save(joinpath(place, replace(name, ".npy" => ".back")), values)
end

# Samples: passes that take what the script says, by a clock that only they move.
now = Ref(0.0)
durations = Float64[]
taken = Ref(0)
function spend(_ = nothing)
    taken[] += 1
    now[] += durations[mod1(taken[], length(durations))]
end
policy = Json.parse_flat(read(joinpath(place, "policy"), String))
workload = (prepare = () -> nothing, forward = spend, backward = spend, infer = spend, synchronize = () -> nothing)
for session in ("training", "inference"), script in ("steady", "slow")
    global durations = parse.(Float64, readlines(joinpath(place, "durations.$script")))
    now[], taken[] = 0.0, 0
    samples = Sampler.sample(workload, session, policy, () -> now[])
    document = merge(
        Dict{String,Any}(samples.elapsed_seconds),
        Dict("count" => samples.passes_per_sample, "warmup" => samples.warmup_passes, "passes" => Sampler.passes(samples)),
    )
    # Warm-up for samples that are asked for later.
    now[], taken[] = 0.0, 0
    count, passes, means = Sampler.settle(Sampler.batches(workload, session, () -> now[]), policy, () -> now[])
    document["settled"] = [count, passes]
    document["settled_seconds"] = means[last(Sampler.SESSIONS[session])]
    write(joinpath(place, "samples.$session.$script"), Json.write_value(document))
end

# The machine.
memory = Watch.memory_bytes()
all(name -> memory[name] > 0, ("VmHWM", "RssAnon", "RssFile")) || error("no memory: $memory")
baseline = memory["RssAnon"]
Watch.forget_peak()
held = fill(1.0f0, 25_000_000)
Watch.peak_bytes(baseline) > 90_000_000 || error("100 MB were not seen: $(Watch.peak_bytes(baseline))")
Watch.available_bytes() > 0 && Watch.page_faults() > 0 && Watch.others_cpu_seconds() > 0 && Watch.load() >= 0 ||
    error("the machine does not tell")
before, after = Watch.reading(["/proc/stat", "/nowhere"]), Watch.reading([])
before["monotonic_seconds"] < after["monotonic_seconds"] && 0 < before["cpu_seconds"] <= after["cpu_seconds"] ||
    error("no times: $before")
0 <= before["preemptions"] <= after["preemptions"] && before["waits"] > 0 || error("no counts: $before")
startswith(before["files"][1], "cpu ") && before["files"][2] == "" || error("files were not read")
startswith(Watch.malloc_file(), "libc") || error("malloc is in $(Watch.malloc_file())")
sum(held) > 0 || error("not held")
