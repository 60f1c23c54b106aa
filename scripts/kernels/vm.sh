#!/bin/sh
# Runs one command as root under another kernel, in an emulated machine (QEMU, no KVM needed).
# usage: vm.sh [-b] [-m MB] [-s CPUS] [-t SECONDS] [-a KERNEL-ARGS] [-o OUTDIR] [-c CONSOLE-LOG] WORD DIR COMMAND...
#   WORD     5.10 6.1 6.12 6.18 7.3, fetched where it is missing
#   DIR      is laid over the machine's root directory; - for none
#   COMMAND  a line for sh, started in /root
#   -b       a bare machine: busybox as init, DIR, and nothing else
#   -o       where the files go that the command leaves in $OUT
# Prints the command's output and exits with its code; 124 when the time (-t, 300 s) is over, 125 when the machine died,
# both with the end of its console on stderr. In the machine: busybox, dash as sh, ip, tc, ss, nft, setpriv, capsh,
# and the kernel's modules for TCP, qdiscs, netfilter, veth, dummy, ifb and tun, loaded on demand.
set -u
here=$(cd "$(dirname "$0")" && pwd)
cache=${KERNELS:-${XDG_CACHE_HOME:-$HOME/.cache}/tcpcong-kernels}
initramfs=base
memory=1024
cpus=1
limit=300
arguments=
out=
console=

usage() {
    sed -n '3s/^# //p' "$0" >&2
    exit 2
}
while getopts bm:s:t:a:o:c: option; do
    case $option in
    b) initramfs=bare ;;
    m) memory=$OPTARG ;;
    s) cpus=$OPTARG ;;
    t) limit=$OPTARG ;;
    a) arguments=$OPTARG ;;
    o) out=$OPTARG ;;
    c) console=$OPTARG ;;
    *) usage ;;
    esac
done
shift $((OPTIND - 1))
[ $# -ge 3 ] || usage
word=$1
dir=$2
shift 2
command -v qemu-system-x86_64 >/dev/null || {
    echo "vm: needs qemu-system-x86_64: run scripts/setup.sh kernels" >&2
    exit 2
}
[ "$dir" = - ] || [ -d "$dir" ] || {
    echo "vm: no such directory: $dir" >&2
    exit 2
}

boot=$cache/boot/$word
if [ -z "$(find "$boot/base.cpio" -newer "$here/base.sh" 2>/dev/null)" ]; then
    "$here/base.sh" "$word" || exit 2
fi

tmp=$(mktemp -d)
children=
# shellcheck disable=SC2086,SC2317 # one word a child; the trap calls it
end() {
    [ -z "$children" ] || kill $children 2>/dev/null
    rm -rf "$tmp"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# The kernel unpacks one archive after the other. None is compressed: unpacking is what an emulated processor is slow at.
mkdir "$tmp/own"
printf '%s\n' "$*" >"$tmp/own/command"
pack() { (cd "$1" && find . -mindepth 1 | cpio --quiet -o -H newc -R +0:+0); }
{
    cat "$boot/$initramfs.cpio"
    [ "$dir" = - ] || pack "$dir"
    pack "$tmp/own"
} >"$tmp/initramfs" || exit 2

mkfifo "$tmp/output"
cat "$tmp/output" &
reader=$!
children=$reader

# thread=single: with a thread for each processor, a kernel that patches its own code now and then panics at an int3
# that is gone again (7.3, in one boot of forty). So -s gives more processors, but no more speed.
# no_timer_check: on a busy host that check may fail, and with it the boot. The other arguments save time.
timeout -k 5 "$limit" qemu-system-x86_64 -accel tcg,thread=single -cpu max -smp "$cpus" -m "$memory" \
    -nodefaults -display none -no-reboot -kernel "$boot/kernel" -initrd "$tmp/initramfs" \
    -append "console=ttyS0 quiet panic=-1 oops=panic 8250.nr_uarts=4 no_timer_check mitigations=off init_on_alloc=0 cryptomgr.notests $arguments" \
    -serial file:"$tmp/console" -serial file:"$tmp/output" -serial file:"$tmp/files" -serial file:"$tmp/code" \
    </dev/null >"$tmp/qemu" 2>&1 &
machine=$!
children="$reader $machine"
wait "$machine"
ended=$?
children=
: <>"$tmp/output" # the reader still waits where QEMU never opened it
wait "$reader"

touch "$tmp/console"
[ -z "$console" ] || cp "$tmp/console" "$console"
if [ -n "$out" ] && [ -s "$tmp/files" ]; then
    mkdir -p "$out" && tar xzf "$tmp/files" -C "$out" || echo "vm: not all files came back to $out" >&2
fi
code=$(cat "$tmp/code" 2>/dev/null)
[ -z "$code" ] || exit "$code"

tail -n 60 "$tmp/console" >&2
cat "$tmp/qemu" >&2
if [ "$ended" = 124 ] || [ "$ended" = 137 ]; then
    echo "vm: $word: not done after $limit s" >&2
    exit 124
fi
echo "vm: $word: the machine died" >&2
exit 125
