package main

import "headprof/runner/backend"

// defaultKV is the cache format used unless --kv-type says otherwise.
const defaultKV = backend.KVF16
