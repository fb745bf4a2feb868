#!/usr/bin/env bash
# The base image that the Dockerfiles start from. Pulled where a registry answers; else made from Debian's own
# packages by debootstrap, under the same name and with the same commands (python, python3, pip) on the path.
# Usage: docker/base_image.sh [NAME]      Needs root for debootstrap. Does nothing where the image is already there.
set -euo pipefail
image=${1:-python:3.11-slim-bookworm}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org}

docker image inspect "$image" >/dev/null 2>&1 && exit 0
if timeout 60 docker pull --quiet "$image" 2>/dev/null; then
  exit 0
fi
[ "$(id -u)" = 0 ] && command -v debootstrap >/dev/null || {
  echo "$image cannot be pulled, and making it needs root and debootstrap (scripts/install_docker.sh)" >&2
  exit 1
}

echo "$image cannot be pulled: making it with debootstrap, about a minute"
work=$(mktemp -d)
trap 'umount "$work" 2>/dev/null || true; rm -rf "$work"' EXIT
# In memory where possible: dpkg syncs every file, which on a disk is most of the time.
mount -t tmpfs -o size=2g,mode=755 tmpfs "$work" 2>/dev/null || true
root=$work/root
debootstrap --variant=minbase --include=python3,python3-venv,python3-pip,ca-certificates \
  bookworm "$root" "$mirror/debian" >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; exit 1; }
cat >"$root/etc/apt/sources.list" <<LIST
deb http://deb.debian.org/debian bookworm main
deb http://deb.debian.org/debian bookworm-updates main
deb http://deb.debian.org/debian-security bookworm-security main
LIST
# No service may start in there.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"
cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
{
  chroot "$root" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get -y -qq upgrade
  chroot "$root" apt-get clean
} >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; exit 1; }
# As in the official image: `python` and `pip` are there, and pip may install into the system.
ln -sf /usr/bin/python3 "$root/usr/local/bin/python"
rm -f "$root"/usr/lib/python3*/EXTERNALLY-MANAGED
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/usr/share/doc/* "$root"/usr/share/man/* \
  "$root/usr/sbin/policy-rc.d" "$root"/var/log/*.log "$root/etc/resolv.conf"
tar -C "$root" -c . | docker import \
  --change 'ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin' \
  --change 'ENV LANG=C.UTF-8' \
  --change 'CMD ["python3"]' \
  --change 'LABEL sam2_assets.base=debootstrap' \
  - "$image" >/dev/null
docker run --rm --network none "$image" python -c 'import sys, ssl, venv; print("made", sys.version.split()[0])'
