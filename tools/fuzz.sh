#!/bin/sh
# Runs the fuzzers of the loaders, as many at a time as there are cores: fuzz.sh BUILD_FOLDER SECONDS
# Seeds and what is found stay in BUILD_FOLDER/corpus/FORMAT, an input that fails in BUILD_FOLDER/failed-FORMAT-*.
set -eu
cd "$1"
seconds=$2
formats="npy npz safetensors gguf function"
echo "fuzzing the loaders of $formats for $seconds s each"
printf '%s\n' $formats | xargs -P "$(nproc)" -I{} sh -c '
  log=fuzz-{}.log
  if tests/c/fuzz_{} -max_total_time='"$seconds"' -max_len=4096 -print_final_stats=1 -artifact_prefix=failed-{}- \
      corpus/{} >"$log" 2>&1; then
    echo "{}: $(sed -n "s/stat::number_of_executed_units: *//p" "$log") inputs, no fault"
  else
    tail -n 60 "$log"; echo "{}: FAILED, see '"$1"'/$log"; exit 1
  fi'
