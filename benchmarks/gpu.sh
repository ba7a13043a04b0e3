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
# Expected seconds on an H100 with 16 cores (reckoned, not yet measured), and the most that each may take:
#
#   wheels                                                                                                   5
#   0  read the images (unpack, decode), beside (a)                                                 25 of  100
#   a  tests with the GPU as the device                                                             45 of   60
#   b  bench, 120 in all: step 10 of 20, throughput 20 of 35, gradient 30 of 45, CW 20 of 35,
#      Boundary 15 of 35, memory 25 of 45                                                          120 of  120
#   c  18 nets of 15 epochs at 1 to 1.3 s (18 each with start, scores and files), 15 attacks at 3  360 of  420
#   d  a further seed of four nets, 80 each, while there is time                                    what is left of 530
#
# A step of ResNet-18 on 512 images is 1.7 TFLOP and moves 15 GB: 5 ms each way, so one net fills the GPU, and several side by side would
# gain little. Nets come in the order in which they matter: what the time does not reach is missing at the end.
#
# OUT holds, whole at any moment: run.json (steps, what became of them, seconds, last lines), log.txt (all they said), bench.json (as
# results/bench), DATA-SCALE-DEVICE-core.json and -table9.json (as results/DATA/SCALE/DEVICE), -nets.json (histories of the trainings), and
# NAME.out, what a step that was killed with the script had said. --smoke does all of it at toy size on a CPU, without .carry/.
set -euo pipefail
out='' smoke=''
for argument in "$@"; do
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
exec "$python" -m benchmarks.gpu "$out" $smoke
