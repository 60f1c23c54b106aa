#!/bin/sh
# Boots each kernel and runs every scenario in it; a kernel with anything red is run again, if there is time.
# usage: matrix.sh RESULTS WORD...
# RESULTS/machine is laid over the machines' root: /root/kernels and /root/tcpcong. Leaves RESULTS/WORD.log and .jsonl.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ $# -gt 1 ] || {
    sed -n '3s/^# //p' "$0" >&2
    exit 2
}
results=$1
shift
# A machine that is not at its end by then, in seconds, has stopped; a slow host takes 500.
limit=750
# A kernel is run again only where that many seconds still suffice for all that are to come.
most=$((600 + 360 * $#))
reserve=270
begun=$(date +%s)
left=$#
for word in "$@"; do
    left=$((left - 1))
    for try in first second third fourth fifth; do
        spent=$(($(date +%s) - begun))
        [ "$try" = first ] || [ $((spent + reserve * (left + 1))) -lt "$most" ] || break
        echo "matrix: $word, $try try, after $spent s" >&2
        "$here/vm.sh" -s 2 -m 1536 -t "$limit" "$word" "$results/machine" 'TCPCONG=/root/tcpcong ./kernels guest' \
            >"$results/$word.log" 2>&1 || tail -n 5 "$results/$word.log" >&2
        grep '^{' "$results/$word.log" >"$results/$word.jsonl" || true
        ! "$results/machine/root/kernels" check "$results/$word.jsonl" || break
    done
done
