//! Nothing: a package has a target, and the benchmarks want their build script's.
