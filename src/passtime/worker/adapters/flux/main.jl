# The resident process of a Flux worker: `julia main.jl DESCRIPTOR`. Requests come in on standard input, one a line; a
# document goes out for each to the descriptor (../../inside/resident.py says more). The standard library and Flux are all it needs.

import Libdl
import LinearAlgebra
import Random

include("json.jl")
include("npy.jl")
include("sampler.jl")
include("watch.jl")

"""An error that is told to the client as a value: a kind and one line."""
struct Failure <: Exception
    kind::String
    message::String
end

Base.showerror(io::IO, failure::Failure) = print(io, failure.message)

first_line(error) = String(first(split(sprint(showerror, error), '\n')))

try
    @eval import Flux
catch error
    # The mark and the exit status are those of ../../protocol.py.
    println(stderr, "passtime: Flux cannot be loaded: ", first_line(error))
    exit(3)
end

"""The version in a package's Project.toml; `nothing` where there is none."""
function version_of(package)
    path = pathof(package)
    path === nothing && return nothing
    project = joinpath(dirname(dirname(path)), "Project.toml")
    found = isfile(project) ? match(r"^version = \"(.*)\""m, read(project, String)) : nothing
    return found === nothing ? nothing : String(found[1])
end

const VERSION_OF_FLUX = something(version_of(Flux), "of unknown version")

include("flux.jl")
include("layers.jl")
include("models.jl")
include("session.jl")

clock() = time_ns() / 1e9

function serve(documents)
    send(document) = (println(documents, Json.write_value(document)); flush(documents))
    devices = GPU === nothing ? ["cpu"] : ["cpu", "gpu"]
    send(Dict("framework" => "flux", "version" => VERSION_OF_FLUX, "devices" => devices))
    for line in eachline(stdin)
        send(answer(Json.parse_flat(line)))
    end
end

serve(fdio(parse(Int, ARGS[1]), true))
