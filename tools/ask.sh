#!/bin/sh
# Asks SmolLM2 one question through the Python example and through the C example; both must say the same.
# usage: tools/ask.sh BUILD_FOLDER     (in the virtual environment)
set -eu
model=$(python tools/model.py)
question="What is the capital of France?"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
echo
echo "== SmolLM2-135M from Python: $question"
python examples/python/chat.py --model "$model" --prompt "$question" --temp 0 --max-tokens 64 | tee "$out/python"
echo
echo "== SmolLM2-135M from C: $question"
"$1/examples/c/llama/llama" --model "$model" --prompt "$question" --temp 0 --max-tokens 64 | tee "$out/c"
grep -q Paris "$out/python" && grep -q Paris "$out/c" || { echo "expected an answer that says Paris"; exit 1; }
# The answers go to standard output, the speeds to standard error.
cmp "$out/python" "$out/c" || { echo "expected the same tokens from Python and C"; exit 1; }
echo
echo "Python and C printed the same tokens."
