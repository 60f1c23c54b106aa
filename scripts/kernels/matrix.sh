#!/bin/sh
# Boots each kernel, two at a time, and runs every scenario in it; a kernel with anything red is run once more.
# usage: matrix.sh RESULTS WORD...
# RESULTS/machine is laid over the machines' root: /root/kernels and /root/tcpcong. Leaves RESULTS/WORD.log and .jsonl.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# After so many seconds nothing is run once more: all of it takes a quarter of an hour at most.
patience=480

one() { # RESULTS WORD
    for try in first second; do
        [ "$try" = first ] || [ "$(($(date +%s) - begun))" -lt "$patience" ] || break
        echo "matrix: $2, $try try" >&2
        "$here/vm.sh" -s 2 -m 1536 -t 400 "$2" "$1/machine" 'TCPCONG=/root/tcpcong ./kernels guest' >"$1/$2.log" 2>&1 ||
            tail -n 5 "$1/$2.log" >&2
        grep '^{' "$1/$2.log" >"$1/$2.jsonl" || true
        ! "$1/machine/root/kernels" check "$1/$2.jsonl" || break
    done
}

if [ -n "${begun:-}" ]; then
    one "$@"
    exit
fi
[ $# -gt 1 ] || {
    sed -n '3s/^# //p' "$0" >&2
    exit 2
}
results=$1
shift
begun=$(date +%s)
export begun
# What they boot is made one after the other, as each takes all of the machine.
for word in "$@"; do "$here/base.sh" "$word"; done
printf '%s\n' "$@" | xargs -n 1 -P 2 "$0" "$results"
