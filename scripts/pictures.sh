#!/bin/sh
# Makes the pictures of docs/pictures, of traffic that `tcpcong demo` makes: run it as root, after
# `scripts/setup.sh test`. TCPCONG names the program to take them of; without it one is built.
set -eu
cd "$(dirname "$0")/.."
if [ "$(id -u)" != 0 ]; then
    echo "pictures: the demonstration needs root: sudo $0" >&2
    exit 1
fi
if [ -z "${TCPCONG:-}" ]; then
    cargo build --release
    TCPCONG=target/release/tcpcong
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir -p docs/pictures

recording=$folder/demo.jsonl.zst
"$TCPCONG" demo --seconds 14 >/dev/null 2>&1 &
demo=$!
"$TCPCONG" record -R 7009 -o "$recording" --seconds 12
wait "$demo"

# The page of `tcpcong report`, in a browser.
"$TCPCONG" report "$recording" --pid "$demo" -o "$folder/page.html"
for look in light dark phone; do
    node tests/page/picture.mjs "$folder/page.html" "docs/pictures/report-$look.png" "$look"
done

# The screen of `tcpcong top`, in a terminal, the worst connection opened.
screen() { tmux -S "$folder/tmux" -f /dev/null -u "$@"; }
(unset NO_COLOR; LANG=C.UTF-8 screen new-session -d -s top -x 120 -y 40 "$TCPCONG top --from $recording --speed 20")
until screen capture-pane -p -t top | head -1 | grep -q "END$"; do sleep 0.2; done
# Back to where all connections are still there.
screen send-keys -t top Left Left Left
until screen capture-pane -p -t top | head -1 | grep -q FROZEN; do sleep 0.2; done
screen send-keys -t top Enter
until screen capture-pane -p -t top | grep -q "verdict: "; do sleep 0.2; done
screen capture-pane -e -p -t top >"$folder/top"
screen kill-server
node tests/page/terminal.mjs "$folder/top" "$folder/top.html"
node tests/page/picture.mjs "$folder/top.html" docs/pictures/top.png terminal

large=$(find docs/pictures -name '*.png' -size +150k)
if [ -n "$large" ]; then
    echo "pictures: larger than 150 kB: $large" >&2
    exit 1
fi
