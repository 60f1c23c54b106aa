#!/bin/sh
# Makes what vm.sh boots of one fetched kernel: the kernel itself, unpacked, and two initramfs.
# usage: base.sh 5.10|6.1|6.12|6.18|7.3
# Into boot/WORD of the kernels' directory: kernel, base.cpio (tools and modules), bare.cpio (busybox alone).
# Needs Debian's packages: scripts/setup.sh kernels.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${KERNELS:-${XDG_CACHE_HOME:-$HOME/.cache}/tcpcong-kernels}
PATH=$PATH:/usr/sbin:/sbin

die() {
    echo "base: $*" >&2
    exit 1
}

[ $# = 1 ] || {
    sed -n '3s/^# //p' "$0" >&2
    exit 2
}
word=$1
# busybox's programs that start others prefer its own ip and tc; so these come from the machine.
tools="dash ip tc ss nft setpriv capsh env nice nohup nsenter setsid timeout unshare xargs"
for tool in busybox cpio xz zstd lz4 $tools; do
    command -v "$tool" >/dev/null || die "needs $tool: run scripts/setup.sh kernels"
done
! ldd "$(command -v busybox)" >/dev/null 2>&1 || die "needs a static busybox: run scripts/setup.sh kernels"
"$here/fetch.sh" "$word"
mkdir -p "$cache/boot"
work=$(mktemp -d "$cache/boot/.$word.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
new=$work/new
root=$work/root
bare=$work/bare
mkdir "$new" "$root" "$bare"

pack() { # DIRECTORY: as root's files; an own entry for "/" would bring its mode along
    (cd "$1" && find . -mindepth 1 | LC_ALL=C sort | cpio --quiet -o -H newc -R +0:+0)
}

# A bzImage holds the compressed vmlinux; QEMU can start that by itself (PVH), which spares the emulated machine the unpacking.
image=$(find "$cache/k/$word" -name 'vmlinuz*' -type f | head -n 1)
field() { od -An -v -t "u$2" -j "$1" -N "$2" "$image" | tr -d ' '; }
start=$(($(field 497 1) * 512 + 512 + $(field 584 4)))
length=$(($(field 588 4) - 4)) # the last four bytes are the unpacked size
payload() { tail -c "+$((start + 1))" "$image" | head -c "$length"; }
case $(payload | od -An -t x4 -N 4 | tr -d ' ') in
fd2fb528) payload | zstd -dcq >"$new/kernel" ;;
184c2102) payload | lz4 -dcq >"$new/kernel" ;;
*) cp "$image" "$new/kernel" ;;
esac

# busybox is the whole of the bare one, and init and the everyday tools of the other.
for tree in "$root" "$bare"; do
    mkdir "$tree/bin"
    cp "$(command -v busybox)" "$tree/bin/"
done
mkdir -p "$root/sbin" "$root/etc" "$root/var" "$root/root"
for name in $(busybox --list); do
    [ "$name" = busybox ] || ln -s busybox "$root/bin/$name"
done
ln -s ../bin/busybox "$root/sbin/modprobe"
ln -s ../run "$root/var/run"

rm "$root/bin/time" # takes busybox's ip as well
for tool in $tools; do
    path=$(readlink -f "$(command -v "$tool")")
    rm -f "$root/bin/$tool"
    cp "$path" "$root/bin/$tool"
    for library in $(ldd "$path" | grep -oE '/[^ ]+'); do
        mkdir -p "$root${library%/*}"
        cp -Lu "$library" "$root$library"
    done
done
ln -sf dash "$root/bin/sh"
for dir in /usr/lib/tc /usr/lib/*/tc; do # netem's distributions
    [ ! -d "$dir" ] || (mkdir -p "$root${dir%/*}" && cp -r "$dir" "$root${dir%/*}/")
done
echo root:x:0:0:root:/root:/bin/sh >"$root/etc/passwd"
echo nobody:x:65534:65534:nobody:/:/bin/sh >>"$root/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"

# Only what tests of TCP may load: the smaller, the sooner it is unpacked.
modules=$(find "$cache/k/$word" -type d -path '*/lib/modules/*' -prune)
[ -d "$modules/kernel" ] || die "no modules among the files of $word"
release=${modules##*/}
into=$root/lib/modules/$release
mkdir -p "$into"
(
    cd "$modules"
    for dir in kernel/net/802 kernel/net/bridge kernel/net/core kernel/net/ipv4 kernel/net/ipv6 kernel/net/llc kernel/net/mptcp \
        kernel/net/netfilter kernel/net/netlink kernel/net/packet kernel/net/sched kernel/net/unix kernel/lib kernel/crypto \
        kernel/drivers/net/dummy.ko* kernel/drivers/net/ifb.ko* kernel/drivers/net/tun.ko* kernel/drivers/net/veth.ko* \
        modules.builtin modules.builtin.modinfo modules.order; do
        [ ! -e "$dir" ] || cp -r --parents "$dir" "$into/"
    done
)
rm -rf "$into/kernel/net/netfilter/ipset" "$into/kernel/net/netfilter/ipvs" "$into/kernel/lib/raid6" "$into/kernel/crypto/async_tx"
find "$into" -name '*.ko.xz' -exec xz -d {} +
find "$into" -name '*.ko.zst' -exec zstd -dq --rm {} +
busybox depmod -b "$root" "$release" >/dev/null 2>&1 || die "depmod failed for $release"

cat >"$bare/init" <<'INIT'
#!/bin/busybox sh
# The first process: makes the machine ready, runs /command, and gives back what came of it.
# ttyS0 is the console, ttyS1 the output, ttyS2 the files, ttyS3 the exit code.
# busybox's own shell finds its commands in itself, through /proc, so that all this works without any links to it.
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/root OUT=/out
/bin/busybox mkdir -p /proc /sys /dev /tmp /run /root /out
/bin/busybox mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
chmod 1777 /tmp
mount -t tmpfs -o mode=755 run /run
mkdir -p /run/netns /dev/pts /dev/shm
mount -t devpts pts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tracefs tracefs /sys/kernel/tracing
mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 cgroup /sys/fs/cgroup
ln -s /proc/self/fd /dev/fd
ln -s /proc/self/fd/0 /dev/stdin
ln -s /proc/self/fd/1 /dev/stdout
ln -s /proc/self/fd/2 /dev/stderr
if [ -d /lib/modules ]; then # to open it loads the module, as on other machines
    mkdir /dev/net
    mknod -m 666 /dev/net/tun c 10 200
fi
for port in 1 2 3; do stty -F /dev/ttyS$port raw -echo; done
hostname vm
ip link set lo up
ulimit -l unlimited
ulimit -n 1048576
cd /root
if [ -x /bin/sh ]; then
    /bin/sh /command
else
    sh /command
fi </dev/null >/dev/ttyS1 2>&1
code=$?
[ -z "$(ls -A /out)" ] || tar cf - -C /out . | gzip -1 >/dev/ttyS2
# A change of settings waits until all is sent, also where the command left a process that holds the port.
stty -F /dev/ttyS1 echo
stty -F /dev/ttyS2 echo
echo "$code" >/dev/ttyS3
stty -F /dev/ttyS3 echo
poweroff -f
INIT
chmod 755 "$bare/init"
cp "$bare/init" "$root/init"
pack "$bare" >"$new/bare.cpio"
pack "$root" >"$new/base.cpio"
# One file after the other, each at once, so that a machine may start meanwhile; vm.sh looks at the last.
mkdir -p "$cache/boot/$word"
for file in kernel bare.cpio base.cpio; do mv "$new/$file" "$cache/boot/$word/"; done
