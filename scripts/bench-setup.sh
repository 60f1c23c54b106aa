#!/bin/sh
# Makes this Debian machine ready for `cargo bench --bench side_by_side`:
# bcc's tcpcong, the kernel headers that it compiles against, iperf3, and tracefs.
# Does what is missing and says what it cannot do; run it again at any time.
set -u

release=$(uname -r)
modules=/lib/modules/$release
failures=0

say() { echo "bench-setup: $*"; }
cannot() {
	echo "bench-setup: CANNOT $*" >&2
	failures=$((failures + 1))
}

if [ "$(id -u)" -ne 0 ]; then
	echo "bench-setup: installing packages and mounting need root; run it as root" >&2
	exit 1
fi

# Of the names on stdin those of the plain kernel (not rt, not cloud), oldest first.
plain() {
	grep -E 'linux-headers-[0-9.]+-[0-9]+-[a-z0-9]+$' | sort -V
}

# bcc 0.26 of Debian 12 compiles its programs against the headers of its own
# time; those of much newer kernels may be too new for its clang.
newest_headers() {
	printf '%s\n' /usr/src/linux-headers-6.1.*-"$(dpkg --print-architecture)" | plain | tail -n 1
}

update_once() {
	[ -n "${updated:-}" ] && return
	updated=yes
	apt-get update -q >/dev/null || cannot "read the package lists (apt-get update)"
}

install() {
	update_once
	say "installing $1"
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$1" >/dev/null ||
		cannot "install $1 (apt-get)"
}

if ! command -v apt-get >/dev/null; then
	cannot "install anything: there is no apt-get; bring tcpcong-bpfcc and kernel headers yourself"
else
	command -v tcpcong-bpfcc >/dev/null || install bpfcc-tools
	command -v iperf3 >/dev/null || install iperf3
	if [ ! -e "$modules/build" ] && [ -z "$(newest_headers)" ]; then
		update_once
		package=$(apt-cache search --names-only "^linux-headers-6\.1\..*-$(dpkg --print-architecture)\$" |
			cut -d' ' -f1 | plain | tail -n 1)
		if [ -n "$package" ]; then
			install "$package"
		else
			cannot "find a Debian 6.1 kernel's headers in apt"
		fi
	fi
fi

# bcc looks for the running kernel's headers; these stand in for them.
link() {
	[ -e "$modules/$1" ] && return
	if [ ! -d "$2" ]; then
		cannot "point $modules/$1 at kernel headers: there is no $2"
		return
	fi
	say "pointing $modules/$1 at $2"
	mkdir -p "$modules" && ln -sfn "$2" "$modules/$1" || cannot "make the link $modules/$1"
}
tree=$(newest_headers)
version=${tree%-*}
link build "${tree:-/usr/src/linux-headers-6.1.*}"
link source "${version:-/usr/src/linux-headers-6.1.*}-common"

# bcc looks below debugfs; where there is none, a directory stands in for it.
tracing() {
	[ -e "$1/events" ] && return
	say "mounting tracefs on $1"
	{ [ -d "$1" ] || mkdir -p "$1"; } 2>/dev/null && mount -t tracefs nodev "$1" ||
		cannot "mount tracefs on $1"
}
if [ ! -e /sys/kernel/debug/tracing/events ] && grep -qw debugfs /proc/filesystems &&
	! grep -q ' /sys/kernel/debug debugfs ' /proc/mounts; then
	say "mounting debugfs on /sys/kernel/debug"
	mount -t debugfs nodev /sys/kernel/debug || cannot "mount debugfs"
fi
tracing /sys/kernel/tracing
tracing /sys/kernel/debug/tracing

tcpcong-bpfcc --help >/dev/null 2>&1 || cannot "run tcpcong-bpfcc"
if [ "$failures" -ne 0 ]; then
	echo "bench-setup: $failures things could not be done; the benchmark measures tcpcong alone" >&2
	exit 1
fi
say "ready"
