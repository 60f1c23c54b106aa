#!/bin/sh
# Lays out what a package has as it will lie in the root directory, for both kinds of package.
# usage: stage.sh BINARY ROOT    ROOT is made anew
# Man pages and completions come from the definitions of the command line, the latter by BINARY itself.
set -eu
[ $# = 2 ] || {
    sed -n '3s/^# //p' "$0" >&2
    exit 2
}
cd "$(dirname "$0")/../.."
binary=$(realpath "$1")
root=$2
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
# The same sources give the same packages.
when=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y Cargo.toml)}

place() { # MODE FILE DESTINATION
    install -D -m "$1" "$2" "$root/$3"
}
print() { # DESTINATION: what comes on stdin
    mkdir -p "$root/${1%/*}"
    cat >"$root/$1"
}

rm -rf "$root"
place 755 "$binary" usr/sbin/tcpcong
place 644 packaging/tcpcong.service usr/lib/systemd/system/tcpcong.service
place 644 packaging/tcpcong.toml etc/tcpcong/tcpcong.toml
"$binary" completions bash | print usr/share/bash-completion/completions/tcpcong
"$binary" completions zsh | print usr/share/zsh/vendor-completions/_tcpcong
"$binary" completions fish | print usr/share/fish/vendor_completions.d/tcpcong.fish
for page in man/*.8; do
    gzip -9nc "$page" | print "usr/share/man/man8/${page#man/}.gz"
done

doc=usr/share/doc/tcpcong
gzip -9nc CHANGELOG.md | print $doc/changelog.gz
# Debian's own form: the changes are in the other.
printf 'tcpcong (%s-1) unstable; urgency=medium\n\n  * As in changelog.gz.\n\n -- %s  %s\n' "$version" \
    "$(sed -n 's/^maintainer = "\(.*\)"/\1/p' Cargo.toml)" "$(LC_ALL=C date -u -R -d "@$when")" |
    gzip -9nc | print $doc/changelog.Debian.gz
place 644 docs/service.md $doc/service.md
place 644 docs/metrics.md $doc/metrics.md
place 644 packaging/copyright $doc/copyright
scripts/packages/licences.sh | gzip -9nc | print $doc/third-party.gz
find "$root" -exec touch -h -d "@$when" {} +
