# All that differs between Flux's releases: told by what a release has, not by its number.
#
# Up to 0.9 an array that is trained is wrapped, and records what is done with it (Tracker). From 0.10 on the code that is
# run is differentiated (Zygote): with respect to a set of arrays at first, and to the model itself since releases have
# `Flux.setup`, whose documentation asks for it.

const IS_TRACKED = isdefined(Flux, :Tracker)
const IS_EXPLICIT = isdefined(Flux, :setup)
const Differentiation = IS_TRACKED ? Flux.Tracker : Flux.Zygote

# Layers.

const HAS_GROUPS = :groups in fieldnames(Flux.Conv)
const DENSE_FIELDS = :W in fieldnames(Flux.Dense) ? (:W, :b) : (:weight, :bias)

trained(values::AbstractArray) = IS_TRACKED ? Differentiation.param(values) : values

"""The numbers of an array that may be wrapped."""
plain(values) = IS_TRACKED ? Differentiation.data(values) : values

"""What a convolution without bias has in its place. Releases that know no such convolution add a constant zero."""
function no_bias(channels)
    isdefined(Flux, :create_bias) && return false
    isdefined(Flux, :Zeros) && return Flux.Zeros()
    return LinRange(0.0f0, 0.0f0, channels)
end

function new_convolution(weight, bias, activation; stride, pad, groups)
    if groups != 1 && !HAS_GROUPS
        throw(Failure("unavailable", "Flux $VERSION_OF_FLUX has no grouped convolution"))
    end
    bias = bias === nothing ? no_bias(size(weight, 4)) : trained(bias)
    grouping = groups == 1 ? NamedTuple() : (groups = groups,)
    return Flux.Conv(trained(weight), bias, activation; stride = stride, pad = pad, grouping...)
end

new_dense(weight, bias, activation) = Flux.Dense(trained(weight), trained(bias), activation)

"""The parameters of a layer, weight before bias, or what has the place of the parameters in `of`, such as gradients."""
parameters(layer, of = layer) = []
parameters(layer::Flux.Conv, of = layer) =
    plain(layer.bias) isa DenseArray ? [of.weight, of.bias] : [of.weight]
parameters(layer::Flux.Dense, of = layer) = [getproperty(of, field) for field in DENSE_FIELDS]
parameters(layer::Flux.BatchNorm, of = layer) = [of.γ, of.β]

"""
Whether a dropout chooses, and a normalisation takes its statistics from the batch. Flux 0.10.0 and 0.10.1 cannot be told:
what is differentiated is training. There a dropout can only be made one that leaves everything in.
"""
function set_active(layer, is_active)
    isdefined(Flux, :testmode!) && return Flux.testmode!(layer, !is_active)
    # Below zero, since a number that is drawn can be zero; one minus this is one.
    layer isa Flux.Dropout && !is_active && (layer.p = -floatmin())
    return layer
end

"""A layer that records nothing: the same with its arrays unwrapped."""
unwrapped(layer) = IS_TRACKED ? Flux.mapleaves(plain, layer) : layer

# Passes. `record` gives the output and what `differentiate` takes; the gradients are in the order of `leaves`.

"""What one training step needs: `leaves` are the arrays that get gradients."""
struct Step
    model::Any
    input::Any
    leaves::Vector{Any}
end

function Step(model, input)
    leaves = parameters(model)
    isempty(leaves) || return Step(model, input, leaves)
    input = trained(input)
    return Step(model, input, [input])
end

is_input_leaf(step) = length(step.leaves) == 1 && step.leaves[1] === step.input

if IS_TRACKED
    # A gradient is added to what is there: Tracker has no other way.
    clear(step) = foreach(leaf -> fill!(Differentiation.grad(leaf), 0), step.leaves)

    function record(step)
        output = step.model(step.input)
        return plain(output), output
    end

    differentiate(output, output_gradient) = Differentiation.back!(output, output_gradient)

    gradients(step, _) = [plain(Differentiation.grad(leaf)) for leaf in step.leaves]
else
    clear(step) = nothing

    function record(step)
        model, input = step.model, step.input
        is_input_leaf(step) && return Differentiation.pullback(model, input)
        IS_EXPLICIT && return Differentiation.pullback(model -> model(input), model)
        return Differentiation.pullback(() -> model(input), Differentiation.Params(step.leaves))
    end

    differentiate(back, output_gradient) = back(output_gradient)

    function gradients(step, found)
        is_input_leaf(step) && return [found[1]]
        IS_EXPLICIT && return parameters(step.model, found[1])
        return [found[leaf] for leaf in step.leaves]
    end
end

# The device.

const GPU = let found = nothing
    for name in (:CUDA, :CuArrays, :cuDNN)
        try
            if isdefined(Flux, name)
                package = getfield(Flux, name)
            elseif Base.find_package(string(name)) !== nothing
                @eval import $name
                package = getfield(Main, name)
            else
                continue
            end
            is_functional = !isdefined(package, :functional) || Base.invokelatest(package.functional)
            # cuDNN only needs to be loaded.
            found === nothing && is_functional && name != :cuDNN && (found = package)
        catch error
            println(stderr, "$name is there, but cannot be used: ", first_line(error))
        end
    end
    found
end

synchronize_gpu() = isdefined(GPU, :synchronize) ? GPU.synchronize() : GPU.CUDAdrv.synchronize()

on_gpu(layer) = Flux.gpu(layer)
