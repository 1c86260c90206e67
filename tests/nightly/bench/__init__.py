"""Memory stays flat, and the benchmarks run."""
