#!/bin/sh
# Boots each kernel and runs every scenario in it; a kernel with anything red is run once more, if there is time.
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
# All of it takes less than a quarter of an hour; with kernels that are run once more this at most, in seconds, of
# which so much is kept for each kernel that is still to come.
most=1080
reserve=150
begun=$(date +%s)
left=$#
for word in "$@"; do
    left=$((left - 1))
    for try in first second; do
        spent=$(($(date +%s) - begun))
        [ "$try" = first ] || [ $((spent + reserve * (left + 1))) -lt "$most" ] || break
        echo "matrix: $word, $try try, after $spent s" >&2
        limit=$((most - spent))
        [ "$limit" -lt 400 ] || limit=400
        "$here/vm.sh" -s 2 -m 1536 -t "$limit" "$word" "$results/machine" 'TCPCONG=/root/tcpcong ./kernels guest' \
            >"$results/$word.log" 2>&1 || tail -n 5 "$results/$word.log" >&2
        grep '^{' "$results/$word.log" >"$results/$word.jsonl" || true
        ! "$results/machine/root/kernels" check "$results/$word.jsonl" || break
    done
done
