package safetensors

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"headprof/export/textfile"
	"headprof/runner/gguf"
	"headprof/runner/tensor"
)

// Folder is an open Hugging Face model under GGUF's names. Its methods may be
// called from several goroutines at once, but Close only when no tensor's Data
// is in use any more.
type Folder struct {
	*gguf.Metadata
	dir     string
	config  []byte
	shards  []*shard
	builder *builder
	sources map[string]*source
	scales  map[string]tensor.Tensor // of FP8 weights, by the weight's name in the folder
	fp8     fp8Blocks
	packing packing
	packed  map[string]*packed // weights of packed integers, by their name without packing
	names   []string
}

// shard is one weight file.
type shard struct {
	path    string
	file    *tensor.Mapped
	entries []entry
}

// source says what a tensor of GGUF's vocabulary is made of.
type source struct {
	parts   []tensor.Tensor // as they lie in the folder
	numbers []int           // of parts that are several: experts or heads
	made    *reshape
}

const (
	configName  = "config.json"
	weightsName = "model.safetensors"
	indexName   = "model.safetensors.index.json"

	maxConfig = 16 << 20
)

// Open maps the model in the folder dir; the path of its config.json,
// model.safetensors or index stands for it too.
func Open(dir string) (*Folder, error) {
	if info, err := os.Stat(dir); err != nil {
		return nil, err
	} else if !info.IsDir() {
		dir = filepath.Dir(dir)
	}
	f := &Folder{dir: dir, sources: map[string]*source{}, scales: map[string]tensor.Tensor{}, packed: map[string]*packed{}}
	err := f.open()
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (f *Folder) open() error {
	path := filepath.Join(f.dir, configName)
	config, err := readFile(path, maxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: there is no %s in it, so this is no Hugging Face folder; give one, or a .gguf file", f.dir, configName)
	}
	if err != nil {
		return err
	}
	f.config = config
	if f.builder, err = f.readConfig(path); err != nil {
		return err
	}
	f.Metadata = f.builder.meta
	if err := f.openShards(); err != nil {
		return err
	}
	if err := f.place(); err != nil {
		return err
	}
	return f.addChatTemplate()
}

// reads tells whether a model type's weights are read as quantised by a method.
func reads(modelType, method string) bool {
	f := families[modelType]
	return f != nil && method != "" && f.quantised == method
}

func (f *Folder) readConfig(path string) (*builder, error) {
	s, err := parseSettings(f.config)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	method := s.object("quantization_config").text("quant_method")
	integers := false
	if f.packing, integers = s.integerPacking(); method == "fp8" {
		f.fp8 = s.fp8Blocks()
	} else if !integers && s.has("quantization_config") && !reads(s.text("model_type"), method) {
		return nil, fmt.Errorf("%s: the weights are quantised (%q), which headprof does not read in this form; use the unquantised model or a GGUF file",
			path, method)
	}
	kind := s.text("model_type")
	if families[kind] == nil {
		// A model that also sees keeps its language model's settings apart.
		if t := s.object("text_config"); families[t.text("model_type")] != nil {
			s, kind = t, t.text("model_type")
		}
	}
	if *s.err != nil {
		return nil, fmt.Errorf("%s: %w", path, *s.err)
	}
	fam, err := findFamily(kind)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	name := s.text("_name_or_path")
	if name == "" {
		if abs, err := filepath.Abs(f.dir); err == nil {
			name = filepath.Base(abs)
		}
	}
	return fam.build(s, path, name)
}

// openShards maps the weight files, one or those the index names.
func (f *Folder) openShards() error {
	whole, index := filepath.Join(f.dir, weightsName), filepath.Join(f.dir, indexName)
	if _, err := os.Stat(whole); err == nil {
		return f.addShard(whole)
	}
	data, err := readFile(index, maxHeader)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: there is neither %s nor %s in it%s", f.dir, weightsName, indexName, f.otherForm())
	}
	if err != nil {
		return err
	}
	where, files, err := parseIndex(data)
	if err != nil {
		return fmt.Errorf("%s: %w", index, err)
	}
	var missing []string
	for _, name := range files {
		if _, err := os.Stat(filepath.Join(f.dir, name)); errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%s: %d of %d weight files are missing, the first is %s; fetch them into the folder", f.dir, len(missing), len(files), missing[0])
	}
	for _, name := range files {
		if err := f.addShard(filepath.Join(f.dir, name)); err != nil {
			return err
		}
	}
	return f.checkIndex(index, where)
}

func (f *Folder) otherForm() string {
	for _, pattern := range []string{"pytorch_model*.bin", "*.pth", "consolidated*"} {
		if found, _ := filepath.Glob(filepath.Join(f.dir, pattern)); len(found) > 0 {
			return "; " + filepath.Base(found[0]) + " is of another form: convert the model with transformers' save_pretrained"
		}
	}
	return "; fetch the weights into the folder"
}

func (f *Folder) addShard(path string) error {
	m, err := tensor.Map(path)
	if err != nil {
		return err
	}
	s := &shard{path: path, file: m}
	f.shards = append(f.shards, s)
	if s.entries, err = parse(m.Data); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// checkIndex checks that every tensor is where the index says, and drops what
// it does not name.
func (f *Folder) checkIndex(index string, where map[string]string) error {
	found := 0
	for _, s := range f.shards {
		file := filepath.Base(s.path)
		s.entries = slices.DeleteFunc(s.entries, func(e entry) bool { return where[e.name] != file })
		found += len(s.entries)
	}
	if found == len(where) {
		return nil
	}
	have := map[string]bool{}
	for _, s := range f.shards {
		for _, e := range s.entries {
			have[e.name] = true
		}
	}
	var missing []string
	for name := range where {
		if !have[name] {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	return fmt.Errorf("%s: tensor %q is not in %s, where the index has it (%d such); fetch the files again", index, missing[0], where[missing[0]], len(missing))
}

// Tensor finds a tensor by its GGUF name. Most Data lies in the map and is
// valid until Close; what the folder stores in another shape (GPT-2's matrices,
// fused heads of GPT-NeoX, stacks of experts) is a copy, made at each call.
func (f *Folder) Tensor(name string) (tensor.Tensor, bool) {
	s, ok := f.sources[name]
	if !ok {
		return tensor.Tensor{}, false
	}
	parts := f.opened(f.unscaled(s.parts))
	t := parts[0]
	if s.made != nil {
		t = s.made.build(parts, f.builder)
	}
	t.Name = name
	return t, true
}

// Experts gives the tensors that the stack of the given name is made of, in
// order and without a copy; ok is false when name is no stack.
func (f *Folder) Experts(name string) (list []tensor.Tensor, ok bool) {
	s, ok := f.sources[name]
	if !ok || s.numbers == nil {
		return nil, false
	}
	return append([]tensor.Tensor(nil), f.opened(f.unscaled(s.parts))...), true
}

// TensorNames lists the names that Tensor knows, sorted.
func (f *Folder) TensorNames() []string { return append([]string(nil), f.names...) }

// Mappings gives the mapped weight files.
func (f *Folder) Mappings() (all []*tensor.Mapped) {
	for _, s := range f.shards {
		all = append(all, s.file)
	}
	return all
}

// Name is the folder's path.
func (f *Folder) Name() string { return f.dir }

// Size is the weight files' length in bytes.
func (f *Folder) Size() (n int64) {
	for _, s := range f.shards {
		n += int64(len(s.file.Data))
	}
	return n
}

// SHA256 reads the whole model and gives the hash, as lower-case hexadecimal,
// of config.json's bytes followed by those of the weight files in the order of
// their names.
func (f *Folder) SHA256() (string, error) {
	h := sha256.New()
	h.Write(f.config)
	for _, s := range f.shards {
		n, err := io.Copy(h, io.NewSectionReader(s.file.File, 0, int64(len(s.file.Data))))
		if err == nil && n != int64(len(s.file.Data)) {
			err = fmt.Errorf("the file became shorter while it was open")
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", s.path, err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Close unmaps the files. Tensors' Data must not be touched afterwards.
func (f *Folder) Close() error {
	f.sources, f.names = nil, nil
	var first error
	for _, s := range f.shards {
		if err := s.file.Close(); err != nil && first == nil {
			first = fmt.Errorf("%s: %w", s.path, err)
		}
	}
	f.shards = nil
	return first
}

// readFile reads a regular file of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > limit {
		return nil, fmt.Errorf("%s: this is no regular file of at most %d bytes; fetch it again", path, limit)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return textfile.Clean(path, data)
}
