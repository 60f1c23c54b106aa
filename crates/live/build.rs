//! Compiles the kernel side into `OUT_DIR`, once for each transport (`bpf/log.h`).
//! Nothing of the kernel's types is taken from this machine: see `bpf/kernel.h`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use libbpf_cargo::SkeletonBuilder;

/// The source in the order in which one text of it makes sense.
const TEXT: [&str; 13] = [
    "kernel.h",
    "wire.h",
    "log.h",
    "socket.h",
    "emit.h",
    "cwr.h",
    "uninterrupted.h",
    "transitions.h",
    "callers.h",
    "lives.h",
    "survey.h",
    "owners.h",
    "tcpcong.bpf.c",
];
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
        let object = out.join(name).with_extension("bpf.o");
        let bytes = fs::read(&object).with_context(|| format!("reading {}", object.display()))?;
        compress(&bytes, &object.with_extension("zst"))?;
    }
    let text = TEXT.map(|name| fs::read_to_string(Path::new("bpf").join(name)));
    let text: String = text.into_iter().collect::<Result<_, _>>().context("reading bpf")?;
    compress(text.as_bytes(), &out.join("text.zst"))?;
    println!("cargo:rerun-if-changed=bpf");
    Ok(())
}

/// An object is an eighth so large then, and the binary has two.
fn compress(bytes: &[u8], to: &Path) -> anyhow::Result<()> {
    let compressed = zstd::encode_all(bytes, LEVEL)?;
    fs::write(to, compressed).with_context(|| format!("writing {}", to.display()))
}

fn builder(source: &Path, arguments: &[&str]) -> SkeletonBuilder {
    let mut builder = SkeletonBuilder::new();
    builder.source(source).clang_args(arguments.iter().chain(&["-Wall", "-Werror"]).copied());
    builder
}
