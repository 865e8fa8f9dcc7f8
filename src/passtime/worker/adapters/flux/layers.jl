# The layers, their weights filled, and what puts layers together.
#
# Flux's arrays are (width, height, channels, batch), column by column: in memory the same as torch's (batch, channels,
# height, width), row by row. Flux's convolution turns its kernel round and torch's does not, which changes no work.

# A prime number of normal values, so that a weight's rows, of whatever length, do not repeat.
const TILE = randn(Random.MersenneTwister(0), Float32, 8191)

"""Normal numbers times `scale` in an array of these sizes."""
function normal_values(sizes...; scale = 1.0f0)
    values = Array{Float32}(undef, sizes...)
    tile = TILE .* Float32(scale)
    for start in 1:length(tile):length(values)
        copyto!(values, start, tile, 1, min(length(tile), length(values) - start + 1))
    end
    return values
end

"""Weights that keep activations at their size (He et al. 2015): normal, with variance 2 / fan-in."""
weights(fan_in, sizes...) = normal_values(sizes...; scale = sqrt(2 / fan_in))

function convolution(kernel, channels::Pair, activation = identity; stride = 1, pad = 0, groups = 1, bias = true)
    inputs = div(channels.first, groups)
    weight = weights(kernel^2 * inputs, kernel, kernel, inputs, channels.second)
    start = bias ? zeros(Float32, channels.second) : nothing
    return new_convolution(weight, start, activation; stride = stride, pad = pad, groups = groups)
end

dense(features::Pair, activation = identity) = new_dense(
    weights(features.first, features.second, features.first),
    zeros(Float32, features.second),
    activation,
)

# The defaults of each release are torch's: epsilon 1e-5, momentum 0.1, weight 1, bias 0.
batch_normalisation(channels, activation = identity) = Flux.BatchNorm(channels, activation)

maximum_pooling(kernel; stride, pad = 0) = Flux.MaxPool((kernel, kernel); stride = stride, pad = pad)

mean_pooling(kernel; stride, pad = 0) = Flux.MeanPool((kernel, kernel); stride = stride, pad = pad)

flatten(values) = reshape(values, :, size(values, ndims(values)))

"""`relu(branch(x) + shortcut(x))`."""
struct Residual{B,S}
    branch::B
    shortcut::S
end

(residual::Residual)(input) = Flux.relu.(residual.branch(input) .+ residual.shortcut(input))

"""Layers of one type in a row: compiled once for all their number, which a `Chain` is not."""
struct Repeated{L}
    layers::Vector{L}
end

function (repeated::Repeated)(values)
    for layer in repeated.layers
        values = layer(values)
    end
    return values
end

# A tree of layers, walked in the order in which torch lists parameters.

parameters(chain::Union{Flux.Chain,Repeated}, of = chain) =
    reduce(vcat, [parameters(chain.layers[i], of.layers[i]) for i in 1:length(chain.layers)]; init = [])
parameters(residual::Residual, of = residual) =
    vcat(parameters(residual.branch, of.branch), parameters(residual.shortcut, of.shortcut))

"""The same tree with `change` applied to each layer that is no tree itself."""
rebuilt(change, layer) = change(layer)
rebuilt(change, layer::Function) = layer
rebuilt(change, chain::Flux.Chain) = Flux.Chain(map(layer -> rebuilt(change, layer), chain.layers)...)
rebuilt(change, repeated::Repeated) = Repeated(map(layer -> rebuilt(change, layer), repeated.layers))
rebuilt(change, residual::Residual) =
    Residual(rebuilt(change, residual.branch), rebuilt(change, residual.shortcut))

"""Whether dropout chooses and normalisation takes its statistics from the batch; both changed in place."""
function set_training(model, is_training, has_dropout = is_training)
    rebuilt(model) do layer
        is_active = layer isa Flux.Dropout ? has_dropout : is_training
        layer isa Union{Flux.Dropout,Flux.BatchNorm} && set_active(layer, is_active)
        layer
    end
end

"""The layer of a request, whose `input_shape` is batch first as in torch."""
function layer(request)
    kind, shape, channels = request["kind"], request["input_shape"], request["output_channels"]
    kernel, stride, pad = request["kernel"], request["stride"], request["padding"]
    kind == "conv" && return convolution(kernel, shape[2] => channels; stride = stride, pad = pad)
    kind == "dense" && return dense(shape[2] => channels)
    kind == "batchnorm" && return batch_normalisation(shape[2])
    kind == "maxpool" && return maximum_pooling(kernel; stride = stride, pad = pad)
    kind == "meanpool" && return mean_pooling(kernel; stride = stride, pad = pad)
    throw(Failure("unavailable", "this worker has no layer of kind $kind"))
end
