package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"headprof/export/textfile"
	"headprof/fixtures"
	"headprof/needle"
	"headprof/probe"
	"headprof/runner"
	"headprof/runner/backend"
	"headprof/runner/chat"
	"headprof/runner/tokenizer"
)

// modelFlags say which model runs and how.
type modelFlags struct {
	model, device, kernels, gpuMath, kvType, pre string
	threads, chunk, longContext, gpuMemory       int
	fast                                         bool
}

func (m *modelFlags) register(f *pflag.FlagSet) {
	f.StringVarP(&m.model, "model", "m", "", "model: a GGUF `file` or a Hugging Face folder (default: the built-in tiny model)")
	f.StringVar(&m.device, "device", "cpu", "cpu, gpu, gpu:N or auto; 'headprof devices' lists them")
	f.StringVar(&m.gpuMath, "gpu-math", "f32", "how a GPU multiplies: f32, f16 or cooperative (untried)")
	f.IntVar(&m.gpuMemory, "gpu-memory", 0, "MiB of the GPU's memory to take at most (default: what is free); weights that do not fit are streamed from the machine's memory")
	f.IntVar(&m.threads, "threads", 0, "CPU threads (default: one per core)")
	f.IntVar(&m.chunk, "chunk", 512, "tokens computed at once; changes time and memory, never a result")
	f.StringVar(&m.kvType, "cache-type", kvNames[defaultKV], "format of the KV cache: f32 or f16")
	f.StringVar(&m.kernels, "kernels", "auto", "CPU kernels: auto, avx512, avx2, neon or portable")
	f.BoolVar(&m.fast, "int8", false, "int8 activations for weights of 4 to 8 bits: up to twice as fast on the CPU, and results a little off (see docs/performance.md)")
	f.IntVar(&m.longContext, "long-context", 0, "sequences of up to so many tokens, for models that rotate positions differently beyond their original context (LongRoPE)")
	f.StringVar(&m.pre, "pre", "", "pre-tokenizer in place of the one the model file names")
	atLeast(f, 1, "gpu-memory", "threads", "chunk", "long-context")
}

// How a manifest says that activations were int8, and how people are told.
const (
	fastSetting = "fast"
	fastOn      = "on"
	fastNote    = "int8 activations (--int8)"
)

// settings are those of these flags that change results, for the manifest.
func (m *modelFlags) settings(model *runner.Model) map[string]string {
	s := map[string]string{"kv-type": m.kvType, "device": deviceKind(model)}
	if m.pre != "" {
		s["pre"] = m.pre
	}
	if m.fast {
		s[fastSetting] = fastOn
	}
	if m.longContext > 0 {
		s["long-context"] = strconv.Itoa(m.longContext)
	}
	return s
}

// note is the remark on the figures of so many prompts.
func (m *modelFlags) note(prompts int) string {
	text := fmt.Sprintf("%d prompts", prompts)
	if m.fast {
		text += ", " + fastNote
	}
	return text
}

var kvNames = map[backend.KVType]string{backend.KVF32: "f32", backend.KVF16: "f16"}

// builtIn is the name of the model inside the binary.
const builtIn = "headprof-tiny"

func (m *modelFlags) options() (runner.Options, error) {
	o := runner.Options{Threads: m.threads, Chunk: m.chunk, Device: m.device, Kernels: m.kernels, GPUMath: m.gpuMath, GPUMemory: int64(m.gpuMemory) << 20, Pre: m.pre, Context: m.longContext, Fast: m.fast}
	for t, name := range kvNames {
		if name == m.kvType {
			o.KV = t
			return o, nil
		}
	}
	return o, usagef("--cache-type %q: known are f32 and f16", m.kvType)
}

// open opens the model.
func (m *modelFlags) open() (*runner.Model, error) {
	o, err := m.options()
	if err != nil {
		return nil, err
	}
	if m.model == "" {
		return runner.OpenBytes(builtIn, fixtures.Tiny(), o)
	}
	model, err := runner.Open(m.model, o)
	if err == nil {
		for _, w := range model.Config().Warnings {
			fmt.Fprintf(os.Stderr, "warning: %s: %s\n", m.model, w)
		}
	}
	return model, err
}

// planFlags say which trials run and what counts as an answer.
type planFlags struct {
	needles              []string
	haystacks            []string
	lengths, depths      string
	generate, count      int
	seed                 uint64
	decode, judge, chat  string
	think                string // "": as the template renders
	chatVars             []string
	trials, preset       string
	buffer               *int // nil: by length
	keepSink, duplicates bool
	publishedDepths      bool           // needles are placed by the published rule
	thinking             *chat.Thinking // of the model's template, once a frame is made
}

func (p *planFlags) register(f *pflag.FlagSet) {
	pathsVar(f, &p.needles, "needles", []string{"retrieval", "reasoning"}, "needle sets: retrieval, reasoning, or JSONL `files`")
	f.IntVar(&p.generate, "generate", 0, "make so many needles of each kind named by --needles, from --seed, instead of the embedded sets")
	pathsVar(f, &p.haystacks, "haystack", nil, "UTF-8 text `files` to hide needles in, joined (default: embedded text)")
	f.StringVar(&p.lengths, "lengths", "", "context lengths in tokens: 512:4096:8 (first:last:how many) or 512,1024 (default: four up to 4096 or the model's limit)")
	f.StringVar(&p.depths, "depths", "10", "needle depths in percent: how many from 0 to 100, or a list such as 0,50,100 (one depth: 50%)")
	f.IntVar(&p.count, "count", defaultCount, "run a balanced sample of so many trials; 0 runs all of them")
	f.Uint64Var(&p.seed, "seed", 1, "seed of the sample, of generated needles and of the bootstrap")
	f.StringVar(&p.decode, "decode", "greedy", "greedy (judge the model's own answer) or forced (teacher forcing of the expected answer; every trial counts)")
	f.StringVar(&p.judge, "judge", "window", "window (best matching part of the answer) or f1 (the published rule)")
	p.registerChat(f)
	optionalInt(f, &p.buffer, "buffer", "tokens of each length kept free for question and answer (default 200, or 32 below length 1000)")
	f.StringVar(&p.trials, "trials", "", "run the trials of a JSONL `file` as they are: id, prompt_ids, span, answer_ids")
	f.StringVar(&p.preset, "preset", "", "published: every setting of HeadKV's own runs at once")
}

// bufferSize is --buffer as needle.Options has it.
func (p *planFlags) bufferSize() int {
	switch {
	case p.buffer == nil:
		return 0
	case *p.buffer == 0:
		return needle.NoBuffer
	}
	return *p.buffer
}

// registerChat registers the flags of the chat template.
func (p *planFlags) registerChat(f *pflag.FlagSet) {
	f.StringVar(&p.chat, "chat", "auto", "wrap prompts in the model's chat template: auto, on or off")
	f.StringArrayVar(&p.chatVars, "chat-var", nil, "set a variable of the chat template, such as enable_thinking=false: `key=value`, the value JSON or a text (repeat it for several)")
	f.StringVar(&p.think, "think", "off", "models that think before they answer: off, a number of `tokens` to think at most (the answer alone is judged, both are scored), or template (as the chat template renders by itself)")
}

// defaultCount is the trials of a run unless --count says otherwise.
const defaultCount = 120

// applyPreset sets what the user did not set himself.
func (p *planFlags) applyPreset(f *pflag.FlagSet, context int) error {
	switch p.preset {
	case "":
		return nil
	case "published":
	default:
		return usagef("--preset %q: the only preset is published", p.preset)
	}
	set := func(name, value string) {
		if !f.Changed(name) {
			// The flag exists and the value is well-formed.
			_ = f.Set(name, value)
		}
	}
	set("chat", "off")
	set("judge", "f1")
	set("needles", "reasoning")
	// 20 lengths up to 5000, 263 tokens apart; no closer where the model holds less.
	longest := min(5000, context)
	set("lengths", fmt.Sprintf("0:%d:%d", longest, min(20, longest/263+1)))
	set("depths", "10")
	set("buffer", "200")
	set("count", "0")
	p.keepSink, p.duplicates, p.publishedDepths = true, true, true
	return nil
}

// plan makes the trials for a model and their rules.
func (p *planFlags) plan(m *runner.Model, e probe.Model, f *pflag.FlagSet, block int) (*probe.Plan, error) {
	if err := p.applyPreset(f, e.Context()); err != nil {
		return nil, err
	}
	for _, n := range []struct {
		flag  string
		value int
	}{{"count", p.count}, {"generate", p.generate}} {
		if n.value < 0 {
			return nil, usagef("--%s %d is negative", n.flag, n.value)
		}
	}
	rules := probe.Rules{Decode: probe.Decode(p.decode), KeepSink: p.keepSink}
	switch rules.Decode {
	case probe.Greedy:
		j, err := needle.JudgeByName(p.judge)
		if err != nil {
			return nil, usagef("--judge: %w", err)
		}
		rules.Judge = j
	case probe.Forced:
	default:
		return nil, usagef("--decode %q: known are greedy and forced", p.decode)
	}
	trials, err := p.list(m, e, f)
	if err != nil {
		return nil, err
	}
	rules.Thinking = p.rules(m)
	options := probe.PlanOptions{Rules: rules, Block: block, Seed: p.seed, Params: p.params()}
	if p.trials != "" && f.Changed("count") {
		options.Count = p.count
	}
	return probe.NewPlan(e, trials, options)
}

// list reads or composes the trials.
func (p *planFlags) list(m *runner.Model, e probe.Model, f *pflag.FlagSet) ([]*probe.Trial, error) {
	if p.trials != "" {
		if len(p.chatVars) > 0 {
			return nil, usagef("--chat-var has no effect with --trials: the prompts are in the file")
		}
		if think, err := chat.ParseThink(p.think); err == nil && think.Tokens == 0 && f.Changed("think") {
			return nil, usagef("--think %s has no effect with --trials: the prompts are in the file", p.think)
		} else if err != nil || think.Tokens > 0 {
			if _, err := p.frame(m); err != nil {
				return nil, err
			}
		}
		file, err := textfile.Open(p.trials)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		return probe.ReadTrials(p.trials, file)
	}
	frame, err := p.frame(m)
	if err != nil {
		return nil, err
	}
	g := probe.Grid{Frame: frame, Buffer: p.bufferSize(), Count: p.count, Seed: p.seed, Duplicates: p.duplicates, Published: p.publishedDepths, KeepSink: p.keepSink}
	// Depths that the user lists are taken exactly; a grid of so many depths may
	// move its first ones away from the attention sink.
	if listed := strings.ContainsAny(p.depths, ",%"); !p.keepSink && !listed {
		g.KeepBefore = probe.KeepBefore(frame)
	}
	if p.lengths == "" {
		thinking := p.rules(m).Steps(p.decode == string(probe.Forced))
		p.lengths = defaultLengths(e.Context(), len(frame.Prefix)+len(frame.Suffix)+thinking, m.Name() == builtIn)
	}
	if g.Lengths, err = probe.ParseLengths(p.lengths); err != nil {
		return nil, usagef("--lengths: %w", err)
	}
	if g.Depths, err = probe.ParseDepths(p.depths); err != nil {
		return nil, usagef("--depths: %w", err)
	}
	if g.Needles, err = p.needleSets(m.Name() == builtIn); err != nil {
		return nil, err
	}
	h, err := p.haystack(m.Name() == builtIn)
	if err != nil {
		return nil, err
	}
	g.Haystacks = []*needle.Haystack{h}
	return g.Trials(e)
}

// defaultLengths are four lengths up to 4096 tokens or what the model holds
// with space for question and answer. The shortest holds the longest needle: of
// the embedded sets 140 tokens or so, of the tiny model's own fewer.
func defaultLengths(context, frame int, tiny bool) string {
	shortest := 256
	if tiny {
		shortest = 128
	}
	top := min(4096, context-frame-64)
	if top < 64 {
		return strconv.Itoa(max(1, context/2))
	}
	return fmt.Sprintf("%d:%d:4", max(top/8, min(shortest, top)), top)
}

func (p *planFlags) needleSets(tiny bool) ([]needle.Needle, error) {
	return p.collect(func(name string) (*needle.Set, error) { return p.needleSet(name, tiny) })
}

// collect joins the sets that --needles names.
func (p *planFlags) collect(set func(name string) (*needle.Set, error)) ([]needle.Needle, error) {
	var all []needle.Needle
	for _, name := range p.needles {
		s, err := set(name)
		if err != nil {
			return nil, err
		}
		all = append(all, s.Needles...)
	}
	if len(all) == 0 {
		return nil, usagef("--needles names no set")
	}
	return all, nil
}

func (p *planFlags) needleSet(name string, tiny bool) (*needle.Set, error) {
	kind := needle.Kind(name)
	known := kind == needle.Retrieval || kind == needle.Reasoning
	switch {
	case known && p.generate > 0:
		return needle.Generate(kind, p.generate, p.seed)
	case known && tiny:
		return needle.ReadSet(name, strings.NewReader(string(fixtures.TinyNeedles(name))))
	case known:
		return needle.EmbeddedSet(kind)
	case p.generate > 0:
		return nil, usagef("--generate makes needles of a kind, but --needles names the file %s", name)
	}
	s, err := needle.LoadSet(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, usagef("--needles %q is neither a kind (retrieval, reasoning) nor a file", name)
	}
	return s, err
}

func (p *planFlags) haystack(tiny bool) (*needle.Haystack, error) {
	switch {
	case len(p.haystacks) > 0:
		return needle.LoadHaystack(p.haystacks...)
	case tiny:
		return needle.NewHaystack(builtIn, fixtures.TinyHaystack())
	}
	return needle.EmbeddedHaystack(), nil
}

// frame is what stands around every prompt: BOS, and the chat template's text.
func (p *planFlags) frame(m *runner.Model) (needle.Frame, error) {
	t, template := m.Tokenizer(), m.ChatTemplate()
	var f needle.Frame
	var framed chat.Framed
	think := chat.Think{AsTemplate: true}
	if p.think != "" {
		var err error
		if think, err = chat.ParseThink(p.think); err != nil {
			return f, usagef("--think: %w", err)
		}
	}
	on := p.chat == "on" || (p.chat == "auto" && template != "")
	switch {
	case p.chat != "on" && p.chat != "off" && p.chat != "auto":
		return f, usagef("--chat %q: known are auto, on and off", p.chat)
	case on && template == "":
		return f, fmt.Errorf("%s has no chat template; run without it: --chat off", m.Name())
	case !on && think.Tokens > 0 && template == "":
		return f, usagef("--think %s: %s has no chat template, by which a model is asked to think", p.think, m.Name())
	case !on && think.Tokens > 0:
		return f, usagef("--think %s: a model thinks by its chat template; leave out --chat off", p.think)
	}
	variables, err := chat.ParseVariables(p.chatVars)
	switch {
	case err != nil:
		return f, usagef("--chat-var: %w", err)
	case len(variables) > 0 && p.chat == "off":
		return f, usagef("--chat-var has no effect with --chat off")
	case len(variables) > 0 && !on:
		return f, usagef("--chat-var: %s has no chat template", m.Name())
	}
	if on {
		framed, err = frameTexts(t, template, variables, think)
		switch {
		case errors.Is(err, chat.ErrUnread):
			return f, usagef("%w", err)
		case errors.Is(err, chat.ErrNoThinking):
			return f, usagef("--think %s: %s: %w", p.think, m.Name(), err)
		case errors.Is(err, chat.ErrNoSwitch):
			return f, usagef("%s: %w; choose --think N (up to N tokens of thinking before the answer) or --think template (the prompt as the template writes it, and all of the output is the answer)", m.Name(), err)
		case err != nil:
			return f, fmt.Errorf("%s: %w", m.Name(), err)
		}
	}
	p.thinking = framed.Thinking
	f.Prefix, f.Suffix = t.Frame(framed.Before, framed.After)
	return f, nil
}

// rules are those of a thinking model; nil where it does not think.
func (p *planFlags) rules(m *runner.Model) *probe.Thinking {
	think, err := chat.ParseThink(p.think)
	if err != nil || think.Tokens == 0 || p.thinking == nil {
		return nil
	}
	_, shut := m.Tokenizer().Frame("", p.thinking.Shut)
	return &probe.Thinking{Thinking: *p.thinking, Tokens: think.Tokens, Shut: shut}
}

// frameTexts are what a chat template puts before and after a user's text.
func frameTexts(t *tokenizer.Tokenizer, template string, variables chat.Variables, think chat.Think) (chat.Framed, error) {
	text := func(id int32, _ bool) string {
		if id < 0 {
			return ""
		}
		return t.Text(id)
	}
	return chat.Wrap(template, text(t.BOS()), text(t.EOS()), variables, think)
}

// params describe the plan in the manifest, so that a refusal can name the
// flag that differs. Files go by their names: the plan's hash knows their text,
// and a run may be continued from another folder.
func (p *planFlags) params() map[string]string {
	if p.trials != "" {
		return map[string]string{"trials": filepath.Base(p.trials)}
	}
	out := map[string]string{
		"needles": names(p.needles), "lengths": p.lengths, "depths": p.depths,
		"count": strconv.Itoa(p.count), "chat": p.chat,
	}
	if len(p.haystacks) > 0 {
		out["haystack"] = names(p.haystacks)
	}
	if p.generate > 0 {
		out["generate"] = strconv.Itoa(p.generate)
	}
	if p.buffer != nil {
		out["buffer"] = strconv.Itoa(*p.buffer)
	}
	if p.preset != "" {
		out["preset"] = p.preset
	}
	// A number of tokens stands among the settings: it is no matter of prompts.
	if think, err := chat.ParseThink(p.think); err == nil && think.Tokens == 0 && p.thinking != nil {
		out["think"] = p.think
	}
	if len(p.chatVars) > 0 {
		vars := slices.Clone(p.chatVars)
		slices.Sort(vars)
		out["chat-var"] = strings.Join(vars, " ")
	}
	return out
}

func names(paths []string) string {
	var all []string
	for _, p := range paths {
		all = append(all, filepath.Base(p))
	}
	return strings.Join(all, ",")
}
