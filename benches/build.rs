//! Compiles the empty programs that are measured beside the real ones.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use libbpf_cargo::SkeletonBuilder;

fn main() -> anyhow::Result<()> {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?);
    let source = Path::new("floor.bpf.c");
    SkeletonBuilder::new()
        .source(source)
        .clang_args(["-I../crates/live/bpf", "-Wall", "-Werror"])
        .build_and_generate(out.join("floor.skel.rs"))
        .with_context(|| format!("compiling {} with clang", source.display()))?;
    println!("cargo:rerun-if-changed=floor.bpf.c");
    println!("cargo:rerun-if-changed=../crates/live/bpf/kernel.h");
    Ok(())
}
