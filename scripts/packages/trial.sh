#!/bin/sh
# Run in a machine of its own (try.sh): installs the package, and holds the service to what docs/service.md says of it.
# usage: trial.sh PACKAGE.deb
# What is there after the purge must be what was there before.
set -u
package=$1
flows=
url=http://127.0.0.1:10044
file=/etc/tcpcong/tcpcong.toml
export DEBIAN_FRONTEND=noninteractive

fail() {
    echo "trial: $*"
    systemctl status --no-pager -l tcpcong | cat
    journalctl -b -u tcpcong --no-pager | tail -n 20
    exit 1
}
get() { curl -sf -m 10 "$url$1"; }
wait_for() { # SECONDS COMMAND...
    patience=$1
    shift
    until "$@" >/dev/null 2>&1; do
        patience=$((patience - 1))
        [ $patience -gt 0 ] || fail "still not: $*"
        sleep 1
    done
}
files() { # dpkg keeps its last status; systemd makes private folders for the first service that needs it
    find / \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path '/var/lib/dpkg/*-old' -o -path /var/lib/private -o -path /var/log/private \) \
        -prune -o -print | sort
}
property() { systemctl show -P "$1" tcpcong; }
flow() { # NETNS: a connection of it to itself, that stays
    ip netns exec "$1" ip link set lo up
    # shellcheck disable=SC2016 # perl's
    ip netns exec "$1" perl -MIO::Socket::INET -e 'my $l = IO::Socket::INET->new(LocalAddr => "127.0.0.1:7001", Listen => 1) or die;
        my $c = IO::Socket::INET->new("127.0.0.1:7001") or die; my $a = $l->accept;
        for (;;) { syswrite $c, "x"; sysread $a, my $got, 1; sleep 1 }' &
    flows="$flows $!"
}
has() { get /metrics | grep "^tcpcong_$1"; } # prints them, too
flows_in() { has "flows{.*netns=\"$1\".*} [1-9]"; }
settle() { systemctl is-active --quiet tcpcong || fail "it is not active"; }

mkdir -p /tmp/trial
files >/tmp/trial/before
dpkg -i "$package" >/tmp/trial/dpkg 2>&1 || fail "dpkg -i: $(cat /tmp/trial/dpkg)"
[ "$(systemctl is-enabled tcpcong)" = enabled ] || fail "it is not enabled"
settle
wait_for 20 get /healthz
wait_for 20 get /readyz
wait_for 20 has 'state_seconds_total{'
has attach_info

echo "== it is nobody, with what is left once attached"
pid=$(property MainPID)
status() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$pid/status" | tr '\t' ' '; }
for field in Uid CapPrm CapEff CapInh CapAmb CapBnd NoNewPrivs Seccomp; do echo "$field $(status $field)"; done
# CAP_BPF, CAP_SYS_ADMIN, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH
[ "$(status CapEff)" = 0000008000280004 ] || fail "CapEff is $(status CapEff)"
[ "$(status CapInh)$(status CapAmb)" = 00000000000000000000000000000000 ] || fail "a child would inherit capabilities"
[ "$(status NoNewPrivs)$(status Seccomp)" = 12 ] || fail "NoNewPrivs, Seccomp: $(status NoNewPrivs), $(status Seccomp)"
case $(status Uid) in 0\ *) fail "it is root" ;; esac

echo "== its mounts: where functions lie is to be seen, settings of the kernel are not to be changed"
in_mounts() { nsenter -t "$pid" -m "$@"; }
in_mounts grep -qw tcp_ack /proc/kallsyms || fail "no /proc/kallsyms"
for kept in /proc/sys/kernel/hostname /proc/sysrq-trigger /sys/kernel/mm/ksm/run; do
    in_mounts test ! -e $kept || in_mounts findmnt -no OPTIONS -T $kept | grep -q '^ro' || fail "it can write $kept"
done
[ -d /var/log/private/tcpcong ] || fail "no folder for lines"

echo "== a configuration: network namespaces made before the start and after it"
ip netns add before
flow before
printf 'by = "netns"\n' >>$file
systemctl restart tcpcong || fail "restart"
wait_for 20 get /readyz
wait_for 30 flows_in before
ip netns add after
flow after
wait_for 40 flows_in after
flows_in before
flows_in after
has 'namespaces_unreached 0' || fail "namespaces that cannot be entered"

echo "== three capabilities instead of six, as docs/service.md has it"
mkdir /etc/systemd/system/tcpcong.service.d
sed -n '/^\[Service\]$/,/^```$/p' /root/service.md | sed '/^```$/,$d' >/etc/systemd/system/tcpcong.service.d/few.conf
cat /etc/systemd/system/tcpcong.service.d/few.conf
systemctl daemon-reload
systemctl restart tcpcong || fail "restart with three capabilities"
wait_for 20 has attach_info
has 'namespaces_unreached [1-9]' || fail "it does not say that there are namespaces which it cannot enter"
rm -r /etc/systemd/system/tcpcong.service.d
systemctl daemon-reload
systemctl restart tcpcong || fail "restart"

echo "== reload"
pid=$(property MainPID)
systemctl reload tcpcong || fail "reload"
settle
cp $file /tmp/trial/right
echo 'by = "nonsense"' >$file
systemctl reload tcpcong 2>/tmp/trial/reload && fail "a wrong configuration was loaded"
journalctl -b -u tcpcong --no-pager -o cat | grep nonsense || fail "it does not say what is wrong"
settle
[ "$(property MainPID)" = "$pid" ] || fail "another process than before the reload"
systemctl restart tcpcong 2>/dev/null && fail "it starts with a wrong configuration"
sleep 6
[ "$(property ActiveState) $(property ExecMainStatus)" = "failed 2" ] || fail "started again: $(property ActiveState) $(property ExecMainStatus)"
cp /tmp/trial/right $file
systemctl reset-failed tcpcong
systemctl start tcpcong || fail "start"

echo "== stop, remove, purge"
begun=$(date +%s)
systemctl stop tcpcong || fail "stop"
echo "stopped in $(($(date +%s) - begun)) s: $(property ActiveState) $(property Result) $(property ExecMainStatus)"
[ "$(property ActiveState) $(property Result) $(property ExecMainStatus)" = "inactive success 0" ] || fail "how it ended"
systemctl start tcpcong || fail "start"
# shellcheck disable=SC2086 # one word a process
kill $flows
ip netns del before
ip netns del after
dpkg --remove tcpcong >/tmp/trial/dpkg 2>&1 || fail "dpkg --remove: $(cat /tmp/trial/dpkg)"
[ -e $file ] || fail "the configuration went with the program"
! grep -qx tcpcong /proc/[0-9]*/comm 2>/dev/null || fail "it still runs"
dpkg --purge tcpcong >/tmp/trial/dpkg 2>&1 || fail "dpkg --purge: $(cat /tmp/trial/dpkg)"
for left in /run/tcpcong /var/lib/private/tcpcong /var/log/private/tcpcong; do [ ! -e $left ] || fail "left: $left"; done
files >/tmp/trial/after
diff /tmp/trial/before /tmp/trial/after || fail "files that were not there before, or are not any more"
echo "== nothing left: $(wc -l </tmp/trial/after) files and folders, as before"
