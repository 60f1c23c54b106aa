//! Compiles the kernel side into `OUT_DIR`.
//! Nothing of the kernel's types is taken from this machine: see `bpf/kernel.h`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use libbpf_cargo::SkeletonBuilder;

fn main() -> anyhow::Result<()> {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?);
    skeleton(Path::new("bpf/tcpcong.bpf.c"), &out.join("tcpcong.skel.rs"))?;
    // The empty programs that benchmarks measure beside the real ones.
    skeleton(Path::new("benches/floor.bpf.c"), &out.join("floor.skel.rs"))?;
    println!("cargo:rerun-if-changed=bpf");
    println!("cargo:rerun-if-changed=benches/floor.bpf.c");
    Ok(())
}

fn skeleton(source: &Path, to: &Path) -> anyhow::Result<()> {
    SkeletonBuilder::new()
        .source(source)
        .clang_args(["-Ibpf", "-Wall", "-Werror"])
        .build_and_generate(to)
        .with_context(|| format!("compiling {} with clang", source.display()))
}
