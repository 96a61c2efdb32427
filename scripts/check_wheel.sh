#!/usr/bin/env bash
# Builds the wheel, installs it without extras into a clean environment, routes and serves there.
# Fails when a training part came along or the install outgrew its 200 MB.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
limit_mb=200
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

pip() { "$1" -m pip --disable-pip-version-check --quiet "${@:2}"; }

pip .venv/bin/python wheel --no-deps --wheel-dir "$work" "$root"
wheel=$(ls "$work"/onehead-*.whl)
echo "wheel: $(du -k "$wheel" | cut -f1) KB"

.venv/bin/python -m venv "$work/venv"
python=$work/venv/bin/python
pip "$python" install "$wheel"
cd "$work" # away from the source tree: what is imported is what was installed

"$python" - <<'PY'
from importlib.util import find_spec

import onehead

unwanted = [name for name in ("torch", "sklearn", "pandas", "pyarrow", "onnx") if find_spec(name)]
assert not unwanted, f"the base install brought {unwanted}"
assert "site-packages" in onehead.__file__, onehead.__file__
decision = onehead.Router.load().route("Prove that there are infinitely many primes.")
print(f"library: {decision.model} ({decision.reason})")
PY

"$work/venv/bin/onehead" route "What is the capital of France?" --json |
  "$python" -c 'import json, sys; print("command:", json.load(sys.stdin)["model"])'

"$python" "$root/scripts/check_run.py" "$work/venv/bin/onehead"

"$python" - "$limit_mb" <<'PY'
import sys
import sysconfig
from pathlib import Path

site = Path(sysconfig.get_path("purelib"))
# What a virtual environment has before anything is installed.
given = {"pip", "setuptools", "pkg_resources", "_distutils_hack"}
counted = [
    file.stat().st_size
    for file in site.rglob("*")
    if file.is_file() and file.relative_to(site).parts[0].split("-")[0] not in given
]
megabytes = sum(counted) / 1e6
print(f"installed size without pip and setuptools: {megabytes:.0f} MB (limit {sys.argv[1]} MB)")
sys.exit(megabytes >= float(sys.argv[1]))
PY
