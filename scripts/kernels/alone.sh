#!/bin/sh
# Shows on the oldest and the newest kernel that the static binary needs nothing beside it (an initramfs with
# busybox alone), and to trace no more than CAP_BPF and CAP_PERFMON; and, where maps count against a limit, what
# it says where they do not fit.
# usage: alone.sh DIR    DIR/root/tcpcong is the binary
set -eu
here=$(cd "$(dirname "$0")" && pwd)
caps=-all,+bpf,+perfmon
few="setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=$caps --ambient-caps=$caps --bounding-set=$caps"

fail() {
    echo "alone: $*" >&2
    exit 1
}

# A connection over the loopback, begun before the tool and ended while it runs. Nothing goes by the clock: on an emulated
# processor a start takes seconds, more of them on a busy host. vm.sh's time limit ends what waits in vain.
traced="few='$few'
$(
    cat <<'END'
cp tcpcong /tmp
cd /tmp
await() { until [ -n "$("$@")" ]; do sleep 0.2; done; }
sleep 1000 | nc -l -p 7001 &
await ss -Hltn 'sport = 7001'
sleep 1000 | nc 127.0.0.1 7001 &
await ss -Htn state established 'dport = 7001'
$few ./tcpcong --all --format json -R 7001 1 >said &
tool=$!
await grep '"type":"flow"' said
killall nc
await grep '"ended":true' said
kill $tool
wait $tool || exit
cat said
END
)"

for word in 5.10 7.3; do
    "$here/vm.sh" -b "$word" "$1" ./tcpcong 0.5 1 || fail "$word: it does not run with nothing beside it"
    said=$("$here/vm.sh" "$word" "$1" "$traced") || fail "$word: it does not run with CAP_BPF and CAP_PERFMON: $said"
    for expected in '"type":"flow".*"rport":7001.*"ended":true' '"type":"start".*"namespaces":1,'; do
        echo "$said" | grep -q "$expected" || fail "$word: no $expected in: $said"
    done
done

# Before 5.11, and without CAP_SYS_RESOURCE.
code=0
said=$("$here/vm.sh" 5.10 "$1" "cp tcpcong /tmp; cd /tmp; ulimit -l 64; $few ./tcpcong 0.5 1" 2>&1) || code=$?
[ "$code" = 3 ] && echo "$said" | grep -q 'locked memory, which is 64 KiB' || fail "5.10: exit code $code, and: $said"
