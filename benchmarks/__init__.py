"""Performance, as ratios to a floor measured in the same run; ``docs/benchmarks.md`` says how to run it."""
