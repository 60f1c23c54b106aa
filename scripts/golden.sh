#!/bin/sh
# Makes tests/golden/ again: a small recording of the demo's traffic with lines of every type,
# and what it replays to. To be run as root after a change of the lines, and the
# differences to be looked at. Usage: golden.sh [replay]: "replay" keeps the recording.
set -eu
cd "$(dirname "$0")/.."
cargo build --quiet
tool=${CARGO_TARGET_DIR:-target}/debug/tcpcong
to=tests/golden
mkdir -p "$to"

if [ "${1:-}" != replay ]; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    "$tool" demo --seconds 9 >"$work/said" 2>/dev/null &
    demo=$!
    # In the fifth second the path begins to drop everything now and then.
    until [ "$(grep -c ^LAddrPort "$work/said")" -ge 4 ]; do sleep 0.1; done
    "$tool" record -R 7009 --seconds 3 -o "$work/a.jsonl.zst"
    wait "$demo"
    # What seldom happens is added by hand, in the middle; the kernel's name is not this
    # machine's. Three sockets are no one's: what they do disturbs no other.
    zstd -qdc "$work/a.jsonl.zst" >"$work/lines"
    middle=$(($(wc -l <"$work/lines") / 2))
    at=$(sed -n "${middle}p" "$work/lines" | jq .at_ns)
    head -n "$middle" "$work/lines" | jq -c 'if .type == "start" then .kernel = "6.18.0" else . end'
    jq -nc --argjson at "$at" '
        {socket: "ffff888100000100", lport: 40000, rport: 443, cc: "bbr"} as $one
        | {socket: "ffff888100000200", lport: 22, rport: 40001} as $other
        | {socket: "ffff888100000300", lport: 40002, rport: 443, cc: "cubic", laddr: "10.0.0.1", raddr: "10.0.0.2", netns: 4026531840} as $third
        | {type: "birth", at_ns: $at, state: "open"} + $one
            + {laddr: "fe80::1", raddr: "fe80::2", zone: 3, netns: 4026531840, cgroup_id: 1, pid: 4321, comm: ([255, 65] + [range(14) | 0])},
        {type: "owner", at_ns: $at, socket: $one.socket, born_ns: $at, pid: 4321, comm: ([255, 65] + [range(14) | 0]), netns_name: "blue",
            cgroup: "/a.service", unit: "a.service", container: "0123456789ab", pod: "b", interface: "eth0"},
        {type: "birth", at_ns: ($at + 1), state: "open"} + $other,
        {type: "filtered_out", at_ns: ($at + 2), a_later_key: {}} + $other,
        {type: "a_later_type", at_ns: ($at + 2), state: 7},
        {type: "found", at_ns: ($at + 1000000), state: "recovery"} + $one,
        {type: "batch", at_ns: ($at + 1000000)},
        {type: "flow", at_ns: ($at + 1000001), state: "loss", born_ns: ($at - 5000000), since_ns: ($at - 4000000), cause: "rto",
            found: true, undo: "armed", cwnd: 1, ssthresh: 7, account_ns: ($at - 3000000), busy: 1, delivered: 2} + $third,
        {type: "seen", at_ns: ($at + 1100000), state: "loss"} + $third,
        {type: "seen_again", at_ns: ($at + 1200000), state: "loss", sockets: [$third.socket], after_ns: [0]},
        {type: "end", at_ns: ($at + 1300000), state: "loss"} + $third,
        {type: "late", at_ns: ($at + 1), until_ns: ($at + 2)},
        {type: "gap", at_ns: ($at + 2000000), from_ns: ($at + 1500000), dropped: 3},
        {type: "losses", at_ns: ($at + 2000000), namespaces_unreached: 0, flows_refused: 0, births_missed: 0,
            ends_missed: 0, transitions_missed: 0, events_unaccounted: 0, rows_lost: 0, recursion_misses: 2,
            calls_lost: 0, entries_dropped: 0, gaps: 0, gap_ns: 0},
        {type: "clock", at_ns: ($at + 2000000), time: "2026-01-02T03:04:05.678901234Z"}
    '
    tail -n "+$((middle + 1))" "$work/lines"
fi | if [ "${1:-}" != replay ]; then
    # With its size, which a pipe's frame would lack.
    cat >target/golden.jsonl
    zstd -qf --check target/golden.jsonl -o "$to/a.jsonl.zst"
    rm target/golden.jsonl
fi

replay() { # NAME ARGUMENT...
    name=$1
    shift
    TZ=UTC "$tool" "$@" >"$to/$name" 2>/dev/null
}
replay table.txt --from "$to/a.jsonl.zst" --all -T 1
replay json.jsonl --from "$to/a.jsonl.zst" --format json 1
replay trace.txt trace --from "$to/a.jsonl.zst" -o wide
replay why.txt why --from "$to/a.jsonl.zst"
