#!/bin/sh
# Installs the packages where they can do no harm: the .deb in emulated machines with Debian and systemd, whose service
# is started, used and stopped there; the .rpm into an empty root.
# usage: try.sh DEB RPM WORK WORD...    WORD is a kernel of scripts/kernels/vm.sh
set -eu
[ $# -gt 3 ] || {
    sed -n '4s/^# //p' "$0" >&2
    exit 2
}
here=$(cd "$(dirname "$0")" && pwd)
deb=$1
rpm=$(realpath "$2")
work=$3
shift 3
mkdir -p "$work"

fail() {
    echo "try: $*" >&2
    exit 1
}

root=$(realpath "$work")/rpm
rm -rf "$root"
mkdir -p "$root"
# Scripts need a shell in the root, and have nothing to do there.
in_root() { rpm --root "$root" --dbpath /rpmdb "$@" 2>&1 | grep -v 'RPM should not be used\|assuming you know' || true; }
in_root --install --nodeps --noscripts "$rpm"
for file in usr/sbin/tcpcong usr/lib/systemd/system/tcpcong.service etc/tcpcong/tcpcong.toml usr/share/man/man8/tcpcong-serve.8.gz \
    usr/share/zsh/site-functions/_tcpcong; do
    [ -e "$root/$file" ] || fail "$rpm lacks $file"
done
[ -z "$(in_root --verify --nodeps tcpcong)" ] || fail "rpm --verify: $(in_root --verify --nodeps tcpcong)"
"$root/usr/sbin/tcpcong" --version
in_root --erase --noscripts tcpcong
left=$(find "$root" -path "$root/rpmdb" -prune -o -type f -print)
[ -z "$left" ] || fail "left by the rpm: $left"
echo "try: $(basename "$rpm") installs, verifies, and leaves no file"

# Lintian's word, where it is there.
if command -v lintian >/dev/null; then
    # No address is given for the developers; the binary is static on purpose.
    lintian --fail-on error --suppress-tags \
        bogus-mail-host,bogus-mail-host-in-debian-changelog,embedded-library,shared-library-lacks-prerequisites,initial-upload-closes-no-bugs "$deb"
fi
"$here/machine.sh" "$work/machine" "$deb" "$here/trial.sh" "$here/../../docs/service.md"
for word in "$@"; do
    echo "try: $(basename "$deb") on $word"
    "$here/../kernels/vm.sh" -b -m 2048 -s 2 -t 500 -a rdinit=/start -c "$work/$word.console" "$word" "$work/machine" \
        "sh trial.sh $(basename "$deb")" || fail "$word: see above, and $work/$word.console"
done
