# One session: from the request to the document that holds its replies; the same as ../../inside/session.py and ../torch.py.

"""
`{"replies": {"sample forward": ..., "memory total": ...}}` or `{"error": ...}`; beside replies of samples, `observed` has
what ../../inside/conditions.py makes the session's conditions of.
"""
function run_session(request)
    try
        return errors_as_values(() -> request["request"] == "parity" ? Dict("replies" => exchange(request)) : measure(request))
    finally
        free()
    end
end

"""
The documents of a session that is held: of the `open` request, then of each `step`, and of `close`, the last. Each is
`{"reply": ..., "observed": ...}` or `{"error": ...}`; an error is the last, too. `next_request()` waits for what comes.
"""
function hold_session(request, send, next_request)
    try
        held = nothing
        document = errors_as_values() do
            held = Held(request)
            opened(held)
        end
        send(document)
        while !haskey(document, "error")
            asked = next_request()
            asked === nothing && return
            is_end = asked["request"] == "close"
            document = errors_as_values(() -> is_end ? closed(held) : stepped(held, asked))
            is_end && free()
            send(document)
            is_end && return
        end
    finally
        free()
    end
end

function free()
    GC.enable(true)
    GC.gc()
end

function errors_as_values(work)
    try
        return work()
    catch error
        if error isa Failure
            return Dict("error" => error_reply(error.kind, error.message))
        end
        showerror(stderr, error, catch_backtrace())
        println(stderr)
        kind = is_out_of_memory(error) ? "out_of_memory" : "failed"
        return Dict("error" => error_reply(kind, "$(typeof(error).name.name): $(first_line(error))"))
    end
end

error_reply(kind, message) = Dict("reply" => "error", "kind" => kind, "message" => message)

is_out_of_memory(error) = error isa OutOfMemoryError || occursin(r"out of memory"i, first_line(error))

session_of(request) = request["pass"] == "inference" ? "inference" : "training"

# The workload.

mutable struct Workload
    step::Step
    is_training::Bool
    is_on_gpu::Bool
    output_gradient::Any
    output_shape::Vector{Int}
    flushed::Any
end

# Written before each pass of a layer on the GPU, as in ../torch.py: docs/decisions/0019.
const FLUSH_BYTES = 256 << 20

"""The workload of a request on its device. Throws Failure for what this release or this machine lacks."""
function build(request, session; batch = request["input_shape"][1])
    threads = request["threads"]
    if Threads.nthreads() != threads
        throw(Failure("bad_request", "Julia was started with $(Threads.nthreads()) threads, the request wants $threads"))
    end
    LinearAlgebra.BLAS.set_num_threads(threads)
    device = request["device"]
    if device != "cpu" && !(device == "gpu" && GPU !== nothing)
        throw(Failure("unavailable", "Flux $VERSION_OF_FLUX sees no $device here"))
    end
    is_training = session == "training"
    built = request["kind"] == "model" ? model(request["workload"], request["output_channels"]) : layer(request)
    set_training(built, is_training)
    is_training || (built = rebuilt(unwrapped, built))
    input = normal_values(reverse(request["input_shape"][2:end])..., batch)
    if device == "gpu"
        built, input = rebuilt(on_gpu, built), on_gpu(input)
    end
    is_cold = device == "gpu" && request["kind"] != "model"
    flushed = is_cold ? on_gpu(zeros(Float32, div(FLUSH_BYTES, 4))) : nothing
    return Workload(Step(built, input), is_training, device == "gpu", nothing, Int[], flushed)
end

function prepare(workload::Workload)
    workload.is_training && clear(workload.step)
    workload.flushed === nothing || fill!(workload.flushed, 0)
end

"""The training pass's output and what `backward` takes."""
forward(workload::Workload) = record(workload.step)

function backward(workload::Workload, (output, recorded))
    if workload.output_gradient === nothing  # in the first step, which is never timed
        workload.output_gradient = fill!(similar(output), 1)
        workload.output_shape = collect(reverse(size(output)))
    end
    return differentiate(recorded, workload.output_gradient)
end

function infer(workload::Workload)
    output = workload.step.model(workload.step.input)
    isempty(workload.output_shape) && (workload.output_shape = collect(reverse(size(output))))
    return output
end

synchronize(workload::Workload) = workload.is_on_gpu && synchronize_gpu()

"""One pass, untimed."""
function run_once(workload)
    prepare(workload)
    workload.is_training ? backward(workload, forward(workload)) : infer(workload)
    synchronize(workload)
end

# Garbage. Julia collects in the middle of a pass, when enough was allocated; then a sample holds a share of the garbage of
# the passes before. So collection is off inside passes, and done between them, outside the clock.

# Julia's own default: so much is allocated before it collects.
const COLLECT_BYTES = 45 << 20

# Beyond this share of the memory that is left, one pass's garbage is too much to keep; 0 leaves the collector on.
const LARGEST_SHARE = parse(Float64, get(ENV, "PASSTIME_FLUX_GARBAGE_SHARE", "0.6"))

allocated_bytes() = Base.gc_total_bytes(Base.gc_num())

collection_seconds() = Base.gc_num().total_time / 1e9

mutable struct Collector
    is_off_inside_passes::Bool
    collected_at_bytes::Int
end

function collect_garbage(collector::Collector)
    if allocated_bytes() - collector.collected_at_bytes >= COLLECT_BYTES
        GC.enable(true)
        GC.gc(false)
        collector.collected_at_bytes = allocated_bytes()
    end
    GC.enable(!collector.is_off_inside_passes)
end

# What a pass of the workload allocates: by workload, device and session, the bytes of one image and of each further one.
const REHEARSED = Dict{Vector{String},Tuple{Int,Int}}()

"""Has all code compiled, on one and on two images, so that no sample and no memory has a part of it; gives a pass's bytes."""
function rehearse(request, session)
    images = request["input_shape"][1]
    first_bytes, further_bytes = get!(REHEARSED, [request["workload"], request["device"], session]) do
        taken = map(images == 1 ? [1, 1] : [1, 1, 2]) do batch
            workload = build(request, session; batch = batch)
            start = allocated_bytes()
            run_once(workload)
            allocated_bytes() - start
        end
        taken[2], images == 1 ? 0 : max(0, taken[3] - taken[2])
    end
    return first_bytes + (images - 1) * further_bytes
end

# The answers.

"""A session whose workload is built, and what its process had spent by then."""
struct Built
    request::Any
    session::String
    workload::Workload
    collector::Collector
    pass_bytes::Int
    baseline::Int
    load::Float64
    watched::Float64
    others::Float64
    faults::Int
    collections::Float64
end

function Built(request)
    session = session_of(request)
    pass_bytes = rehearse(request, session)
    GC.gc()
    Watch.forget_peak()
    baseline = Watch.memory_bytes()["RssAnon"]
    load, watched, others = Watch.load(), clock(), Watch.others_cpu_seconds()
    workload = build(request, session)
    GC.gc()
    collector = Collector(pass_bytes <= LARGEST_SHARE * Watch.available_bytes(), allocated_bytes())
    spent = (Watch.page_faults(), collection_seconds())
    return Built(request, session, workload, collector, pass_bytes, baseline, load, watched, others, spent...)
end

operations(built::Built) = (
    prepare = () -> (collect_garbage(built.collector); prepare(built.workload)),
    forward = () -> forward(built.workload),
    backward = output -> backward(built.workload, output),
    infer = () -> infer(built.workload),
    synchronize = () -> synchronize(built.workload),
)

"""What takes a reading of this process and of the files that the request names."""
observer(built::Built, readings) = () -> push!(readings, Watch.reading(get(built.request, "observe", [])))

"""The most bytes that the workload held, `nothing` where that cannot be told; and what explains the samples."""
function told_of(built::Built, samples)
    GC.enable(true)
    passes = max(1, Sampler.passes(samples))
    provenance = Dict{String,Any}(
        "load" => round(built.load, digits = 2),
        "others_cpus" =>
            round(max(0.0, Watch.others_cpu_seconds() - built.others) / (clock() - built.watched), digits = 2),
        "warmup_passes" => samples.warmup_passes,
        "page_faults_per_pass" => div(Watch.page_faults() - built.faults, passes),
        "garbage_collection" => built.collector.is_off_inside_passes ? "between passes" : "inside passes",
        "collection_seconds_per_pass" => round((collection_seconds() - built.collections) / passes, sigdigits = 3),
        "allocated_bytes_per_pass" => built.pass_bytes,
    )
    peak_bytes = built.workload.is_on_gpu ? nothing : Watch.peak_bytes(built.baseline)
    merge!(provenance, settings(built.workload))
    return peak_bytes, provenance
end

function measure(request)
    built = Built(request)
    readings = []
    samples = Sampler.sample(operations(built), built.session, request, clock, observer(built, readings))
    peak_bytes, provenance = told_of(built, samples)
    observed = Dict("malloc" => Watch.malloc_file(), "readings" => readings)
    return Dict("replies" => replies_of(request, samples, peak_bytes, provenance), "observed" => observed)
end

"""A session that is held."""
struct Held
    built::Built
    held::Sampler.Held
end

function Held(request)
    built = Built(request)
    return Held(built, Sampler.Held(operations(built), built.session, request, clock))
end

named(held::Held) = Dict{String,Any}(name => held.built.request[name] for name in ("workload", "device"))

function opened(held::Held)
    rest(held)
    told = Dict{String,Any}(
        "reply" => "opened",
        "passes_per_sample" => held.held.passes_per_sample,
        "step_seconds" => held.held.step_seconds,
        "process_id" => getpid(),
    )
    return Dict("reply" => merge(named(held), told))
end

function stepped(held::Held, asked)
    if asked["request"] != "step"
        throw(Failure("bad_request", "$(asked["request"]): a session is held, only step and close are for it"))
    end
    readings = []
    taken = Sampler.step(held.held, asked["samples"], asked["untimed_passes"], observer(held.built, readings))
    rest(held)
    reply = Dict{String,Any}("elapsed_seconds.$name" => seconds for (name, seconds) in taken)
    reply["reply"] = "stepped"
    return Dict("reply" => reply, "observed" => Dict("readings" => readings))
end

function closed(held::Held)
    peak_bytes, provenance = told_of(held.built, held.held)
    reply = Dict{String,Any}("provenance.$name" => value for (name, value) in provenance if value !== nothing)
    reply["reply"] = "closed"
    peak_bytes === nothing || (reply["peak_bytes"] = peak_bytes)
    return Dict("reply" => merge(named(held), reply), "observed" => Dict("malloc" => Watch.malloc_file()))
end

"""Collects what garbage there is, so that nothing is to be done while others have their turn."""
function rest(held::Held)
    GC.enable(true)
    GC.gc(false)
    held.built.collector.collected_at_bytes = allocated_bytes()
    GC.enable(!held.built.collector.is_off_inside_passes)
end

"""A reply for each request that the session answers, by "sample forward" and the like."""
function replies_of(request, samples, peak_bytes, provenance)
    shared = Dict{String,Any}("provenance.$name" => value for (name, value) in provenance if value !== nothing)
    shared["workload"], shared["device"] = request["workload"], request["device"]
    replies = Dict{String,Any}()
    for (name, seconds) in samples.elapsed_seconds
        replies["sample $name"] = merge(
            Dict{String,Any}(
                "reply" => "samples",
                "pass" => name,
                "elapsed_seconds" => seconds,
                "passes_per_sample" => samples.passes_per_sample,
            ),
            shared,
        )
    end
    whole = session_of(request) == "training" ? "total" : "inference"
    replies["memory $whole"] = if peak_bytes === nothing
        message = "Flux $VERSION_OF_FLUX does not tell the peak of the GPU's memory"
        error_reply("unavailable", message)
    else
        merge(Dict{String,Any}("reply" => "memory", "pass" => whole, "peak_bytes" => peak_bytes), shared)
    end
    return replies
end

"""Settings and versions that explain a number; `nothing` where this release does not say."""
function settings(workload)
    input = workload.step.input
    return Dict{String,Any}(
        "framework" => "flux",
        "framework_version" => VERSION_OF_FLUX,
        "interpreter" => "Julia $VERSION",
        "differentiation" => string(nameof(Differentiation)),
        "differentiation_version" => version_of(Differentiation),
        "nnlib_version" => version_of(Flux.NNlib),
        "nnpack" => isdefined(Flux.NNlib, :is_nnpack_available) ? Flux.NNlib.is_nnpack_available() : nothing,
        "threads" => Threads.nthreads(),
        "blas" => blas(),
        "blas_core" => blas_core(),
        "dtype" => lowercase(string(eltype(input))),
        "parameters" => number_of(parameters(workload.step.model)),
        "input_shape" => collect(reverse(size(input))),
        "output_shape" => workload.output_shape,
        "l2_flushed" => workload.is_on_gpu ? workload.flushed !== nothing : nothing,
        "l2_flush_bytes" => workload.flushed === nothing ? nothing : FLUSH_BYTES,
        "gpu" => workload.is_on_gpu && isdefined(GPU, :name) ? GPU.name(GPU.device()) : nothing,
    )
end

number_of(arrays) = reduce(+, map(length, arrays); init = 0)

function blas()
    isdefined(LinearAlgebra.BLAS, :get_config) && return string(LinearAlgebra.BLAS.get_config())
    return string(LinearAlgebra.BLAS.vendor())
end

"""The processor whose kernels OpenBLAS took: an old one knows no new processor, and takes its slowest. Nothing for another BLAS."""
function blas_core()
    corename = Libdl.dlsym_e(Libdl.dlopen(Base.libblas_name), :openblas_get_corename64_)
    return corename == C_NULL ? nothing : unsafe_string(ccall(corename, Cstring, ()))
end

"""One training step on the arrays in a folder that two workers share; docs/protocol.md says which."""
function exchange(request)
    workload = build(request, "training")
    set_training(workload.step.model, true, false)
    is_reference = request["role"] == "reference"
    role, step = request["role"], workload.step
    path(name) = joinpath(request["folder"], "$name.npy")

    function share(name, values, to_file, from_file)
        if is_reference
            Npy.save(path(name), to_file(Array(plain(values))))
            return
        end
        found = isfile(path(name)) ? Npy.load(path(name)) : nothing
        shapes = map(array -> array === nothing ? "none" : collect(reverse(size(array))), (to_file(Array(plain(values))), found))
        shapes[1] == shapes[2] ||
            throw(Failure("failed", "$name has shape $(shapes[1]) here, the reference's $(shapes[2])"))
        copyto!(plain(values), from_file(found))
    end

    own = parameters(step.model)
    for (index, parameter) in enumerate(own)
        share("parameter-$(index - 1)", parameter, torch_layout, flux_layout)
    end
    share("input", step.input, identity, identity)
    output, recorded = forward(workload)
    gradient = normal_values(size(output)...)
    workload.is_on_gpu && (gradient = on_gpu(gradient))
    share("output_gradient", gradient, identity, identity)
    prepare(workload)
    found = gradients(step, differentiate(recorded, gradient))
    Npy.save(path("$role-output"), Array(output))
    for (index, values) in enumerate(found)
        Npy.save(path("$role-gradient-$(index - 1)"), (isempty(own) ? identity : torch_layout)(Array(values)))
    end
    reply = Dict{String,Any}(
        "reply" => "parity",
        "parameters" => number_of(own),
        "gradients" => length(found),
        "output_shape" => collect(reverse(size(output))),
    )
    for name in ("pass", "workload", "device")
        reply[name] = request[name]
    end
    return Dict("parity total" => reply)
end

# A parameter's array as torch has it, its dimensions reversed: kernels turned round, a matrix transposed.
torch_layout(values::AbstractArray) = Array(values)
torch_layout(values::AbstractMatrix) = permutedims(values)
torch_layout(values::AbstractArray{<:Any,4}) = values[end:-1:1, end:-1:1, :, :]
const flux_layout = torch_layout  # each undoes itself
