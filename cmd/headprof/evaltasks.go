package main

import (
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"headprof/export/textfile"
	"headprof/fixtures"
	"headprof/needle"
	"headprof/probe"
	"headprof/probe/evaluate"
	"headprof/runner"
	"headprof/runner/chat"
)

// taskFlags say which prompts eval and ablate run.
type taskFlags struct {
	tasks           []string
	maxLength, each int
	plan            planFlags
	columns         map[string]string // checksums of the columns of files whose layout is known
}

// heldOutSeed makes needles that no default profile has seen.
const heldOutSeed = 101

func (t *taskFlags) register(f *pflag.FlagSet, count int) {
	p := &t.plan
	pathsVar(f, &t.tasks, "tasks", []string{"needle"}, "needle; ruler:KIND,KIND,… (niah-single, niah-multikey, niah-multivalue, niah-multiquery, vt, cwe, fwe, qa); JSONL `files`: LongBench, LooGLE short-dependency QA, or question, context, answers; files of a fixed layout: longbench:NAME:FILE, loogle-long:FILE")
	pathsVar(f, &p.needles, "needles", []string{"retrieval", "reasoning"}, "needle kinds (retrieval, reasoning) or JSONL `files`")
	f.IntVar(&p.generate, "generate", 12, "held-out needles to make of each kind, from --seed")
	pathsVar(f, &p.haystacks, "haystack", nil, "UTF-8 text `files` to hide needles in, joined (default: embedded text)")
	f.StringVar(&p.lengths, "lengths", "", "context lengths in tokens: 512:4096:8 (first:last:how many) or 512,1024 (default: four up to 4096 or the model's limit; of RULER's the longest alone)")
	f.StringVar(&p.depths, "depths", "10", "needle depths in percent: how many from 0 to 100, or a list such as 0,50,100")
	f.IntVar(&p.count, "count", count, "run a balanced sample of so many needle prompts (0: all of them), and so many of each of RULER's kinds")
	f.Uint64Var(&p.seed, "seed", heldOutSeed, "seed of needles, sample and bootstrap; not the one of the profile, or its needles come again")
	p.registerChat(f)
	f.StringVar(&p.judge, "judge", "window", "needles: window (best matching part of the answer) or f1 (the published rule)")
	optionalInt(f, &p.buffer, "buffer", "tokens of each length kept free for question and answer (default 200, or 32 below length 1000)")
	f.IntVar(&t.maxLength, "max-length", 0, "JSONL tasks: longest prompt in tokens, cut in its middle (default: what the model holds)")
	f.IntVar(&t.each, "each", 0, "JSONL tasks: take the first so many lines of each file (default: all)")
	atLeast(f, 1, "generate", "max-length", "each")
	atLeast(f, 0, "count")
}

// items makes the prompts.
func (t *taskFlags) items(m *runner.Model, e probe.Model) ([]*evaluate.Item, error) {
	if think, err := chat.ParseThink(t.plan.think); err == nil && think.Tokens > 0 {
		return nil, usagef("--think %s: eval and ablate compare answers that follow the prompt at once; take --think off, or score the model's thinking with 'headprof score'", t.plan.think)
	}
	sources, err := taskSources(t.tasks)
	if err != nil {
		return nil, err
	}
	lengths := t.plan.lengths // as given: those of needle and of RULER differ where none are
	var all []*evaluate.Item
	for _, s := range sources {
		var items []*evaluate.Item
		switch {
		case s.ruler != "":
			items, err = t.rulerItems(m, e, s.ruler, lengths)
		case s.path == needleTask:
			items, err = t.needleItems(m, e)
		default:
			items, err = t.fileItems(m, e, s)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, items...)
	}
	return all, nil
}

func (t *taskFlags) needleItems(m *runner.Model, e probe.Model) ([]*evaluate.Item, error) {
	p := &t.plan
	judge, err := needle.JudgeByName(p.judge)
	if err != nil {
		return nil, usagef("--judge: %w", err)
	}
	tiny := m.Name() == builtIn
	frame, err := p.frame(m)
	if err != nil {
		return nil, err
	}
	g := probe.Grid{Frame: frame, Buffer: p.bufferSize(), Count: p.count, Seed: p.seed, KeepBefore: probe.KeepBefore(frame)}
	if p.lengths == "" {
		p.lengths = defaultLengths(e.Context(), len(frame.Prefix)+len(frame.Suffix), tiny)
	}
	if g.Lengths, err = probe.ParseLengths(p.lengths); err != nil {
		return nil, usagef("--lengths: %w", err)
	}
	if g.Depths, err = probe.ParseDepths(p.depths); err != nil {
		return nil, usagef("--depths: %w", err)
	}
	if g.Needles, err = t.heldOut(tiny); err != nil {
		return nil, err
	}
	h, err := p.haystack(tiny)
	if err != nil {
		return nil, err
	}
	g.Haystacks = []*needle.Haystack{h}
	trials, err := g.Trials(e)
	if err != nil {
		return nil, err
	}
	plan, err := probe.NewPlan(e, trials, probe.PlanOptions{Rules: probe.Rules{Decode: probe.Greedy, Judge: judge}, Seed: p.seed})
	if err != nil {
		return nil, err
	}
	return evaluate.Needles(e, plan.Trials, judge)
}

// heldOut makes needles of the kinds asked for, or reads those of a file. The
// built-in model knows only its own small language.
func (t *taskFlags) heldOut(tiny bool) ([]needle.Needle, error) {
	p := &t.plan
	return p.collect(func(name string) (*needle.Set, error) {
		kind := needle.Kind(name)
		switch {
		case kind != needle.Retrieval && kind != needle.Reasoning:
			files := planFlags{needles: p.needles}
			return files.needleSet(name, tiny)
		case !tiny:
			return needle.Generate(kind, p.generate, p.seed)
		}
		set, err := needle.ReadSet("held-out", strings.NewReader(string(fixtures.TinyHeldout())))
		if err != nil {
			return nil, err
		}
		set.Needles = slices.DeleteFunc(set.Needles, func(n needle.Needle) bool { return n.Kind != kind })
		set.Needles = set.Needles[:min(len(set.Needles), p.generate)]
		return set, nil
	})
}

// rulerItems makes prompts of one of RULER's tasks.
func (t *taskFlags) rulerItems(m *runner.Model, e probe.Model, kind needle.RulerKind, lengths string) ([]*evaluate.Item, error) {
	p := &t.plan
	if p.count == 0 {
		return nil, usagef("--count 0: RULER's prompts are made, not sampled; say how many of each kind")
	}
	frame, err := p.frame(m)
	if err != nil {
		return nil, err
	}
	o := evaluate.RulerOptions{Kinds: []needle.RulerKind{kind}, Lengths: []int{min(rulerLength, e.Context())}, Count: p.count, Seed: p.seed, Frame: frame}
	if lengths != "" {
		if o.Lengths, err = probe.ParseLengths(lengths); err != nil {
			return nil, usagef("--lengths: %w", err)
		}
	}
	tiny := m.Name() == builtIn
	if o.Haystack, err = p.haystack(tiny); err != nil {
		return nil, err
	}
	if kind == needle.DocumentQA {
		own := *t
		own.plan.needles, own.plan.generate = []string{string(needle.Retrieval)}, rulerFacts
		if o.Needles, err = own.heldOut(tiny); err != nil {
			return nil, err
		}
	}
	return evaluate.Ruler(e, o)
}

// RULER's prompts unless flags say otherwise: their length, and the facts that
// documents are made of.
const (
	rulerLength = 4096
	rulerFacts  = 2000
)

func (t *taskFlags) fileItems(m *runner.Model, e probe.Model, s taskSource) ([]*evaluate.Item, error) {
	f, err := textfile.Open(s.path)
	if os.IsNotExist(err) {
		if s.layout.Name != "" {
			return nil, usagef("--tasks: there is no file %q with the layout of %s", s.path, s.layout.Name)
		}
		return nil, usagef("--tasks %q is neither needle, ruler:KIND, %s nor a file", s.path, evaluate.LayoutUsage())
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	frame, err := t.plan.frame(m)
	if err != nil {
		return nil, err
	}
	bare := t.plan
	bare.chat, bare.chatVars = "off", nil
	plain, err := bare.frame(m)
	if err != nil {
		return nil, err
	}
	o := evaluate.TaskOptions{Frame: frame, Bare: plain, MaxLength: t.maxLength, Limit: t.each}
	if s.layout.Name == "" {
		return evaluate.ReadTask(s.path, f, e, o)
	}
	items, columns, err := evaluate.ReadLayout(s.layout, s.path, f, e, o)
	if t.columns == nil {
		t.columns = map[string]string{}
	}
	t.columns[s.layout.Name] = columns
	return items, err
}

// params describe the tasks in the manifest.
func (t *taskFlags) params() map[string]string {
	out := t.plan.params()
	delete(out, "preset")
	out["tasks"] = strings.Join(t.tasks, ",")
	maps.Copy(out, t.columns)
	out["judge"] = t.plan.judge
	return out
}
