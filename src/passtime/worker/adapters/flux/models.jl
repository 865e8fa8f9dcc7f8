# The models, as torchvision builds them: tables of configurations, and the two functions that read them.
# Sources: Simonyan and Zisserman 2014 (VGG); He et al. 2015, Xie et al. 2016, Zagoruyko and Komodakis 2016 (ResNet and its
# grouped and wide variants); torchvision's vgg.py and resnet.py for what these leave open.

# How many convolutions stand before each of the five poolings.
const VGG_DEPTHS = Dict(
    "vgg11" => [1, 1, 2, 2, 2],
    "vgg13" => [2, 2, 2, 2, 2],
    "vgg16" => [2, 2, 3, 3, 3],
    "vgg19" => [2, 2, 4, 4, 4],
)
const VGG_CHANNELS = [64, 128, 256, 512, 512]

# How many blocks each of the four stages has; a bottleneck's groups, and its channels for each group and 64 of the stage's.
const RESNETS = Dict(
    "resnet18" => (depths = [2, 2, 2, 2], is_bottleneck = false, groups = 1, width = 64),
    "resnet34" => (depths = [3, 4, 6, 3], is_bottleneck = false, groups = 1, width = 64),
    "resnet50" => (depths = [3, 4, 6, 3], is_bottleneck = true, groups = 1, width = 64),
    "resnet101" => (depths = [3, 4, 23, 3], is_bottleneck = true, groups = 1, width = 64),
    "resnet152" => (depths = [3, 8, 36, 3], is_bottleneck = true, groups = 1, width = 64),
    "resnext50_32x4d" => (depths = [3, 4, 6, 3], is_bottleneck = true, groups = 32, width = 4),
    "resnext101_32x8d" => (depths = [3, 4, 23, 3], is_bottleneck = true, groups = 32, width = 8),
    "resnext101_64x4d" => (depths = [3, 4, 23, 3], is_bottleneck = true, groups = 64, width = 4),
    "wide_resnet50_2" => (depths = [3, 4, 6, 3], is_bottleneck = true, groups = 1, width = 128),
    "wide_resnet101_2" => (depths = [3, 4, 23, 3], is_bottleneck = true, groups = 1, width = 128),
)
const STAGE_CHANNELS = [64, 128, 256, 512]

"""The model of that name, without a softmax at its end, as torchvision's have none. Throws Failure for one that is not here."""
function model(name, classes)
    plain_name = replace(name, "_bn" => "")
    haskey(VGG_DEPTHS, plain_name) && return vgg(VGG_DEPTHS[plain_name], endswith(name, "_bn"), classes)
    haskey(RESNETS, name) && return resnet(RESNETS[name], classes)
    throw(Failure("unavailable", "this worker has no model $name"))
end

function vgg(depths, is_normalised, classes)
    features, inputs = [], 3
    for (depth, channels) in zip(depths, VGG_CHANNELS)
        for _ in 1:depth
            if is_normalised
                push!(features, convolution(3, inputs => channels; pad = 1))
                push!(features, batch_normalisation(channels, Flux.relu))
            else
                push!(features, convolution(3, inputs => channels, Flux.relu; pad = 1))
            end
            inputs = channels
        end
        push!(features, maximum_pooling(2; stride = 2))
    end
    # torchvision's pooling to 7 by 7 that follows leaves 7 by 7 as it is.
    return Flux.Chain(
        features...,
        flatten,
        dense(7 * 7 * inputs => 4096, Flux.relu),
        Flux.Dropout(0.5),
        dense(4096 => 4096, Flux.relu),
        Flux.Dropout(0.5),
        dense(4096 => classes),
    )
end

function resnet(configuration, classes)
    expansion = configuration.is_bottleneck ? 4 : 1
    stages, inputs = [], 64
    for (stage, (depth, channels)) in enumerate(zip(configuration.depths, STAGE_CHANNELS))
        stride = stage == 1 ? 1 : 2
        outputs = channels * expansion
        push!(stages, block(configuration, inputs, channels, outputs, stride))
        push!(stages, Repeated([block(configuration, outputs, channels, outputs, 1) for _ in 2:depth]))
        inputs = outputs
    end
    return Flux.Chain(
        convolution(7, 3 => 64; stride = 2, pad = 3, bias = false),
        batch_normalisation(64, Flux.relu),
        maximum_pooling(3; stride = 2, pad = 1),
        stages...,
        mean_pooling(7; stride = 7),
        flatten,
        dense(inputs => classes),
    )
end

function block(configuration, inputs, channels, outputs, stride)
    branch = configuration.is_bottleneck ? bottleneck(configuration, inputs, channels, outputs, stride) :
        basic(inputs, outputs, stride)
    inputs == outputs && stride == 1 && return Residual(branch, identity)
    projection = convolution(1, inputs => outputs; stride = stride, bias = false)
    return Residual(branch, Flux.Chain(projection, batch_normalisation(outputs)))
end

basic(inputs, outputs, stride) = Flux.Chain(
    convolution(3, inputs => outputs; stride = stride, pad = 1, bias = false),
    batch_normalisation(outputs, Flux.relu),
    convolution(3, outputs => outputs; pad = 1, bias = false),
    batch_normalisation(outputs),
)

"""The stride is the middle convolution's, as torchvision has it, not the first one's as He et al. do."""
function bottleneck(configuration, inputs, channels, outputs, stride)
    groups = configuration.groups
    width = div(channels * configuration.width, 64) * groups
    return Flux.Chain(
        convolution(1, inputs => width; bias = false),
        batch_normalisation(width, Flux.relu),
        convolution(3, width => width; stride = stride, pad = 1, groups = groups, bias = false),
        batch_normalisation(width, Flux.relu),
        convolution(1, width => outputs; bias = false),
        batch_normalisation(outputs),
    )
end
