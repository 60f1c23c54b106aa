//! Compiles the kernel side into `OUT_DIR`, once for each transport (`bpf/log.h`).
//! Nothing of the kernel's types is taken from this machine: see `bpf/kernel.h`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use libbpf_cargo::SkeletonBuilder;

fn main() -> anyhow::Result<()> {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?);
    let source = Path::new("bpf/tcpcong.bpf.c");
    // The skeleton is wanted for its types, which are the same in both.
    builder(source, &["-Ibpf"])
        .obj(out.join("log.bpf.o"))
        .build_and_generate(out.join("tcpcong.skel.rs"))
        .with_context(|| format!("compiling {} with clang", source.display()))?;
    builder(source, &["-Ibpf", "-DRING"])
        .obj(out.join("ring.bpf.o"))
        .build()
        .with_context(|| format!("compiling {} for a ring buffer", source.display()))?;
    println!("cargo:rerun-if-changed=bpf");
    Ok(())
}

fn builder(source: &Path, arguments: &[&str]) -> SkeletonBuilder {
    let mut builder = SkeletonBuilder::new();
    builder.source(source).clang_args(arguments.iter().chain(&["-Wall", "-Werror"]).copied());
    builder
}
