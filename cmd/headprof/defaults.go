package main

import "headprof/runner/backend"

// defaultKV is the cache format used unless --cache-type says otherwise; f16
// misses the reference scores' tolerance (docs/decisions/001-kv-cache-format.md).
const defaultKV = backend.KVF32
