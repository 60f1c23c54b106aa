#!/bin/sh
# Holds the crates to their layers: the core needs no BPF compiler, no libbpf, no command line, and neither
# of the other crates; the live source no command line.
set -eu
cd "$(dirname "$0")/.."
apart() { # CRATE EDGES PACKAGE...: CRATE depends on none of these, directly or through others
    crate=$1 edges=$2
    shift 2
    tree=$(cargo tree -q -p "$crate" -e "$edges" --prefix none --all-features)
    for package in "$@"; do
        if printf '%s\n' "$tree" | grep -q "^$package v"; then
            echo "layers: $crate depends on $package:" >&2
            cargo tree -q -p "$crate" -e "$edges" --all-features -i "$package" >&2
            exit 1
        fi
    done
}
apart tcpcong-core normal,build,dev libbpf-rs libbpf-sys libbpf-cargo clap nix tcpcong-live tcpcong
# libbpf-cargo, with which it is built, brings clap.
apart tcpcong-live normal clap tcpcong
