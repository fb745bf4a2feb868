#!/usr/bin/env bash
# Builds the images and starts the platform on this host. Again: rebuilds what changed and restarts that.
# Secrets are made once, in docker/.env. Other arguments go to compose, e.g. docker/up.sh down, docker/up.sh logs daemon.
set -euo pipefail
cd "$(dirname "$0")"
if docker compose version >/dev/null 2>&1; then compose=(docker compose)
elif command -v docker-compose >/dev/null; then compose=(docker-compose)
else echo "docker compose is missing: install Docker's compose plugin, or Debian's docker-compose" >&2; exit 1; fi
if [ ! -f .env ]; then
  umask 077
  secret() { head -c 24 /dev/urandom | base64 | tr -dc A-Za-z0-9; }
  cat >.env <<ENV
COMPOSE_PROJECT_NAME=sam2-assets
AWS_ACCESS_KEY_ID=sam2-assets
AWS_SECRET_ACCESS_KEY=$(secret)
POSTGRES_PASSWORD=$(secret)
DOCKER_GID=$(stat -c %g /var/run/docker.sock)
SAM2_ASSETS_WHEELS=$(cd .. && pwd)/var/wheels
# gpu: training and evaluation get a graphics card
SAM2_ASSETS_PROFILE=cpu
ENV
  echo "Made docker/.env: keep it, it holds the passwords"
fi
# Only docker/.env counts: variables of this shell, a store or keys of something else, would win against it.
clean=(env -i PATH="$PATH" HOME="$HOME")
for name in DOCKER_HOST DOCKER_CONTEXT DOCKER_CONFIG DOCKER_TLS_VERIFY DOCKER_CERT_PATH; do
  [ -z "${!name:-}" ] || clean+=("$name=${!name}")
done
if [ $# -gt 0 ]; then exec "${clean[@]}" "${compose[@]}" "$@"; fi
./build.sh platform services
"${clean[@]}" "${compose[@]}" up -d
# Not read as a script: compose takes a cron or a list of addresses without quotes, a shell would run its second word.
port() { local set; set=$(sed -n "s/^$1=//p" .env | tail -n 1 | tr -d "\"'"); echo "http://127.0.0.1:${set:-$2}"; }
echo "Dagster: $(port WEBSERVER_PORT 3000)  TensorBoard: $(port TENSORBOARD_PORT 6006)  S3: $(port STORAGE_PORT 8333)"
