//! The kernel side for another processor: compiled, not run. Registers are the
//! only thing in it that differs (`bpf/kernel.h`, `bpf/callers.h`).

use anyhow::{Context as _, Result, ensure};
use libbpf_cargo::SkeletonBuilder;

#[test]
fn the_programs_compile_for_arm64() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let object = folder.path().join("tcpcong.bpf.o");
    SkeletonBuilder::new()
        .source("bpf/tcpcong.bpf.c")
        .obj(&object)
        .clang_args(["-Ibpf", "-Wall", "-Werror", "-D__TARGET_ARCH_arm64"])
        .build()
        .context("compiling with clang")?;
    ensure!(object.metadata()?.len() > 0);
    Ok(())
}
