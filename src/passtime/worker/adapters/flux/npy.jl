# float32 arrays as .npy files, row-major, as torch writes them: in Julia's column-major arrays the dimensions are
# reversed, and the order in memory is the same.

module Npy

const MAGIC = UInt8[0x93, UInt8('N'), UInt8('U'), UInt8('M'), UInt8('P'), UInt8('Y')]

"""Writes a dense array; its last dimension is the file's first."""
function save(path::AbstractString, values::Array{Float32})
    shape = join(reverse(size(values)), ", ") * (ndims(values) == 1 ? "," : "")
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': ($shape), }"
    # The data begins at a multiple of 64 bytes.
    header *= " "^mod(-(length(MAGIC) + 4 + length(header) + 1), 64) * "\n"
    open(path, "w") do io
        write(io, MAGIC, 0x01, 0x00, htol(UInt16(length(header))), header, values)
    end
end

"""The array of a file, its dimensions reversed. Throws where the file holds anything but row-major float32."""
function load(path::AbstractString)
    open(path) do io
        read(io, length(MAGIC)) == MAGIC || error("$path is no .npy file")
        version, _ = read(io, UInt8), read(io, UInt8)
        length_of_header = version == 1 ? Int(ltoh(read(io, UInt16))) : Int(ltoh(read(io, UInt32)))
        header = String(read(io, length_of_header))
        is_ours = occursin("'<f4'", header) && occursin("'fortran_order': False", header)
        is_ours || error("$path does not hold row-major float32: $header")
        shape = match(r"'shape': \(([^)]*)\)", header)[1]
        sizes = [parse(Int, size) for size in split(shape, ','; keepempty = false) if !isempty(strip(size))]
        return read!(io, Array{Float32}(undef, reverse(sizes)...))
    end
end

end
