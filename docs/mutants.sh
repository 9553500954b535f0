#!/usr/bin/env bash
# Mutation tests: docs/mutants.sh [PACKAGE…]
#
# Changes one operator or condition at a time (go-gremlins) and runs the
# package's own tests on each change. A change that no test notices is a
# survivor: it gets a test, or a line in docs/mutants.md that says why it
# changes nothing. Exits 1 where a package kills less than MIN percent (95).
# A package takes minutes to an hour; WORKERS (1) run at once. Works on a copy.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=("$@")
[ ${#packages[@]} -gt 0 ] || packages=(
  scoring scoring/allocate scoring/param scoring/stats needle export export/parquetfile export/textfile
  probe probe/evaluate probe/cases probe/journal runner/kvcache runner/gguf
)
version=${GREMLINS:-v0.6.0}
min=${MIN:-95}
out=${OUT:-$PWD/.ci/out/mutants}
mkdir -p "$out"
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$copy"
export CGO_ENABLED=0
GOBIN=$copy/.bin GOFLAGS= go install "github.com/go-gremlins/gremlins/cmd/gremlins@$version"
cd "$copy"

failed=0
for p in "${packages[@]}"; do
  [ -d "$p" ] || continue
  report=$out/$(tr / - <<<"$p").json
  nice -n 15 "$copy/.bin/gremlins" unleash "./$p" --workers "${WORKERS:-1}" --timeout-coefficient 20 --output "$report" >"${report%.json}.log" 2>&1 || {
    echo "$p: the run failed; see ${report%.json}.log" >&2
    failed=1
    continue
  }
  # Subpackages are listed on their own; a change that hangs is noticed, too.
  python3 - "$p" "$report" "$min" <<'PY' || failed=1
import json, re, sys
package, report, least = sys.argv[1], sys.argv[2], float(sys.argv[3])
counts, survivors = {}, []
for f in json.load(open(report)).get("files") or []:
    name = f["file_name"]
    rest = name[len(package) + 1:] if name.startswith(package + "/") else name
    if "/" in rest:
        continue
    for m in f["mutations"]:
        status = m["status"]
        # Coverage does not see conditions of a switch, nor constants, so gremlins
        # never tries a change of them.
        line = open(f"{package}/{rest}").read().split("\n")[m["line"] - 1].lstrip()
        if status == "NOT COVERED" and re.match(r"case |const |\w+ += [\d<>()*+ -]+( //.*)?$", line):
            status = "NEVER TRIED"
        counts[status] = counts.get(status, 0) + 1
        if status in ("LIVED", "NOT COVERED"):
            survivors.append(f'  {status:11} {m["type"]} {name}:{m["line"]}:{m["column"]}')
killed = counts.get("KILLED", 0) + counts.get("TIMED OUT", 0)
total = killed + counts.get("LIVED", 0) + counts.get("NOT COVERED", 0)
share = 100 * killed / total if total else 100
never = counts.get("NEVER TRIED", 0)
print(f"{package}: {killed} of {total} killed, {share:.1f} %" + (f" ({never} in conditions of a switch or constants were never tried)" if never else ""))
print("\n".join(survivors))
sys.exit(share < least)
PY
done
exit $failed
