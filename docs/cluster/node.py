"""A node of Kubernetes for try-kubernetes.sh, without containers: runs the command
of every pod as a process in a root folder that holds what the image would hold, as
the pod's user, and reports its exit code. Deleting a pod sends SIGTERM.

node.py API-URL TOKEN ROOT-FOLDER
"""
import json, os, signal, ssl, subprocess, sys, time, urllib.error, urllib.request

api, token, root = sys.argv[1:]
insecure = ssl.create_default_context()
insecure.check_hostname, insecure.verify_mode = False, ssl.CERT_NONE


def call(method, path, body=None, kind="application/json"):
    r = urllib.request.Request(api + path, method=method, data=None if body is None else json.dumps(body).encode())
    r.add_header("Authorization", "Bearer " + token)
    r.add_header("Content-Type", kind)
    try:
        with urllib.request.urlopen(r, context=insecure) as f:
            return json.load(f)
    except urllib.error.HTTPError as e:
        if e.code in (404, 409):
            return None
        raise RuntimeError(f"{method} {path}: {e.code} {e.read().decode()}") from None


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def status(name, phase, state, ready):
    call("PATCH", f"/api/v1/namespaces/default/pods/{name}/status", {"status": {
        "phase": phase, "startTime": now(),
        "containerStatuses": [{"name": "headprof", "image": "i", "imageID": "i", "restartCount": 0, "ready": ready, "state": state}],
    }}, "application/merge-patch+json")


def value(env, pod):
    if "value" in env:
        return env["value"]
    part, key = env["valueFrom"]["fieldRef"]["fieldPath"].removeprefix("metadata.").removesuffix("']").split("['")
    return pod["metadata"][part][key]


def start(pod):
    meta, container = pod["metadata"], pod["spec"]["containers"][0]
    who = pod["spec"]["securityContext"]
    assert who["runAsNonRoot"] and who["runAsUser"] != 0
    call("POST", f"/api/v1/namespaces/default/pods/{meta['name']}/binding",
         {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": meta["name"]}, "target": {"kind": "Node", "name": "one"}})
    env = {"PATH": "/usr/local/bin", "HOSTNAME": meta["name"]} | {e["name"]: value(e, pod) for e in container.get("env", [])}

    def enter():
        os.chroot(root)
        os.chdir("/")
        os.setgroups([])
        os.setgid(who["runAsGroup"])
        os.setuid(who["runAsUser"])

    log = open(os.path.join(root, "log", meta["name"]), "wb")
    p = subprocess.Popen(container["command"], executable="/usr/local/bin/headprof", env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=enter)
    with open(os.path.join(root, "log", meta["name"] + ".pid"), "w") as f:
        f.write(str(p.pid))
    status(meta["name"], "Running", {"running": {"startedAt": now()}}, True)
    print(now(), meta["name"], "started", flush=True)
    return p


call("POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "one"}})
running, ended, stopping = {}, set(), set()
while True:
    for pod in call("GET", "/api/v1/namespaces/default/pods")["items"]:
        name, leaving = pod["metadata"]["name"], "deletionTimestamp" in pod["metadata"]
        if name in running and leaving and name not in stopping:
            stopping.add(name)
            running[name].send_signal(signal.SIGTERM)
        if name not in running and name not in ended and not leaving:
            running[name] = start(pod)
        if name not in running and leaving:
            call("DELETE", f"/api/v1/namespaces/default/pods/{name}", {"gracePeriodSeconds": 0})
    for name, p in list(running.items()):
        if p.poll() is None:
            continue
        code = p.returncode if p.returncode >= 0 else 128 - p.returncode
        print(now(), name, "exit code", code, flush=True)
        status(name, "Failed" if code else "Succeeded", {"terminated": {"exitCode": code, "finishedAt": now(), "startedAt": now()}}, False)
        del running[name]
        ended.add(name)
    time.sleep(0.3)
