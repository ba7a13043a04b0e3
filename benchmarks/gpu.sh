#!/usr/bin/env bash
# All that is to be measured on one GPU, in at most nine minutes: benchmarks/gpu.sh OUT [--smoke]
#
# Needs Python 3.11 or newer with torch, torchvision, numpy, scipy, scikit-learn, safetensors, filelock, requests, typer, rich, matplotlib,
# jinja2, pillow, pytest, pytest-xdist and hypothesis. What a machine without a network lacks is taken from .carry/ in this checkout, which
# git ignores: wheels from .carry/wheels, the images from .carry/data/cifar10-jpeg.tar.xz (or from the folder $DEFECTIVE_TEST_DATA).
# The wheels are (versions as tested; Python 3.12, x86-64 Linux):
#
#   pydantic==2.14.3 pydantic-core==2.50.4 annotated-types==0.8.0 typing-inspection==0.4.5 typing-extensions==4.16.0
#   pooch==1.9.0 platformdirs==4.14.8
#   foolbox==3.3.4 eagerpy==0.30.0 GitPython==3.2.1 gitdb==4.0.12 smmap==5.0.3
#   adversarial-robustness-toolbox==1.20.1 torchattacks==3.5.1
#
# Before, in this checkout (24 MB in all), and then on the machine:
#
#   ../shared/tools/carry cifar10 -- pydantic==2.14.3 pydantic-core==2.50.4 annotated-types==0.8.0 typing-inspection==0.4.5 \
#     typing-extensions==4.16.0 pooch==1.9.0 platformdirs==4.14.8 foolbox==3.3.4 eagerpy==0.30.0 GitPython==3.2.1 gitdb==4.0.12 \
#     smmap==5.0.3 adversarial-robustness-toolbox==1.20.1 torchattacks==3.5.1
#   benchmarks/gpu.sh "$OUT"
#
# OUT holds log.txt (each step and its end, and all errors), what each step printed (tests.txt, bench.txt, table9.txt, table4.txt),
# bench.json (as in results/bench), results (as in results/) and store (what `defective store copy` keeps). A step that is killed leaves what
# it has measured, and the others go on. --smoke runs tests and benchmark at toy size on a CPU, without .carry/, and plans the tables. Exit code
# 1: a step was killed or failed, as it does where a check of the benchmark fails or a claim of the paper does not hold.
set -uo pipefail
out='' smoke=''
for argument in "$@"; do
  if [[ $argument == --smoke ]]; then smoke=yes; else out=$argument; fi
done
[[ -n $out ]] || { echo "usage: benchmarks/gpu.sh OUT [--smoke]" >&2; exit 2; }
mkdir -p "$out" && out=$(cd "$out" && pwd) && cd "$(dirname "$0")/.." || exit 2
python=${PYTHON:-python3}
if [[ -n $smoke && -z ${PYTHON:-} && -x .venv/bin/python ]]; then python=.venv/bin/python; fi

# In memory where that is possible: every net and every attacked image is written and synced.
memory=/dev/shm
[[ -w $memory && -z $smoke ]] || memory=${TMPDIR:-/tmp}
scratch=$(mktemp -d -p "$memory") || exit 2
trap 'rm -rf "$scratch"' EXIT
path=$PWD/src
if compgen -G '.carry/wheels/*.whl' >/dev/null; then
  "$python" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade --target "$scratch/site" .carry/wheels/*.whl || exit 2
  path=$path:$scratch/site
fi
unset "${!PYTEST_@}"
export PYTHONPATH=$path${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1 PYTEST_DISABLE_PLUGIN_AUTOLOAD=1
export DEFECTIVE_CACHE=$scratch/cache MPLCONFIGDIR=$scratch/matplotlib
# Foolbox imports GitPython, which else refuses to be imported where there is no git.
export GIT_PYTHON_REFRESH=quiet

failed=0 seconds=530
# step FILE LIMIT COMMAND ...: run a command for so many seconds, or for what is left of all; what it prints goes to the file.
step() {
  local file=$1 limit=$2 began=$SECONDS state=done
  shift 2
  ((limit <= seconds - SECONDS)) || limit=$((seconds - SECONDS))
  if ((limit > 0)); then
    timeout -k 10 "$limit" "$@" >"$out/$file" 2>>"$out/log.txt" || state="ended with $?"
  else
    state="no time left"
  fi
  echo "== $file: $state after $((SECONDS - began)) s" | tee -a "$out/log.txt"
  [[ $state == done ]] || failed=1
}

: >"$out/log.txt"
# Only the plugins that the tests need, and no failure for a warning of a package in another version.
tests=("$python" -m pytest -p xdist.plugin -p _hypothesis_pytestplugin -p no:cacheprovider -o filterwarnings=default -v --tb=short)
bench=("$python" -m benchmarks step throughput gradient cw boundary hopskipjump memory --out "$scratch/bench.json")
store=(--store "$scratch/store")
few=(table4 --rows resnet18 --rows 'resnet18/0.[13]-bottom')
if [[ -n $smoke ]]; then
  # However busy the machine is.
  seconds=5400
  export OMP_NUM_THREADS=1
  plan=("$python" -m defective reproduce --data cifar10=shapes --scale tiny "${store[@]}" --device cpu --dry-run)
  step tests.txt 1200 "${tests[@]}" --device cpu tests/test_gpu.py tests/attacks/test_budget.py
  step bench.txt 3600 "${bench[@]}" --device cpu --quick --repeats 1
  cp "$scratch/bench.json" "$out"
  step table9.txt 600 "${plan[@]}" table9
  step table4.txt 600 "${plan[@]}" "${few[@]}"
  exit $failed
fi
archives=(".carry/data/cifar10-jpeg.tar.xz" "${DEFECTIVE_TEST_DATA:-.}/cifar10-jpeg.tar.xz")
for archive in "${archives[@]}"; do
  if [[ -f $archive ]]; then break; fi
done
[[ -f $archive ]] || { echo "gpu.sh: there is neither ${archives[0]} nor ${archives[1]}" >&2; exit 2; }
# Decoded while the tests run, so that the tables find them in the cache.
"$python" -c "from defective.data import load_data; load_data('folder:$archive', 'train')" 2>>"$out/log.txt" &
step tests.txt 60 "${tests[@]}" --device cuda -n 12 tests/test_gpu.py tests/attacks tests/test_surgery.py tests/training
wait
step bench.txt 150 "${bench[@]}" --device cuda --repeats 3
cp "$scratch/bench.json" "$out" 2>>"$out/log.txt"
reproduce=("$python" -m defective reproduce --data "cifar10=folder:$archive" --scale fast "${store[@]}" --device cuda)
step table9.txt 240 "${reproduce[@]}" table9 --time-budget 220s
left=$((seconds - SECONDS))
if ((left > 60)); then step table4.txt "$left" "${reproduce[@]}" "${few[@]}" --time-budget "$((left - 30))s"; fi
"$python" -m defective store export "${store[@]}" --out "$out/results" 2>>"$out/log.txt" >&2
"$python" -m defective store copy "${store[@]}" --out "$out/store" 2>>"$out/log.txt" >&2
exit $failed
