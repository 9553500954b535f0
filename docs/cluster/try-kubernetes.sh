#!/usr/bin/env bash
# Applies indexed-job.yaml to a real control plane of Kubernetes: API server,
# controller manager and etcd on this machine, built from the module
# k8s.io/kubernetes (5 minutes on two cores; kept in DIR). A small node (node.py)
# runs each pod's command as a process in a folder that holds what the static image
# holds, as the image's user. Pods are deleted, evicted and killed, and one Job has
# a wrong command line; the merged profile must have the bytes of one run.
#
#   docs/cluster/try-kubernetes.sh DIR     (root; Go, Python 3, openssl, etcd)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
[ $# = 1 ] && [ "$(id -u)" = 0 ] || { echo "usage, as root: $0 DIR" >&2; exit 2; }
mkdir -p "$1"
dir=$(cd "$1" && pwd)
v=1.33.4
command -v etcd >/dev/null || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq etcd-server; } >/dev/null

if [ ! -x "$dir/bin/kubectl" ]; then
  source=$(cd "$(mktemp -d)" && go mod download -json "k8s.io/kubernetes@v$v" | python3 -c 'import json, sys; print(json.load(sys.stdin)["Dir"])')
  rm -rf "$dir/src"
  cp -r "$source" "$dir/src"
  chmod -R u+w "$dir/src"
  # The module's staging folders are published as modules: use those.
  (cd "$dir/src" && rm -rf vendor go.work go.work.sum && python3 - "${v#1}" <<'P'
import re, sys
s = open("go.mod").read()
modules = re.findall(r"\n\t(k8s\.io/[\w.-]+) => \./staging", s)
s = re.sub(r"\nreplace \([^)]*\)\n", "\n", s)
for m in modules:
    s = re.sub(r"(\t" + re.escape(m) + r") v0\.0\.0", r"\1 v0" + sys.argv[1], s)
open("go.mod", "w").write(s)
P
    CGO_ENABLED=0 GOFLAGS=-mod=mod go build -o "$dir/bin/" ./cmd/kube-apiserver ./cmd/kube-controller-manager ./cmd/kubectl)
  rm -rf "$dir/src"
fi

work=$(mktemp -d)
pids=()
end() {
  code=$?
  [ "$code" = 0 ] || { kubectl get jobs,pods -o wide || true; tail -n 15 "$work"/*.log; } >&2
  for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done
  wait 2>/dev/null
  rm -rf "$work"
  exit "$code"
}
trap end EXIT
cd "$work"
background() { "${@:2}" >"$1.log" 2>&1 & pids+=($!); }
{ openssl genrsa -out sa.key 2048
  openssl rsa -in sa.key -pubout -out sa.pub
  openssl req -x509 -newkey rsa:2048 -nodes -keyout tls.key -out tls.crt -days 3 -subj /CN=localhost -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1'; } 2>/dev/null
token=$(openssl rand -hex 16)
echo "$token,admin,1,\"system:masters\"" >tokens.csv
cat >kubeconfig <<K
apiVersion: v1
kind: Config
clusters: [{name: a, cluster: {server: "https://127.0.0.1:16443", insecure-skip-tls-verify: true}}]
users: [{name: a, user: {token: $token}}]
contexts: [{name: a, context: {cluster: a, user: a}}]
current-context: a
K
export KUBECONFIG=$work/kubeconfig
kubectl() { "$dir/bin/kubectl" "$@"; }
background etcd etcd --data-dir "$work/etcd" --listen-client-urls http://127.0.0.1:12379 --advertise-client-urls http://127.0.0.1:12379 --listen-peer-urls http://127.0.0.1:12380
background api "$dir/bin/kube-apiserver" --etcd-servers=http://127.0.0.1:12379 --secure-port=16443 --bind-address=127.0.0.1 --tls-cert-file=tls.crt --tls-private-key-file=tls.key \
  --service-account-key-file=sa.pub --service-account-signing-key-file=sa.key --service-account-issuer=https://localhost --token-auth-file=tokens.csv \
  --authorization-mode=RBAC --service-cluster-ip-range=10.0.0.0/24 --disable-admission-plugins=ServiceAccount
for _ in $(seq 180); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 1; done
background manager "$dir/bin/kube-controller-manager" --kubeconfig=kubeconfig --service-account-private-key-file=sa.key --leader-elect=false \
  --controllers=job-controller,garbage-collector-controller,pod-garbage-collector-controller

# What the static image holds.
root=$work/root
mkdir -p "$root/usr/local/bin" "$root/runs" "$root/log" "$root/tmp"
CGO_ENABLED=0 go build -C "$repository" -tags nogpu -o "$root/usr/local/bin/headprof" ./cmd/headprof
chown 65532:65532 "$root/runs"
chmod 755 "$work" "$root"
chmod 1777 "$root/tmp"
background node python3 "$here/node.py" https://127.0.0.1:16443 "$token" "$root"

# The built-in model in place of a file, and a plan of a few minutes.
edit() { sed -e '/--model=/d' -e 's/- --quiet/&\n            - '"$1"'/' "$here/indexed-job.yaml"; }
count=--count=1600
edit "$count" | sed '/- merge$/,$ { /'"$count"'/d }' >job.yaml
"$root/usr/local/bin/headprof" score --quiet "$count" --out whole 2>/dev/null &
whole=$!
kubectl apply -f job.yaml

lines() { cat "$root/runs/$1-of-16/trials.jsonl" 2>/dev/null | wc -l; }
at_work() { for _ in $(seq 1200); do [ "$(lines "$1")" -ge "$2" ] && return; sleep 0.1; done; echo "shard $1 has $(lines "$1") trials, not $2" >&2; return 1; }
pod() { kubectl get pods -l "job-name=headprof,batch.kubernetes.io/job-completion-index=$(($1 - 1))" -o name | head -n 1; }

at_work 03 5
echo "shard 3: deleting $(pod 3)";  kubectl delete --wait=false "$(pod 3)"
at_work 07 5
name=$(pod 7); name=${name#pod/}
echo "shard 7: evicting $name"
kubectl create --raw "/api/v1/namespaces/default/pods/$name/eviction" -f - <<E >/dev/null
{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "$name", "namespace": "default"}}
E
at_work 11 5
name=$(pod 11); echo "shard 11: killing ${name#pod/}"
kill -KILL "$(cat "$root/log/${name#pod/}.pid")"
at_work 16 5
name=$(pod 16); echo "shard 16: killing ${name#pod/}"
kill -KILL "$(cat "$root/log/${name#pod/}.pid")"

wait "$whole"
kubectl wait --for=condition=complete --timeout=900s job/headprof job/headprof-merge
kubectl get jobs
grep "exit code" node.log | sed 's/.* exit/exit/' | sort | uniq -c
for file in scores.csv scores.parquet trials.parquet headkv.json retrieval.json heads.png ranking.png layers.png needle.png; do
  cmp "$root/runs/profile/$file" "whole/$file"
done

# A wrong command line is not tried again.
edit --nonsense=1 | awk 'BEGIN { RS = "---\n" } NR == 2' | sed -e 's/^  name: headprof$/  name: wrong/' -e 's/completions: 16/completions: 2/' >wrong.yaml
kubectl apply -f wrong.yaml
kubectl wait --for=condition=failed --timeout=120s job/wrong
tries=$(kubectl get pods -l job-name=wrong -o name | wc -l)
[ "$tries" = 2 ] || { echo "2 indexes with a wrong command line made $tries pods" >&2; exit 1; }
echo "try-kubernetes: 16 shards, one deleted, one evicted, two killed: the bytes of one run; a wrong command line is tried once"
