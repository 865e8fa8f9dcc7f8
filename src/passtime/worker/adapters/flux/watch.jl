# What Linux tells of a session from outside; the same as ../../inside/watch.py.

module Watch

"""This process's memory in bytes by Linux's names: VmHWM the peak of all, RssAnon data, RssFile mapped files."""
function memory_bytes()
    lines = split.(readlines("/proc/self/status"))
    return Dict(String(fields[1][1:end-1]) => parse(Int, fields[2]) * 1024 for fields in lines if fields[end] == "kB")
end

"""Has the C library give back what is free, also where it was told to keep that."""
give_back() = ccall(:malloc_trim, Cint, (Csize_t,), 0)

"""Makes the peak of this process's memory what it holds now, as far as the C library gives back what is free."""
function forget_peak()
    give_back()
    try
        write("/proc/self/clear_refs", "5")
    catch
        # Where the kernel does not allow it, the peak is that of the whole process: too high, never too low.
    end
end

"""The most data since `forget_peak`, beyond the `baseline` that was held then."""
function peak_bytes(baseline)
    memory = memory_bytes()
    return max(0, memory["VmHWM"] - memory["RssFile"] - memory["RssShmem"] - baseline)
end

"""How much memory a process can still take: what the machine has left, or its control group."""
function available_bytes()
    found = match(r"MemAvailable:\s+(\d+) kB", read("/proc/meminfo", String))
    left = found === nothing ? Int(Sys.free_memory()) : parse(Int, found[1]) * 1024
    try
        group = "/sys/fs/cgroup/memory."
        limit = tryparse(Int, strip(read(group * "max", String)))
        limit === nothing || (left = min(left, limit - parse(Int, strip(read(group * "current", String)))))
    catch
        # No control group of version 2: no limit that could be read.
    end
    return left
end

load() = parse(Float64, split(read("/proc/loadavg", String))[1])

page_faults() = parse(Int, split(last(split(read("/proc/self/stat", String), ") ")))[8])

"""The CPU time, in seconds, of all processes but this one since the machine started."""
function others_cpu_seconds()
    ticks_per_second = ccall(:sysconf, Clong, (Cint,), 2)
    user, nice, system, _, _, interrupts, soft = parse.(Int, split(readline("/proc/stat"))[2:8])
    own = parse.(Int, split(last(split(read("/proc/self/stat", String), ") ")))[12:13])
    return (user + nice + system + interrupts + soft - sum(own)) / ticks_per_second
end

# OpenBLAS's threads wait for more work by spinning: 0.1 s with Julia 1.5.3, on a core that others have by then.
const QUIET_CPU_SECONDS, QUIET_SECONDS, LONGEST_SPIN_SECONDS = 0.0005, 0.02, 0.5

"""Returns when this process's threads use no CPU any more, or spin on and on."""
function await_quiet()
    # The C library's clock counts the microseconds of all of the process's threads.
    used_seconds() = ccall(:clock, Clong, ()) / 1e6
    for _ in 1:round(Int, LONGEST_SPIN_SECONDS / QUIET_SECONDS)
        before = used_seconds()
        Libc.systemsleep(QUIET_SECONDS)
        used_seconds() - before < QUIET_CPU_SECONDS && return
    end
end

# Of /proc/stat the first lines are wanted; those of a thousand CPUs are shorter than this.
const LONGEST_READING = 1 << 17

"""The state of this process and the text of some files, now: for ../../inside/conditions.py."""
function reading(files)
    # getrusage's two times, each in seconds and microseconds, and fourteen counters.
    used = zeros(Clong, 18)
    ccall(:getrusage, Cint, (Cint, Ptr{Clong}), 0, used)
    return Dict{String,Any}(
        "monotonic_seconds" => time_ns() / 1e9,
        "cpu_seconds" => used[1] + used[3] + (used[2] + used[4]) / 1e6,
        "preemptions" => used[18],
        "waits" => used[17],
        "files" => map(text, files),
    )
end

function text(path)
    try
        return open(file -> String(read(file, LONGEST_READING)), path)
    catch
        return ""
    end
end

"""The name of the file that has the `malloc` which this process calls: a library in front of the C library's."""
function malloc_file()
    address = UInt(cglobal(:malloc))
    for fields in split.(readlines("/proc/self/maps"))
        first_byte, end_byte = parse.(UInt, split(fields[1], '-'), base = 16)
        first_byte <= address < end_byte && length(fields) > 5 && return basename(fields[6])
    end
    return ""
end

end
