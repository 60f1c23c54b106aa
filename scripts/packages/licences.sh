#!/bin/sh
# Prints which crates are inside the binary, under which licence, and the texts that come with them.
set -eu
cd "$(dirname "$0")/../.."
target=$(rustc -vV | sed -n 's/^host: //p')
metadata=$(mktemp)
trap 'rm -f "$metadata"' EXIT
cargo metadata --format-version 1 --filter-platform "$target" >"$metadata"
cargo tree -q -p tcpcong -e normal,no-proc-macro --target "$target" --prefix none --format '{p}' |
    sed -n 's/^\([^ ]*\) v\([^ ]*\).*/\1 \2/p' | sort -u |
    while read -r name version; do
        crate=$(jq -r --arg name "$name" --arg version "$version" \
            '.packages[] | select(.name == $name and .version == $version and .source != null) |
             [.license // "see its text", (.manifest_path | rtrimstr("/Cargo.toml"))] | @tsv' "$metadata")
        [ -n "$crate" ] || continue # one of ours
        printf '==== %s %s: %s\n' "$name" "$version" "${crate%%	*}"
        # One below as well: libbpf, and what it builds on, in libbpf-sys.
        find "${crate#*	}" -maxdepth 2 -type f \( -iname 'licen[sc]e*' -o -iname 'copying*' -o -iname 'copyright*' -o -iname 'notice*' \) |
            LC_ALL=C sort | while read -r text; do
            printf -- '---- %s\n' "${text#"${crate#*	}"/}"
            cat "$text"
            echo
        done
    done
