"""WHAT is timed, and how it is asked for: workloads, frameworks, the sampling policy. Data only."""
