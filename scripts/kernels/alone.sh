#!/bin/sh
# Shows on the oldest and the newest kernel that the static binary needs nothing beside it (an initramfs with
# busybox alone), and to trace no more than CAP_BPF and CAP_PERFMON.
# usage: alone.sh DIR    DIR/root/tcpcong is the binary
set -eu
here=$(cd "$(dirname "$0")" && pwd)
caps=-all,+bpf,+perfmon
few="setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=$caps --ambient-caps=$caps --bounding-set=$caps"
for word in 5.10 7.3; do
    "$here/vm.sh" -b "$word" "$1" ./tcpcong 0.5 1 || {
        echo "alone: $word: it does not run with nothing beside it" >&2
        exit 1
    }
    "$here/vm.sh" "$word" "$1" "cp tcpcong /tmp && cd /tmp && $few ./tcpcong 0.5 1" || {
        echo "alone: $word: it does not run with CAP_BPF and CAP_PERFMON" >&2
        exit 1
    }
done
