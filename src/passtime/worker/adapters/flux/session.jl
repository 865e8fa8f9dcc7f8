# Sessions: from a request to the document that answers it; the same as ../../inside/session.py and ../torch.py.

"""
The document of a request: `{"replies": {"sample forward": ..., "memory total": ...}}` for a session that is run at once,
`{"reply": ...}` for what is asked of one that is held, or `{"error": ...}`. Beside a reply, `observed` has what
../../inside/conditions.py makes the session's conditions of.
"""
function answer(request)
    if (HELD[] !== nothing) != (request["request"] in ("step", "close"))
        state = HELD[] === nothing ? "no session is held" : "a session is held: close it first"
        return Dict("error" => error_reply("bad_request", "$(request["request"]) cannot be answered, $state"))
    end
    is_over = true
    try
        document = ANSWERS[request["request"]](request)
        is_over = !(request["request"] in ("open", "step"))
        return document
    catch error
        if error isa Failure
            return Dict("error" => error_reply(error.kind, error.message))
        end
        showerror(stderr, error, catch_backtrace())
        println(stderr)
        kind = is_out_of_memory(error) ? "out_of_memory" : "failed"
        return Dict("error" => error_reply(kind, "$(typeof(error).name.name): $(first_line(error))"))
    finally
        is_over && free()
    end
end

"""Ends the session that is held, if any, and gives back what the last one took."""
function free()
    HELD[] = nothing
    GC.enable(true)
    GC.gc()
    Watch.give_back()
end

error_reply(kind, message) = Dict("reply" => "error", "kind" => kind, "message" => message)

is_out_of_memory(error) = error isa OutOfMemoryError || occursin(r"out of memory"i, first_line(error))

session_of(request) = request["pass"] == "inference" ? "inference" : "training"

whole_pass(request) = session_of(request) == "training" ? "total" : "inference"

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

"""A workload that was built, what to ask of it, and what was seen of the machine since."""
mutable struct Session
    request::Dict{String,Any}
    workload::Workload
    operations::NamedTuple
    pass_bytes::Int
    collector::Collector
    load::Float64
    # What there was when the session began.
    baseline_bytes::Int
    page_faults::Int
    collection_seconds::Float64
    # The session's time up to now, and the CPU time of others in it; without that in which a held one waited.
    seconds::Float64
    others_cpu_seconds::Float64
    # Of a session that is held: how it runs passes, how many for a sample, and how many it has run.
    batch::Any
    passes_per_sample::Int
    warmup_passes::Int
    passes::Int
end

function begin_session(request)
    session = session_of(request)
    pass_bytes = rehearse(request, session)
    GC.gc()
    Watch.forget_peak()
    baseline_bytes = Watch.memory_bytes()["RssAnon"]
    load, begun, others = Watch.load(), clock(), Watch.others_cpu_seconds()
    workload = build(request, session)
    GC.gc()
    collector = Collector(pass_bytes <= LARGEST_SHARE * Watch.available_bytes(), allocated_bytes())
    faults, collections = Watch.page_faults(), collection_seconds()
    operations = (
        prepare = () -> (collect_garbage(collector); prepare(workload)),
        forward = () -> forward(workload),
        backward = output -> backward(workload, output),
        infer = () -> infer(workload),
        synchronize = () -> synchronize(workload),
    )
    spent = (clock() - begun, Watch.others_cpu_seconds() - others)
    machine = (load, baseline_bytes, faults, collections, spent...)
    return Session(request, workload, operations, pass_bytes, collector, machine..., nothing, 0, 0, 0)
end

"""What `work` gives, which runs passes of the session; after it, garbage is collected again whenever Julia wants."""
function run_passes(work, session)
    begun, others = clock(), Watch.others_cpu_seconds()
    found = work()
    GC.enable(true)
    session.seconds += clock() - begun
    session.others_cpu_seconds += Watch.others_cpu_seconds() - others
    return found
end

observe(session) = Watch.reading(get(session.request, "observe", []))

"""What was seen of the machine in a session of so many passes, and the settings that explain its numbers."""
function provenance_of(session, warmup_passes, passes)
    provenance = Dict{String,Any}(
        "load" => round(session.load, digits = 2),
        "others_cpus" => round(max(0.0, session.others_cpu_seconds) / session.seconds, digits = 2),
        "warmup_passes" => warmup_passes,
        "page_faults_per_pass" => div(Watch.page_faults() - session.page_faults, passes),
        "garbage_collection" => session.collector.is_off_inside_passes ? "between passes" : "inside passes",
        "collection_seconds_per_pass" =>
            round((collection_seconds() - session.collection_seconds) / passes, sigdigits = 3),
        "allocated_bytes_per_pass" => session.pass_bytes,
    )
    return merge!(provenance, settings(session.workload))
end

"""The session's peak on the CPU; `nothing` on a GPU, of which Flux does not tell."""
peak_bytes(session) = session.workload.is_on_gpu ? nothing : Watch.peak_bytes(session.baseline_bytes)

# A session that is run at once.

function measure(request)
    session = begin_session(request)
    readings = []
    samples = run_passes(session) do
        Sampler.sample(session.operations, session_of(request), request, clock, () -> push!(readings, observe(session)))
    end
    provenance = provenance_of(session, samples.warmup_passes, Sampler.passes(samples))
    observed = Dict("malloc" => Watch.malloc_file(), "readings" => readings)
    return Dict("replies" => replies_of(request, samples, peak_bytes(session), provenance), "observed" => observed)
end

# A session that is held: opened, stepped and closed, with others in their turns between.

const HELD = Ref{Union{Nothing,Session}}(nothing)

"""Builds the workload and warms it up, until it is known how many passes a sample takes."""
function open_session(request)
    session = begin_session(request)
    session.batch = Sampler.batches(session.operations, session_of(request), clock)
    count, passes, means = run_passes(() -> Sampler.settle(session.batch, request, clock), session)
    session.passes_per_sample, session.warmup_passes, session.passes = count, passes, passes
    HELD[] = session
    # A step of no samples has the code of all steps compiled, and leaves nothing that goes on.
    Json.write_value(step_session(Dict("samples" => 0, "untimed_passes" => 0)))
    reply = Dict(
        "reply" => "opened",
        "workload" => request["workload"],
        "device" => request["device"],
        "passes_per_sample" => session.passes_per_sample,
        "step_seconds" => means[whole_pass(request)],
        "process_id" => getpid(),
    )
    return Dict("reply" => reply)
end

"""Takes as many samples as are asked for, after passes that bring back what others displaced in their turns."""
function step_session(request)
    session = HELD[]
    count, untimed = request["samples"], request["untimed_passes"]
    elapsed_seconds = Sampler.none_of(session_of(session.request))
    readings = run_passes(session) do
        untimed > 0 && session.batch(untimed)
        before = observe(session)
        for _ in 1:count, (name, seconds) in session.batch(session.passes_per_sample)
            push!(elapsed_seconds[name], seconds)
        end
        [before, observe(session)]
    end
    session.passes += untimed + count * session.passes_per_sample
    rest(session)
    reply = Dict{String,Any}("elapsed_seconds.$name" => seconds for (name, seconds) in elapsed_seconds)
    reply["reply"] = "stepped"
    return Dict("reply" => reply, "observed" => Dict("readings" => readings))
end

function close_session(request)
    session = HELD[]
    provenance = provenance_of(session, session.warmup_passes, session.passes)
    reply = merge!(Dict{String,Any}("reply" => "closed"), described(session.request, provenance))
    peak = peak_bytes(session)
    peak === nothing || (reply["peak_bytes"] = peak)
    return Dict("reply" => reply, "observed" => Dict("malloc" => Watch.malloc_file()))
end

"""Leaves nothing that would go on while others have their turns."""
function rest(session)
    GC.gc(false)
    session.collector.collected_at_bytes = allocated_bytes()
    Watch.await_quiet()
end

"""The fields that say of what a reply is, and what explains its numbers."""
function described(request, provenance)
    fields = Dict{String,Any}("provenance.$name" => value for (name, value) in provenance if value !== nothing)
    fields["workload"], fields["device"] = request["workload"], request["device"]
    return fields
end

"""A reply for each request that the session answers, by "sample forward" and the like."""
function replies_of(request, samples, peak_bytes, provenance)
    shared = described(request, provenance)
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
    whole = whole_pass(request)
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
    return Dict("replies" => Dict("parity total" => reply))
end

# A parameter's array as torch has it, its dimensions reversed: kernels turned round, a matrix transposed.
torch_layout(values::AbstractArray) = Array(values)
torch_layout(values::AbstractMatrix) = permutedims(values)
torch_layout(values::AbstractArray{<:Any,4}) = values[end:-1:1, end:-1:1, :, :]
const flux_layout = torch_layout  # each undoes itself

const ANSWERS = Dict(
    "sample" => measure,
    "memory" => measure,
    "parity" => exchange,
    "open" => open_session,
    "step" => step_session,
    "close" => close_session,
)
