package safetensors

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

const maxShards = 10000

// parseIndex reads model.safetensors.index.json: which file holds which
// tensor. Files are given by name, in ascending order.
func parseIndex(data []byte) (where map[string]string, files []string, err error) {
	where = map[string]string{}
	found := false
	err = readObject(data, func(name string, d *json.Decoder) error {
		if name != "weight_map" {
			var skipped json.RawMessage
			return d.Decode(&skipped)
		}
		found = true
		return eachMember(d, func(name string, d *json.Decoder) error {
			var file string
			if err := d.Decode(&file); err != nil {
				return err
			}
			if len(where) == maxTensors || len(name) > maxName {
				return fmt.Errorf("more than %d tensors, or a name of more than %d bytes", maxTensors, maxName)
			}
			// Shards lie beside the index: a path elsewhere is no model's.
			if file != filepath.Base(file) || strings.ContainsAny(file, `/\`) || !filepath.IsLocal(file) || !strings.HasSuffix(file, ".safetensors") {
				return fmt.Errorf("tensor %q is said to be in %q, which is no name of a .safetensors file in this folder", name, file)
			}
			where[name] = file
			return nil
		})
	})
	if err == nil && (!found || len(where) == 0) {
		err = fmt.Errorf("it has no weight_map")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("the index is damaged: %w; fetch the file again", err)
	}
	for _, f := range where {
		files = append(files, f)
	}
	slices.Sort(files)
	files = slices.Compact(files)
	if len(files) > maxShards {
		return nil, nil, fmt.Errorf("the index names %d files, where at most %d make sense; fetch it again", len(files), maxShards)
	}
	return where, files, nil
}
