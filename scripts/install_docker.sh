#!/usr/bin/env bash
# A running Docker Engine, for the tests that need a real one: the machine's own, else Debian's docker.io.
# Does nothing where one answers. Without root it installs nothing: those tests say that they lack an engine.
set -euo pipefail
# The test that pushes an image starts a registry of its own.
registry() { command -v docker-registry >/dev/null; }
# The test of the whole platform starts it as docker/up.sh does.
compose() { docker compose version >/dev/null 2>&1 || command -v docker-compose >/dev/null; }
answers() { command -v docker >/dev/null && timeout 20 docker info >/dev/null 2>&1; }

if answers && { { registry && compose; } || [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; }; then exit 0; fi
if [ "$(id -u)" != 0 ]; then
  echo "No Docker Engine answers, and only root can start one: its tests will be skipped"
  exit 0
fi

missing=()
registry || missing+=(docker-registry)
compose || missing+=(docker-compose)
if ! answers; then
  command -v dockerd >/dev/null || missing+=(docker.io)
  command -v iptables >/dev/null || missing+=(iptables)
  # Makes the base image where none can be pulled (docker/base_image.sh).
  command -v debootstrap >/dev/null || missing+=(debootstrap)
fi
if [ ${#missing[@]} -gt 0 ]; then
  command -v apt-get >/dev/null || { echo "Neither dockerd nor apt-get: install Docker Engine by hand" >&2; exit 1; }
  echo "Installing ${missing[*]} for the tests that need a Docker Engine"
  apt-get update -qq
  # Where an init system runs, installing docker.io starts it.
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  # Debian's registry would listen on all addresses.
  systemctl disable --now docker-registry >/dev/null 2>&1 || true
fi

log=${DOCKERD_LOG:-/var/log/dockerd.log}
if ! answers; then
  # A daemon that was killed leaves its pid file, and the next one refuses to start beside it.
  pid=$(cat /var/run/docker.pid 2>/dev/null || true)
  [ -n "$pid" ] && ! kill -0 "$pid" 2>/dev/null && rm -f /var/run/docker.pid
  echo "Starting dockerd; its log: $log"
  setsid nohup dockerd >"$log" 2>&1 </dev/null &
fi
for _ in $(seq 60); do
  answers && exit 0
  sleep 1
done
echo "dockerd does not answer after a minute:" >&2
tail -n 20 "$log" >&2 || true
exit 1
