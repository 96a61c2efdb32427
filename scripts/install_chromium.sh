#!/usr/bin/env bash
# Installs Debian's chromium, which the browser tests drive; as root, or by sudo.
set -euo pipefail
run=()
[ "$(id -u)" = 0 ] || run=(sudo)
export DEBIAN_FRONTEND=noninteractive
"${run[@]}" apt-get update --quiet --quiet
"${run[@]}" apt-get install --yes --quiet --quiet --no-install-recommends chromium >/dev/null
chromium --version
