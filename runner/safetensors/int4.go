package safetensors

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"

	"headprof/runner/tensor"
)

// layout is how integer weights w = scale·(code − zero) are packed into 32-bit words.
type layout int

const (
	unpackedLayout  layout = iota
	awqLayout              // codes [in × out/8]: neighbouring outputs in a word, in the order of awqOrder
	gptqLayout             // codes [in/n × out]: n inputs in a word; zeros [groups × out/n]
	compressedTorch        // codes [out × in/n], two's complement but for the sign bit; zeros [out/n × groups]
)

// awqOrder is the place in its word of each of eight outputs (AutoAWQ's GEMM
// version packs them in the order 0, 2, 4, 6, 1, 3, 5, 7).
var awqOrder = [8]int{0, 4, 1, 5, 2, 6, 3, 7}

// packing is what quantization_config says of packed integer weights.
type packing struct {
	layout   layout
	bits     int
	group    int  // inputs that share a scale; 0: the tensors tell
	plusOne  bool // zeros are stored less 1 (GPTQ's first format)
	reorders bool // groups may be of any inputs, as g_idx says
}

// names are the endings of a packed weight's tensors: codes, zeros, scales, the
// inputs' groups, and the weight's shape. The first and third are always there.
func (l layout) names() (codes, zeros, scales, groups, shape string) {
	if l == compressedTorch {
		return ".weight_packed", ".weight_zero_point", ".weight_scale", ".weight_g_idx", ".weight_shape"
	}
	return ".qweight", ".qzeros", ".scales", ".g_idx", ""
}

// packed is one weight, [out × in], of packed integers.
type packed struct {
	packing
	out, in, groups int
	codes, zeros    []byte
	scales          tensor.Tensor // as they lie
	group           []int         // of each input
	least, most     int           // code − zero
}

// perWord is the number of integers in a word.
func (p packing) perWord() int { return 32 / p.bits }

// placePacked takes the tensors of a packed weight; all holds every tensor of the
// folder. done is false for others.
func (f *Folder) placePacked(fam *family, e entry, all map[string]entry) (done bool, err error) {
	codes, zeros, scales, groups, shape := f.packing.layout.names()
	for _, end := range []string{zeros, scales, groups, shape} {
		if stem, ok := strings.CutSuffix(e.name, end); ok && end != "" {
			if _, there := all[stem+codes]; !there {
				return true, fmt.Errorf("it belongs to %s%s, which is not there; fetch the whole model", stem, codes)
			}
			return true, nil
		}
	}
	stem, ok := strings.CutSuffix(e.name, codes)
	if !ok {
		return false, nil
	}
	weight := stem + ".weight"
	p, ok := fam.translate(weight)
	switch {
	case !ok && ignored(weight), f.isDraft(fam, weight):
		return true, nil
	case !ok || p.layer >= f.builder.layers:
		return true, fmt.Errorf("model type %q has no tensor %s", f.builder.text("model_type"), weight)
	}
	if r, ok := fam.made[p.base]; ok && (p.member < 0 || r.check == nil) || strings.Contains(p.base, "|") {
		return true, fmt.Errorf("packed integers of a matrix that model type %q stores in another form are not read", f.builder.text("model_type"))
	}
	w, err := f.packing.open(e, all[stem+zeros], all[stem+scales], all[stem+groups], all[stem+shape])
	if err != nil {
		return true, err
	}
	f.packed[weight] = w
	return true, f.addPart(fam, p, tensor.Tensor{Name: weight, Type: tensor.F32, Shape: []int{w.out, w.in}, Data: e.data})
}

// open checks a packed weight's tensors against each other.
func (p packing) open(codes, zeros, scales, groups, shape entry) (*packed, error) {
	n := p.perWord()
	w := &packed{packing: p, codes: codes.data, zeros: zeros.data}
	if codes.dtype != "I32" || len(codes.shape) != 2 {
		return nil, fmt.Errorf("its shape is %v and its type %s, where a matrix of I32 is needed", codes.shape, codes.dtype)
	}
	rows, cols := codes.shape[0], codes.shape[1]
	var zeroShape, scaleShape []int
	typ, ok := readable[scales.dtype]
	if !ok || len(scales.shape) != 2 || typ == tensor.F8E4M3 {
		return nil, fmt.Errorf("its scales are missing or no matrix of F16, BF16 or F32; fetch the whole model")
	}
	switch p.layout {
	case awqLayout:
		w.in, w.out, w.groups = rows, cols*n, scales.shape[0]
		zeroShape, scaleShape = []int{w.groups, cols}, []int{w.groups, w.out}
	case gptqLayout:
		w.in, w.out, w.groups = rows*n, cols, scales.shape[0]
		zeroShape, scaleShape = []int{w.groups, ceil(w.out, n)}, []int{w.groups, w.out}
	default:
		w.out, w.in, w.groups = rows, cols*n, scales.shape[1]
		zeroShape, scaleShape = []int{ceil(w.out, n), w.groups}, []int{w.out, w.groups}
		if stated := integers(shape); len(stated) == 2 {
			if stated[0] != w.out || ceil(stated[1], n) != cols {
				return nil, fmt.Errorf("it has shape %v, where a weight of %v is stated", codes.shape, stated)
			}
			w.in = stated[1]
		}
	}
	if w.in < 1 || w.out < 1 || w.groups < 1 {
		return nil, fmt.Errorf("its shape %v has nothing in it", codes.shape)
	}
	if !slices.Equal(scales.shape, scaleShape) {
		return nil, fmt.Errorf("its scales have shape %v, where %v is needed", scales.shape, scaleShape)
	}
	w.scales = tensor.Tensor{Name: scales.name, Type: typ, Shape: scales.shape, Data: scales.data}
	switch {
	case zeros.dtype == "" && p.layout == compressedTorch: // symmetric
	case zeros.dtype != "I32" || !slices.Equal(zeros.shape, zeroShape):
		return nil, fmt.Errorf("its zero points have shape %v and type %s, where %v of I32 are needed", zeros.shape, zeros.dtype, zeroShape)
	}
	if err := w.setGroups(groups); err != nil {
		return nil, err
	}
	return w, w.setRange()
}

// setGroups finds each input's group: runs of equal length, or as g_idx says.
func (w *packed) setGroups(e entry) error {
	size := w.packing.group
	if size == 0 {
		size = ceil(w.in, w.groups)
	}
	if e.dtype == "" && ceil(w.in, size) != w.groups {
		return fmt.Errorf("it has %d groups for %d inputs, where \"group_size\" is %d", w.groups, w.in, size)
	}
	w.group = make([]int, w.in)
	for c := range w.group {
		w.group[c] = c / size
	}
	if e.dtype == "" {
		if w.reorders {
			return fmt.Errorf("its inputs' groups (g_idx) are missing, which \"desc_act\" or \"actorder\" asks for; fetch the whole model")
		}
		return nil
	}
	listed := integers(e)
	if len(listed) != w.in || slices.Min(listed) < 0 || slices.Max(listed) >= w.groups {
		return fmt.Errorf("%s does not give each of its %d inputs one of %d groups", e.name, w.in, w.groups)
	}
	if !w.reorders && !slices.Equal(listed, w.group) {
		return fmt.Errorf("%s reorders groups, where \"desc_act\" is not true: readers differ in whether they follow it; set it to what the model was quantised with", e.name)
	}
	w.group = listed
	return nil
}

// setRange finds what code − zero lies between.
func (w *packed) setRange() error {
	top := 1<<w.bits - 1
	lowest, highest := top+1, 0
	for g := range w.groups {
		for r := range w.out {
			z, err := w.zero(g, r)
			if err != nil {
				return err
			}
			lowest, highest = min(lowest, z), max(highest, z)
		}
	}
	w.least, w.most = -highest, top-lowest
	return nil
}

// zero is the zero point of output r in group g.
func (w *packed) zero(g, r int) (int, error) {
	n, top := w.perWord(), 1<<w.bits-1
	var at, place int // the word, and the place in it
	switch {
	case w.zeros == nil:
		return (top + 1) / 2, nil
	case w.layout == awqLayout:
		at, place = g*(w.out/n)+r/n, awqOrder[r%n]
	case w.layout == gptqLayout:
		at, place = g*ceil(w.out, n)+r/n, r%n
	default:
		at, place = r/n*w.groups+g, r%n
	}
	z := int(binary.LittleEndian.Uint32(w.zeros[4*at:])>>(place*w.bits)) & top
	if w.plusOne {
		if z == top {
			return 0, fmt.Errorf("a zero point of it is stored as %d, which \"checkpoint_format\" gptq takes as one more: readers differ in whether that is %d or 0; quantise to gptq_v2", z, z+1)
		}
		z++
	}
	return z, nil
}

// tile is how many rows are unpacked at a time.
const tile = 8

// unpack writes code − zero of n ≤ tile rows from r0 on, a multiple of tile.
func (w *packed) unpack(dst []int16, r0, n int) {
	per, top := w.perWord(), uint32(1<<w.bits-1)
	zeros := make([]int16, w.groups*tile)
	for g := range w.groups {
		for i := range n {
			z, _ := w.zero(g, r0+i)
			zeros[g*tile+i] = int16(z)
		}
	}
	for c := range w.in {
		z := zeros[w.group[c]*tile:][:tile]
		for i := range n {
			r := r0 + i
			var at, place int
			switch w.layout {
			case awqLayout:
				at, place = c*(w.out/per)+r/per, awqOrder[r%per]
			case gptqLayout:
				at, place = c/per*w.out+r, c%per
			default:
				at, place = r*ceil(w.in, per)+c/per, c%per
			}
			dst[i*w.in+c] = int16(binary.LittleEndian.Uint32(w.codes[4*at:])>>(place*w.bits)&top) - z[i]
		}
	}
}

// format is the smallest block format that holds the weight without loss; F32
// where none does.
func (w *packed) format() tensor.Type {
	const run = 32
	if w.in%run != 0 {
		return tensor.F32
	}
	for c, g := range w.group {
		if g != w.group[c/run*run] {
			return tensor.F32
		}
	}
	if w.scales.Type != tensor.F16 {
		for _, s := range w.scales.F32() {
			if tensor.F16ToF32(tensor.F32ToF16(s)) != s {
				return tensor.F32
			}
		}
	}
	switch {
	case w.least >= -8 && w.most <= 7:
		return tensor.Q4_0
	case w.least >= -16 && w.most <= 15:
		return tensor.Q5_0
	case w.least >= -128 && w.most <= 127:
		return tensor.Q8_0
	}
	return tensor.F32
}

// build gives the weight in a format that holds it.
func (w *packed) build(name string, format tensor.Type) tensor.Tensor {
	t := tensor.Tensor{Name: name, Type: format, Shape: []int{w.out, w.in}}
	scales := w.scales.F32()
	scale := func(r, c int) float32 {
		if w.layout == compressedTorch {
			return scales[r*w.groups+w.group[c]]
		}
		return scales[w.group[c]*w.out+r]
	}
	rows := make([]int16, tile*w.in)
	x := make([]float32, 0)
	for r0 := 0; r0 < w.out; r0 += tile {
		n := min(tile, w.out-r0)
		w.unpack(rows, r0, n)
		for i := range n {
			q, r := rows[i*w.in:][:w.in], r0+i
			if format == tensor.F32 {
				for c, v := range q {
					x = append(x, float32(v)*scale(r, c))
				}
				continue
			}
			for c := 0; c < w.in; c += 32 {
				t.Data = binary.LittleEndian.AppendUint16(t.Data, tensor.F32ToF16(scale(r, c)))
				t.Data = appendBlock(t.Data, format, q[c:c+32])
			}
		}
	}
	if format == tensor.F32 {
		return tensor.FromF32(name, t.Shape, x)
	}
	return t
}

// appendBlock adds the codes of 32 numbers as GGML lays them out behind their scale.
func appendBlock(dst []byte, format tensor.Type, q []int16) []byte {
	switch format {
	case tensor.Q8_0:
		for _, v := range q {
			dst = append(dst, byte(int8(v)))
		}
		return dst
	case tensor.Q5_0:
		var high uint32
		for i, v := range q {
			high |= uint32(v+16) >> 4 & 1 << i
		}
		dst = binary.LittleEndian.AppendUint32(dst, high)
		for i := range 16 {
			dst = append(dst, byte(q[i]+16)&15|byte(q[i+16]+16)<<4)
		}
		return dst
	}
	for i := range 16 {
		dst = append(dst, byte(q[i]+8)&15|byte(q[i+16]+8)<<4)
	}
	return dst
}

// opened gives parts with packed weights as numbers: all in the format of the
// one that needs the most.
func (f *Folder) opened(parts []tensor.Tensor) []tensor.Tensor {
	formats := []tensor.Type{tensor.Q4_0, tensor.Q5_0, tensor.Q8_0, tensor.F32}
	need := -1
	for _, p := range parts {
		if w := f.packed[p.Name]; w != nil {
			need = max(need, slices.Index(formats, w.format()))
		}
	}
	if need < 0 {
		return parts
	}
	out := slices.Clone(parts)
	for i, p := range parts {
		if w := f.packed[p.Name]; w != nil {
			out[i] = w.build(p.Name, formats[need])
		}
	}
	return out
}

// zeroBias tells whether a tensor is a bias of zeros beside packed weights: some
// writers store one for every matrix.
func (f *Folder) zeroBias(s *source) bool {
	for _, p := range s.parts {
		if !strings.HasSuffix(p.Name, ".bias") || slices.ContainsFunc(p.F32(), func(x float32) bool { return x != 0 }) {
			return false
		}
	}
	return f.packing.layout != unpackedLayout
}

// integers reads a tensor of whole numbers; nil where it is none.
func integers(e entry) (list []int) {
	size := map[string]int{"I32": 4, "I64": 8}[e.dtype]
	for at := 0; size > 0 && at+size <= len(e.data); at += size {
		if size == 4 {
			list = append(list, int(int32(binary.LittleEndian.Uint32(e.data[at:]))))
		} else {
			list = append(list, int(int64(binary.LittleEndian.Uint64(e.data[at:]))))
		}
	}
	return list
}

// Settings of quantization_config that say how weights were found or are
// computed, not what they stand for.
var withoutEffect = map[layout][]string{
	awqLayout: {"quant_method", "modules_to_not_convert", "backend", "do_fuse", "modules_to_fuse", "fuse_max_seq_len", "fuse_mapping", "exllama_config"},
	gptqLayout: {"quant_method", "sym", "lm_head", "static_groups", "damp_percent", "damp_auto_increment", "true_sequential", "act_group_aware", "mse", "tokenizer",
		"dataset", "meta", "backend", "model_name_or_path", "model_file_base_name", "model_seqlen", "block_name_to_quantize", "module_name_preceding_first_block",
		"batch_size", "pad_token_id", "max_input_length", "cache_block_outputs", "modules_in_block_to_quantize", "use_cuda_fp16", "use_exllama", "disable_exllama",
		"exllama_config", "quantizer", "modules_to_not_convert", "offload_to_disk", "packing_dtype"},
	compressedTorch: {"quant_method", "global_compression_ratio", "ignore", "version"},
}

// integerPacking reads quantization_config of packed integer weights; ok is
// false for other methods.
func (s settings) integerPacking() (p packing, ok bool) {
	q := s.object("quantization_config")
	switch method := q.text("quant_method"); method {
	case "awq":
		p = q.awq()
	case "gptq":
		p = q.gptq()
	case "compressed-tensors":
		p = q.compressed()
	default:
		return p, false
	}
	return p, true
}

// only fails for settings that are neither read nor without effect.
func (s settings) only(l layout, read ...string) {
	for _, key := range slices.Sorted(maps.Keys(s.values)) {
		if s.has(key) && !slices.Contains(read, key) && !slices.Contains(withoutEffect[l], key) {
			s.fail("%q of \"quantization_config\" is %s, which headprof does not know; use the unquantised model or a GGUF file", key, short(s.values[key]))
		}
	}
}

// must fails unless a setting, where it is given, has the value.
func (s settings) must(key, value string) {
	if s.has(key) && !strings.EqualFold(strings.Trim(string(s.values[key]), `"`), value) {
		s.fail("%q of \"quantization_config\" is %s, where headprof reads %s; use the unquantised model or a GGUF file", key, short(s.values[key]), value)
	}
}

// groupSize reads group_size; −1 is one group for all inputs.
func (s settings) groupSize() int {
	size := s.floatOr("group_size", 128)
	if size == -1 {
		return maxCount
	}
	if !(size >= 1 && size <= maxCount) || size != float64(int(size)) {
		s.fail("\"group_size\" of \"quantization_config\" is %v; it must be −1 or a whole number above 0", size)
		return 1
	}
	return int(size)
}

// awq reads AutoAWQ's settings (arXiv 2306.00978).
func (s settings) awq() packing {
	s.only(awqLayout, "bits", "group_size", "zero_point", "version", "format", "desc_act", "sym")
	s.must("bits", "4")
	s.must("zero_point", "true")
	s.must("version", "gemm")
	s.must("format", "gemm")
	s.must("desc_act", "false")
	if b := s.text("backend"); b == "llm-awq" {
		s.fail("\"backend\" of \"quantization_config\" is %q, which packs weights in another order", b)
	}
	return packing{layout: awqLayout, bits: 4, group: s.groupSize()}
}

// gptq reads AutoGPTQ's and GPTQModel's settings (arXiv 2210.17323).
func (s settings) gptq() packing {
	s.only(gptqLayout, "bits", "group_size", "desc_act", "checkpoint_format", "format", "is_marlin_format", "dynamic", "pack_dtype")
	bits := s.countOr("bits", 4)
	if bits != 4 && bits != 8 {
		s.fail("\"bits\" of \"quantization_config\" is %d, where headprof reads 4 and 8; use the unquantised model or a GGUF file", bits)
		bits = 4
	}
	s.must("is_marlin_format", "false")
	s.must("dynamic", "{}")
	s.must("pack_dtype", "int32")
	version := "gptq"
	for _, key := range []string{"format", "checkpoint_format"} {
		if !s.has(key) {
			continue
		}
		if version = s.text(key); version != "gptq" && version != "gptq_v2" {
			s.fail("%q of \"quantization_config\" is %q, where headprof reads gptq and gptq_v2; use the unquantised model or a GGUF file", key, version)
		}
	}
	if f, c := s.text("format"), s.text("checkpoint_format"); f != "" && c != "" && f != c {
		s.fail("\"format\" of \"quantization_config\" is %q and \"checkpoint_format\" %q; remove the wrong one", f, c)
	}
	return packing{layout: gptqLayout, bits: bits, group: s.groupSize(), plusOne: version == "gptq", reorders: s.boolOr("desc_act", false)}
}

// compressed reads llm-compressor's settings: one scheme of packed integers.
func (s settings) compressed() packing {
	s.only(compressedTorch, "format", "config_groups", "quantization_status", "kv_cache_scheme", "sparsity_config", "transform_config")
	s.must("format", "pack-quantized")
	s.must("quantization_status", "compressed")
	s.must("kv_cache_scheme", "{}")
	s.must("transform_config", "{}")
	s.object("sparsity_config").must("format", "dense")
	p := packing{layout: compressedTorch, bits: 4}
	groups, first := s.object("config_groups"), ""
	for _, name := range slices.Sorted(maps.Keys(groups.values)) {
		g := groups.object(name)
		g.only(unpackedLayout, "targets", "weights", "format")
		g.must("format", "pack-quantized")
		w := g.object("weights")
		w.only(unpackedLayout, "num_bits", "type", "symmetric", "strategy", "group_size", "actorder", "dynamic", "observer", "observer_kwargs", "zp_dtype", "scale_dtype")
		w.must("type", "int")
		w.must("dynamic", "false")
		bits, order := w.countOr("num_bits", 8), w.text("actorder")
		if bits != 4 && bits != 8 {
			s.fail("\"num_bits\" of \"quantization_config\" is %d, where headprof reads 4 and 8; use the unquantised model or a GGUF file", bits)
			bits = 4
		}
		if k := w.text("strategy"); k != "group" && k != "channel" {
			s.fail("\"strategy\" of \"quantization_config\" is %q, where headprof reads group and channel; use the unquantised model or a GGUF file", k)
		}
		size := w.floatOr("group_size", -1)
		p.bits, p.reorders = bits, order == "group"
		if size > 0 && size == float64(int(size)) && size <= maxCount {
			p.group = int(size)
		}
		scheme := fmt.Sprint(bits, order, size)
		if first != "" && scheme != first {
			s.fail("\"config_groups\" of \"quantization_config\" differ from each other, which headprof does not support")
		}
		first = scheme
	}
	if first == "" {
		s.fail("\"config_groups\" of \"quantization_config\" is missing or empty; fetch the file again")
	}
	return p
}
