package main

import (
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
)

// taskFlags say which prompts eval and ablate run.
type taskFlags struct {
	tasks           []string
	maxLength, each int
	plan            planFlags
}

// heldOutSeed makes needles that no default profile has seen.
const heldOutSeed = 101

func (t *taskFlags) register(f *pflag.FlagSet, count int) {
	p := &t.plan
	pathsVar(f, &t.tasks, "tasks", []string{"needle"}, "needle, or JSONL `files`: LongBench, LooGLE short-dependency QA, or question, context, answers")
	pathsVar(f, &p.needles, "needles", []string{"retrieval", "reasoning"}, "needle kinds (retrieval, reasoning) or JSONL `files`")
	f.IntVar(&p.generate, "generate", 12, "held-out needles to make of each kind, from --seed")
	pathsVar(f, &p.haystacks, "haystack", nil, "UTF-8 text `files` to hide needles in, joined (default: embedded text)")
	f.StringVar(&p.lengths, "lengths", "", "context lengths in tokens: 512:4096:8 (first:last:how many) or 512,1024 (default: four up to 4096 or the model's limit)")
	f.StringVar(&p.depths, "depths", "10", "needle depths in percent: how many from 0 to 100, or a list such as 0,50,100")
	f.IntVar(&p.count, "count", count, "run a balanced sample of so many needle prompts; 0 runs all of them")
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
	var all []*evaluate.Item
	names := map[string]bool{}
	for _, task := range t.tasks {
		if names[task] {
			return nil, usagef("--tasks names %s twice", task)
		}
		names[task] = true
		var items []*evaluate.Item
		var err error
		if task == "needle" {
			items, err = t.needleItems(m, e)
		} else {
			items, err = t.fileItems(m, e, task)
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

func (t *taskFlags) fileItems(m *runner.Model, e probe.Model, path string) ([]*evaluate.Item, error) {
	f, err := textfile.Open(path)
	if os.IsNotExist(err) {
		return nil, usagef("--tasks %q is neither needle nor a file", path)
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
	return evaluate.ReadTask(path, f, e, evaluate.TaskOptions{Frame: frame, Bare: plain, MaxLength: t.maxLength, Limit: t.each})
}

// params describe the tasks in the manifest.
func (t *taskFlags) params() map[string]string {
	out := t.plan.params()
	delete(out, "preset")
	out["tasks"] = strings.Join(t.tasks, ",")
	out["judge"] = t.plan.judge
	return out
}
