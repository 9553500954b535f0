package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"headprof/runner/arch"
	"headprof/runner/gguf"
	"headprof/runner/safetensors"
	"headprof/runner/tokenizer"
)

// Source is an opened model: weights, metadata and what a manifest needs.
type Source interface {
	arch.Source
	tokenizer.Metadata
	Size() int64             // bytes
	SHA256() (string, error) // of the files' bytes, hexadecimal
	// Set changes what the metadata say of a key.
	Set(key string, value any) error
	Close() error
}

// OpenSource opens a model in any form that headprof reads: a GGUF file, whole,
// split or stored in a zip, or a Hugging Face folder (its config.json or weight
// file stands for it too). A folder that holds one GGUF model stands for that.
func OpenSource(path string) (Source, error) {
	if IsFolder(path) {
		f, err := safetensors.Open(path)
		if err != nil {
			return nil, err
		}
		return f, nil
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		if path, err = onlyGGUF(path); err != nil {
			return nil, err
		}
	} else if err != nil && !os.IsNotExist(err) { // what is missing may be a zip's member
		return nil, err
	}
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// IsFolder reports whether path names a Hugging Face folder or a file that stands for it.
func IsFolder(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	if info.IsDir() {
		_, err := os.Stat(filepath.Join(path, "config.json"))
		return err == nil
	}
	name := filepath.Base(path)
	return name == "config.json" || strings.HasSuffix(name, ".safetensors") || strings.HasSuffix(name, ".safetensors.index.json")
}

// onlyGGUF finds the one GGUF model in a folder.
func onlyGGUF(dir string) (string, error) {
	found, err := filepath.Glob(filepath.Join(dir, "*.gguf"))
	if err != nil {
		return "", err
	}
	var models []string
	for _, f := range found {
		if name := filepath.Base(f); strings.Contains(name, "-of-") && !strings.Contains(name, "-00001-of-") {
			continue // a later part of a split model
		}
		models = append(models, f)
	}
	switch len(models) {
	case 1:
		return models[0], nil
	case 0:
		return "", fmt.Errorf("%s: there is neither config.json nor a .gguf file in it; give a Hugging Face folder or a GGUF file", dir)
	}
	return "", fmt.Errorf("%s: there are %d GGUF models in it; give the path of one, such as %s", dir, len(models), models[0])
}
