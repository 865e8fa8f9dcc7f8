# The protocol's messages: JSON objects, read flat, written with one object inside another at most.
# Julia's standard library has no JSON.

module Json

"""The object of a line: strings, numbers, booleans, `nothing`, and vectors of these. Throws for anything else."""
function parse_flat(line::AbstractString)
    reader = Reader(collect(line), 1)
    message = Dict{String,Any}()
    expect(reader, '{')
    if peek(reader) == '}'
        reader.position += 1
        return finish(reader, message)
    end
    while true
        name = read_string(reader)
        expect(reader, ':')
        message[name] = peek(reader) == '[' ? read_list(reader) : read_scalar(reader)
        next(reader) == '}' && return finish(reader, message)
    end
end

mutable struct Reader
    text::Vector{Char}
    position::Int
end

"""The next character that is no space, not taken; '\\0' at the end."""
function peek(reader)
    while reader.position <= length(reader.text) && isspace(reader.text[reader.position])
        reader.position += 1
    end
    return reader.position <= length(reader.text) ? reader.text[reader.position] : '\0'
end

"""Takes the character after a value: a comma, or what ends the list or the object."""
function next(reader)
    found = peek(reader)
    found in (',', ']', '}') || fail(reader)
    reader.position += 1
    return found
end

function expect(reader, wanted)
    peek(reader) == wanted || fail(reader)
    reader.position += 1
end

fail(reader) = error("no flat JSON object: character $(reader.position) is unexpected")

function finish(reader, message)
    peek(reader) == '\0' || fail(reader)
    return message
end

function read_list(reader)
    expect(reader, '[')
    values = []
    if peek(reader) == ']'
        reader.position += 1
        return values
    end
    while true
        push!(values, read_scalar(reader))
        next(reader) == ']' && return values
    end
end

function read_scalar(reader)
    peek(reader) == '"' && return read_string(reader)
    start = reader.position
    while reader.position <= length(reader.text) && !(reader.text[reader.position] in (',', ']', '}', ' '))
        reader.position += 1
    end
    word = String(reader.text[start:reader.position-1])
    word == "true" && return true
    word == "false" && return false
    word == "null" && return nothing
    whole = tryparse(Int, word)
    whole === nothing || return whole
    number = tryparse(Float64, word)
    number === nothing && fail(reader)
    return number
end

const ESCAPES = Dict('n' => '\n', 't' => '\t', 'r' => '\r', 'b' => '\b', 'f' => '\f')

function read_string(reader)
    expect(reader, '"')
    text = Char[]
    while reader.position <= length(reader.text)
        character = reader.text[reader.position]
        reader.position += 1
        character == '"' && return String(text)
        if character == '\\'
            escaped = reader.text[reader.position]
            reader.position += 1
            character = escaped == 'u' ? read_code(reader) : get(ESCAPES, escaped, escaped)
        end
        push!(text, character)
    end
    fail(reader)
end

"""The character of four hexadecimal digits; of two such where it is outside the first plane."""
function read_code(reader)
    code = read_hexadecimal(reader)
    if 0xd800 <= code < 0xdc00 && String(reader.text[reader.position:reader.position+1]) == "\\u"
        reader.position += 2
        code = 0x10000 + ((code - 0xd800) << 10) + (read_hexadecimal(reader) - 0xdc00)
    end
    return Char(code)
end

function read_hexadecimal(reader)
    reader.position += 4
    return parse(UInt32, String(reader.text[reader.position-4:reader.position-1]), base = 16)
end

"""A value's JSON, without line ends. Throws for a number that JSON does not have, such as NaN."""
write_value(value::AbstractString) = "\"$(escaped(value))\""
write_value(value::Bool) = string(value)
write_value(value::Integer) = string(value)
write_value(value::Nothing) = "null"
write_value(values::Union{AbstractVector,Tuple}) = "[$(join(map(write_value, values), ", "))]"
write_value(object::AbstractDict) =
    "{$(join(["$(write_value(string(name))): $(write_value(value))" for (name, value) in object], ", "))}"

function write_value(value::AbstractFloat)
    isfinite(value) || error("JSON has no $value")
    return string(Float64(value))
end

function escaped(text)
    written = IOBuffer()
    for character in text
        if character in ('"', '\\')
            print(written, '\\', character)
        elseif character < ' '
            print(written, "\\u", string(UInt32(character), base = 16, pad = 4))
        else
            print(written, character)
        end
    end
    return String(take!(written))
end

end
