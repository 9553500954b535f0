package safetensors

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"
	"time"

	"headprof/runner/tensor"
)

// bounded fails when f takes long or makes much garbage for its input's size.
func bounded(t *testing.T, size int, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	f()
	runtime.ReadMemStats(&after)
	if spent := time.Since(start); spent > 5*time.Second {
		t.Errorf("%d bytes took %v", size, spent)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20+uint64(size)*512 {
		t.Errorf("%d bytes made %d bytes of garbage", size, grown)
	}
}

// Whatever the bytes, a header is read or refused soon, in bounded memory; and
// what it states is true of the tensors it gives.
func FuzzHeader(f *testing.F) {
	f.Add(header(`{"__metadata__":{"format":"pt"},"a":{"dtype":"F16","shape":[2,1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[],"data_offsets":[4,8]}}`, 8))
	f.Add(header(`{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}`, 0))
	f.Add(header(`{"a":{"dtype":"F32","shape":[0],"data_offsets":[8,8]},"a":{}}`, 8))
	f.Add(header(`{`+strings.Repeat(`"a":{"x":[`, 50), 0))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		bounded(t, len(data), func() {
			entries, err := parse(data)
			if err != nil {
				return
			}
			for _, e := range entries {
				typ, ok := readable[e.dtype]
				if !ok {
					continue
				}
				if n, err := tensor.Size(typ, e.shape); err == nil && n != int64(len(e.data)) {
					t.Errorf("%s: %d bytes for %v of %s", e.name, len(e.data), e.shape, e.dtype)
				}
			}
		})
	})
}

func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"metadata":{"total_size":8},"weight_map":{"a":"m-00001-of-00002.safetensors","b":"m-00002-of-00002.safetensors"}}`))
	f.Add([]byte(`{"weight_map":{"a":"../../etc/passwd"}}`))
	f.Add([]byte(`{"weight_map":{"a":"x.safetensors","a":"x.safetensors"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		bounded(t, len(data), func() {
			_, files, err := parseIndex(data)
			for _, name := range files {
				if err == nil && (strings.ContainsAny(name, `/\`) || name == "" || name[0] == '.' && name[1] == '.') {
					t.Errorf("a file outside of the folder: %q", name)
				}
			}
		})
	})
}

// Whatever the settings, every family reads or refuses them.
func FuzzConfig(f *testing.F) {
	models, _ := readFamilies(f)
	for _, m := range models {
		data, err := json.Marshal(m.Config)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"model_type":"gemma3","text_config":{"model_type":"gemma3_text"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		bounded(t, len(data), func() {
			folder := &Folder{dir: ".", config: data}
			if b, err := folder.readConfig(configName); err == nil && (b.layers < 1 || b.heads < 1 || b.dim < 1) {
				t.Errorf("accepted with %d layers, %d heads of %d", b.layers, b.heads, b.dim)
			}
		})
	})
}
