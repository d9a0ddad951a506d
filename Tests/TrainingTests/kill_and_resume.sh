#!/bin/bash
# Ends a training at random moments, by SIGKILL and by SIGINT (Ctrl-C) in turn, resumes it each time, and compares the
# models that it ends with, byte by byte, with those of a run that nobody disturbed.
#
#   Tests/TrainingTests/kill_and_resume.sh [CONVNET [KILLS [ARGUMENTS...]]]
#
# CONVNET is the command (.build/release/convnet unless given), KILLS how often (20), ARGUMENTS what to run (train
# --model lenet --epochs 3 --seed 1). RANDOM_SEED chooses the moments.
set -u
convnet=${1:-.build/release/convnet}
kills=${2:-20}
arguments=("${@:3}")
((${#arguments[@]} > 0)) || arguments=(train --model lenet --epochs 3 --seed 1)
RANDOM=${RANDOM_SEED:-1}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() {
  echo "kill_and_resume: $*" >&2
  exit 1
}

begin=$(date +%s%3N)
"$convnet" "${arguments[@]}" --output "$folder/whole" > "$folder/log" 2>&1 || fail "$(tail -n 3 "$folder/log")"
length=$(($(date +%s%3N) - begin))
echo "undisturbed: $length ms"

run="$folder/killed"
done_kills=0
runs=1
while ((done_kills < kills)); do
  if [[ -e "$run/checkpoint.safetensors" ]]; then
    "$convnet" "${arguments[0]}" --resume "$run" > "$folder/log" 2>&1 &
  else
    rm -rf "$run"
    "$convnet" "${arguments[@]}" --output "$run" > "$folder/log" 2>&1 &
  fi
  pid=$!
  # Up to a third of the whole: late enough to get on, early enough to die often. A finished run starts anew.
  milliseconds=$((RANDOM % (length / 3 + 1)))
  sleep "$((milliseconds / 1000)).$(printf %03d $((milliseconds % 1000)))"
  signal=$((done_kills % 2 == 0 ? 9 : 2))
  if kill "-$signal" "$pid" 2> /dev/null; then
    wait "$pid" 2> /dev/null
    done_kills=$((done_kills + 1))
  else
    wait "$pid" || fail "resuming after $done_kills kills: $(tail -n 3 "$folder/log")"
    compare=1
  fi
  if [[ -n "${compare:-}" ]]; then
    unset compare
    for file in model last; do
      cmp -s "$run/$file.safetensors" "$folder/whole/$file.safetensors" || fail "$file.safetensors differs"
    done
    rm -rf "$run"
    runs=$((runs + 1))
  fi
done
if [[ -e "$run/checkpoint.safetensors" ]]; then
  "$convnet" "${arguments[0]}" --resume "$run" > "$folder/log" 2>&1 || fail "the last resume: $(tail -n 3 "$folder/log")"
else
  rm -rf "$run"
  "$convnet" "${arguments[@]}" --output "$run" > "$folder/log" 2>&1 || fail "$(tail -n 3 "$folder/log")"
fi

status=0
for file in model last; do
  sums=$(cd "$folder" && sha256sum "whole/$file.safetensors" "killed/$file.safetensors")
  echo "$sums"
  [[ $(cut -d' ' -f1 <<< "$sums" | uniq | wc -l) == 1 ]] || status=1
done
lines() { sed -E 's/,?"(seconds|waiting_share)":[-+.0-9eE]*//g' "$1/metrics.jsonl"; }
cmp -s <(lines "$folder/whole") <(lines "$run") || { echo "metrics.jsonl differs"; status=1; }
((status == 0)) && echo "$done_kills kills over $runs run(s): the same bits" || echo "DIFFERENT BITS"
exit $status
