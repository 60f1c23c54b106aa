//! Compiles the kernel side into `OUT_DIR`, once for each transport (`bpf/log.h`).
//! Nothing of the kernel's types is taken from this machine: see `bpf/kernel.h`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use libbpf_cargo::SkeletonBuilder;

/// Of zstd's 22: more takes seconds, and nothing off.
const LEVEL: i32 = 19;

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
    for name in ["log", "ring"] {
        compress(&out.join(name).with_extension("bpf.o"))?;
    }
    println!("cargo:rerun-if-changed=bpf");
    Ok(())
}

/// The objects are an eighth so large then, of which the binary has two.
fn compress(object: &Path) -> anyhow::Result<()> {
    let bytes = fs::read(object).with_context(|| format!("reading {}", object.display()))?;
    let compressed = zstd::encode_all(&bytes[..], LEVEL)?;
    fs::write(object.with_extension("zst"), compressed).context("writing it, compressed")
}

fn builder(source: &Path, arguments: &[&str]) -> SkeletonBuilder {
    let mut builder = SkeletonBuilder::new();
    builder.source(source).clang_args(arguments.iter().chain(&["-Wall", "-Werror"]).copied());
    builder
}
