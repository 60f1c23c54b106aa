#!/bin/sh
# Fetches Debian's cloud kernels and unpacks them; what is there already is left alone.
# usage: fetch.sh 5.10|6.1|6.12|6.18|7.3 ...
# They go to $KERNELS (default: tcpcong-kernels in the cache directory), a directory k/WORD each.
# The mirror is the one in this machine's apt configuration; apt's own lists are not touched.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${KERNELS:-${XDG_CACHE_HOME:-$HOME/.cache}/tcpcong-kernels}

die() {
    echo "fetch: $*" >&2
    exit 1
}

# shellcheck source=scripts/suites.sh
. "$here/../suites.sh"

suites() { # WORD: where Debian has, or had, this kernel
    case $1 in
    5.10) echo bullseye-security bullseye ;;
    6.1) echo bookworm-security bookworm ;;
    6.12) echo bookworm-security trixie-security trixie ;;
    6.18 | 7.3) echo trixie-backports sid ;;
    *)
        echo "fetch: no such kernel: $1 (5.10 6.1 6.12 6.18 7.3)" >&2
        exit 2
        ;;
    esac
}

# 6.12.107 panics in netem.
usable() { grep -v '6\.12\.107\b'; }

unpack() { # SUITE PACKAGE: into $part, with the packages that hold its parts
    parts=$(apt_in "$1" apt-cache depends "$2" 2>/dev/null | sed -n 's/.*Depends: \(linux-\(binary\|modules\)-.*\)/\1/p')
    for each in "$2" $parts; do
        (cd "$part" && apt_in "$1" apt-get download "$each" >/dev/null 2>>"$log") || return 1
    done
    for file in "$part"/*.deb; do
        dpkg -x "$file" "$part" 2>>"$log" || return 1
        rm "$file"
    done
    [ -n "$(find "$part" -name 'vmlinuz*' -type f)" ] && [ -n "$(find "$part" -path '*/kernel/net/sched')" ]
}

fetch() { # WORD
    there=$cache/k/$1
    [ -z "$(find "$there" -path '*/lib/modules/6.12.107*' -prune -print 2>/dev/null)" ] || rm -rf "$there" "${cache:?}/boot/$1"
    [ ! -d "$there" ] || return 0
    : >"$log"
    for suite in $(suites "$1"); do
        see "$suite" || die "no Debian mirror in this machine's apt configuration"
        apt_in "$suite" apt-get update >/dev/null 2>>"$log" || continue
        # A mirror may lack the newest for a while.
        for package in $(apt_in "$suite" apt-cache search --names-only "^linux-image-$1\\.[^ ]*-cloud-amd64(-unsigned)?\$" |
            cut -d' ' -f1 | usable | sort -rV | head -n 8); do
            rm -rf "$part"
            mkdir -p "$part"
            if unpack "$suite" "$package"; then
                mv "$part" "$there"
                echo "fetch: $1 is $package of $suite" >&2
                return 0
            fi
        done
    done
    die "cannot fetch a $1 kernel from $(suites "$1"): $(grep -m1 '^E:' "$log" || echo "no package of that name")"
}

[ $# -gt 0 ] || {
    sed -n '3s/^# //p' "$0" >&2
    exit 2
}
for word in "$@"; do suites "$word" >/dev/null; done
for tool in apt-get dpkg flock; do
    command -v $tool >/dev/null || die "needs $tool: the kernels are Debian's packages"
done
mkdir -p "$cache/k" 2>/dev/null || die "cannot write to $cache"
exec 9>"$cache/fetch.lock"
flock 9
log=$cache/fetch.log
part=$cache/k/.part
trap 'rm -rf "$part"' EXIT
trap 'exit 1' HUP INT TERM
for word in "$@"; do fetch "$word"; done
