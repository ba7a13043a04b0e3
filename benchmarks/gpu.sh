#!/usr/bin/env bash
# All that is to be measured on one GPU, in at most nine minutes: benchmarks/gpu.sh OUT [--smoke]
set -euo pipefail
arguments=("$@")
out='' smoke=''
for argument in "${arguments[@]}"; do
  if [[ $argument == --smoke ]]; then smoke=--smoke; else out=$argument; fi
done
[[ -n $out ]] || { echo "usage: benchmarks/gpu.sh OUT [--smoke]" >&2; exit 2; }
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
if [[ -n $smoke && -z ${PYTHON:-} && -x .venv/bin/python ]]; then python=.venv/bin/python; fi
path=$PWD/src
if compgen -G '.carry/wheels/*.whl' >/dev/null; then
  site=$(mktemp -d)
  "$python" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade --target "$site" .carry/wheels/*.whl
  path=$path:$site
fi
export PYTHONPATH=$path${PYTHONPATH:+:$PYTHONPATH} GPU_SH_SECONDS=$SECONDS
exec "$python" benchmarks/gpu.py "$out" $smoke
