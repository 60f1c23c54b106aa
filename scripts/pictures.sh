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

large=$(find docs/pictures -name '*.png' -size +150k)
if [ -n "$large" ]; then
    echo "pictures: larger than 150 kB: $large" >&2
    exit 1
fi
