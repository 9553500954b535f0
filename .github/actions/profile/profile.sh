#!/usr/bin/env bash
# Profiles a model in CI and fails where its heads drifted. Plain shell, for any CI
# system; the GitHub action beside it calls this. Settings, as variables:
#
#   MODEL         GGUF file or Hugging Face folder (empty: the built-in model)
#   BASE_MODEL    the model before the change, profiled with the same options; or
#   BASE_PROFILE  its profile: a folder or file of an earlier run (both empty: no comparison)
#   FAIL_UNDER    bounds for the lower ends of the intervals (spearman=0.95,top=0.8)
#   OPTIONS       of headprof score (--lengths 512:8192:4 --int8)
#   OUT           folder for profile, figures and summary.md (headprof-ci)
#   HEADPROF      the program (headprof)
#
# Exit codes: those of headprof; 5: the heads drifted.
set -euo pipefail
headprof=${HEADPROF:-headprof}
out=${OUT:-headprof-ci}
fail_under=${FAIL_UNDER-spearman=0.95,top=0.8}
read -r -a options <<<"${OPTIONS-}"
mkdir -p "$out"

score() { # MODEL FOLDER
  local model=()
  [ -z "$1" ] || model=(--model "$1")
  "$headprof" score "${model[@]}" "${options[@]}" --out "$2"
}
score "${MODEL-}" "$out/profile"
for kind in heads ranking needle layers; do
  "$headprof" plot "$out/profile" --kind "$kind" --out "$out/$kind.svg" >/dev/null
done

base=${BASE_PROFILE-}
if [ -n "${BASE_MODEL-}" ]; then
  base=$out/base
  score "$BASE_MODEL" "$base"
fi
code=0
if [ -n "$base" ]; then
  "$headprof" compare "$base" "$out/profile" --plot "$out/compare.svg" ${fail_under:+--fail-under "$fail_under"} >"$out/compare.txt" 2>"$out/drift.txt" || code=$?
  cat "$out/compare.txt"
  cat "$out/drift.txt" >&2
fi

{
  echo "## Attention heads of $(basename "${MODEL:-the built-in model}")"
  echo
  if [ -n "$base" ]; then
    case $code in
      0) echo "No drift${fail_under:+ ($fail_under)}." ;;
      5) echo "**The heads drifted** ($fail_under)." ;;
      *) echo "**The profiles could not be compared.**" ;;
    esac
    printf '\n```\n'
    cat "$out/compare.txt" "$out/drift.txt"
    printf '```\n'
  fi
  # The ten best heads, as a picture that Markdown can hold.
  awk -F, '
    NR == 1 { for (i = 1; i <= NF; i++) col[$i] = i; next }
    $col["method"] == "headkv-r2" && $col["rank"] <= 10 { name[$col["rank"]] = "L" $col["layer"] ".H" $col["head"]; mean[$col["rank"]] = $col["mean"]; n++ }
    END {
      printf "\n```mermaid\nxychart-beta\n  title \"Best heads (HeadKV-R2)\"\n  x-axis ["
      for (i = 1; i <= n; i++) printf("%s%s", (i > 1 ? ", " : ""), name[i])
      printf "]\n  y-axis \"attention on the evidence\"\n  bar ["
      for (i = 1; i <= n; i++) printf("%s%.4f", (i > 1 ? ", " : ""), mean[i])
      printf "]\n```\n"
    }' "$out/profile/scores.csv"
} >"$out/summary.md"
[ -z "${GITHUB_STEP_SUMMARY-}" ] || cat "$out/summary.md" >>"$GITHUB_STEP_SUMMARY"
exit "$code"
