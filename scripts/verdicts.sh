#!/bin/sh
# Runs every case of the demonstration, and takes what was said of them into docs/why.md.
set -eu
cd "$(dirname "$0")/.."
cargo test --test verdicts "$@"
table=$(find target/tmp "${CARGO_TARGET_DIR:-target}/tmp" -name verdicts.md 2>/dev/null | head -n 1)
sed -i -e "/^<!-- verdicts -->$/,/^<!-- end -->$/{/^<!--/!d}" -e "/^<!-- verdicts -->$/r $table" docs/why.md
