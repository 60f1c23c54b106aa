#!/bin/sh
# Lays out a machine for scripts/kernels/vm.sh in which Debian's systemd is the first process, and runs a command when
# it is up: vm.sh -b -a rdinit=/start WORD DIR COMMAND
# usage: machine.sh DIR [FILE...]    DIR is made anew; FILEs lie in its /root
# Debian is a minimal stable one, from the mirror in this machine's apt configuration, kept in target/packages.
set -eu
[ $# -gt 0 ] || {
    sed -n '4s/^# //p' "$0" >&2
    exit 2
}
cd "$(dirname "$0")/../.."
dir=$1
shift
suite=bookworm
cache=target/packages/debian
PATH=$PATH:/usr/sbin:/sbin

# One by itself: whoever is interrupted leaves no half of it.
if [ ! -d "$cache/root" ]; then
    mkdir -p "$cache"
    # shellcheck source=scripts/suites.sh
    . scripts/suites.sh
    from=$(mirror $suite) || {
        echo "machine: apt knows no mirror of Debian" >&2
        exit 1
    }
    echo "machine: debootstrap $suite from $from, once" >&2
    rm -rf "$cache/part"
    debootstrap --variant=minbase --include=systemd-sysv,iproute2,curl $suite "$cache/part" "$from" >"$cache/log" || {
        tail -n 5 "$cache/log" >&2
        exit 1
    }
    # What an emulated machine need not carry.
    (cd "$cache/part" && rm -rf var/cache/apt/archives/*.deb var/lib/apt/lists/* usr/share/doc usr/share/locale usr/share/man usr/share/info)
    mv "$cache/part" "$cache/root"
fi

rm -rf "$dir"
mkdir -p "$dir"
cp -a "$cache/root" "$dir/debian"
[ $# = 0 ] || cp "$@" "$dir/debian/root/"

cat >"$dir/start" <<'INIT'
#!/bin/busybox sh
# The first process, until Debian's root is the machine's.
b=/bin/busybox
$b mkdir -p /proc /n
$b mount -t tmpfs -o mode=755,size=90% root /n
$b mv /debian/* /command /n/
exec $b switch_root /n /sbin/init
INIT
chmod 755 "$dir/start"

units=$dir/debian/etc/systemd/system
mkdir -p "$units/multi-user.target.wants"
# The ports are as vm.sh has them: ttyS1 is the output, ttyS3 the exit code. A change of
# settings waits until all is sent.
cat >"$units/command.service" <<'UNIT'
[Unit]
Description=The command of this machine
After=multi-user.target
[Service]
Type=oneshot
TimeoutStartSec=infinity
ExecStartPre=/usr/bin/stty -F /dev/ttyS1 raw -echo
ExecStartPre=/usr/bin/stty -F /dev/ttyS3 raw -echo
ExecStart=/bin/sh -c 'cd /root; sh /command >/dev/ttyS1 2>&1; echo $? >/dev/ttyS3'
ExecStart=/usr/bin/stty -F /dev/ttyS1 echo
ExecStart=/usr/bin/stty -F /dev/ttyS3 echo
ExecStart=/usr/bin/systemctl poweroff -ff
UNIT
ln -s ../command.service "$units/multi-user.target.wants/"
ln -s /lib/systemd/system/multi-user.target "$units/default.target"
# It waits a minute and a half for a console that is not there.
ln -s /dev/null "$units/serial-getty@ttyS0.service"
