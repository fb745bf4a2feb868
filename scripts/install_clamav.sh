#!/usr/bin/env bash
# The tests of the malware scan ask a real ClamAV daemon. Its signatures are not needed: the tests bring their own.
set -euo pipefail
command -v clamd >/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "Installing clamav-daemon for the tests of the malware scan"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends clamav-daemon >/dev/null
fi
