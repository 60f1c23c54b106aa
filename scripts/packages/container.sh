#!/bin/sh
# Builds the container's image with what is there of podman, docker and buildah, and runs `--version` in it.
# usage: container.sh BINARY TAG
set -eu
[ $# = 2 ] || {
    sed -n '3s/^# //p' "$0" >&2
    exit 2
}
cd "$(dirname "$0")/../.."
file=packaging/Containerfile
# The one file that goes in, and nothing else of this folder.
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
install -m 755 "$1" "$context/tcpcong"

works() { command -v "$1" >/dev/null && "$1" info >/dev/null 2>&1; }
if works podman; then
    podman build -q -f $file -t "$2" "$context" && podman run --rm --network=none "$2" --version
elif works docker; then
    docker build -q -f $file -t "$2" "$context" && docker run --rm --network=none "$2" --version
elif works buildah; then
    buildah bud -q --isolation chroot -f $file -t "$2" "$context"
    from=$(buildah from "$2")
    buildah run --isolation chroot "$from" -- /tcpcong --version || {
        buildah rm "$from" >/dev/null
        exit 1
    }
    buildah rm "$from" >/dev/null
else
    echo "container: needs podman, docker or buildah" >&2
    exit 1
fi
