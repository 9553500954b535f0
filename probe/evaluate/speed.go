package evaluate

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"headprof/probe"
	"headprof/runner"
	"headprof/runner/kvcache"
)

// Speed is how fast a model decodes with one cache, and what it holds.
type Speed struct {
	Variant
	PromptTokens int
	Steps        int       // of each repeat
	Rates        []float64 // tokens/s of each repeat
	Prefill      float64   // seconds, mean of the repeats
	Compress     float64   // seconds, mean of the repeats
	Kept         Size
	Allocated    int64 // bytes of the cache, its tiles included
	// Resident and Anonymous are the process's resident memory before
	// decoding, and the part of it that no file backs (the cache is in it, the
	// mapped weights are not); 0 where the system does not tell.
	Resident, Anonymous int64
}

// Rate is the median of the repeats, tokens/s.
func (s Speed) Rate() float64 {
	r := slices.Sorted(slices.Values(s.Rates))
	if n := len(r); n%2 == 0 && n > 0 {
		return (r[n/2-1] + r[n/2]) / 2
	} else if n > 0 {
		return r[n/2]
	}
	return math.NaN()
}

// MeasureSpeed prefills one prompt, compresses its cache in place, and decodes
// a number of tokens, for each variant in turn and so many times over. Nothing
// but the one cache is in memory then.
func MeasureSpeed(ctx context.Context, m *runner.Model, it *Item, s Setting, vs []Variant, steps, repeats int, progress func(done, total int)) ([]Speed, error) {
	e, err := probe.ModelOf(m)
	if err != nil {
		return nil, err
	}
	if n := len(it.Prompt) + steps; n > m.Config().Context {
		return nil, fmt.Errorf("%s: a prompt of %d tokens and %d decoded ones are over the model's limit of %d", it.ID, len(it.Prompt), steps, m.Config().Context)
	}
	ev := newEvaluator(m, e, s, vs)
	ev.noReuse = true
	defer ev.prefix.Close()
	if err := s.check(vs, ev.cache, len(it.Prompt)); err != nil {
		return nil, err
	}
	out := make([]Speed, len(vs))
	for r := range repeats {
		for i, v := range vs {
			if err := ev.speed(ctx, it, v, steps, &out[i]); err != nil {
				return nil, fmt.Errorf("policy %s, capacity %d: %w", v.Policy, v.Capacity, err)
			}
			if progress != nil {
				progress(r*len(vs)+i+1, repeats*len(vs))
			}
		}
	}
	for i := range out {
		out[i].Prefill /= float64(repeats)
		out[i].Compress /= float64(repeats)
	}
	return out, nil
}

func (ev *evaluator) speed(ctx context.Context, it *Item, v Variant, steps int, out *Speed) error {
	ev.prefix.Close()
	session, observer, times, err := ev.prefill(ctx, it.Prompt)
	if err != nil {
		return err
	}
	defer ev.prefix.Close()
	n := len(it.Prompt)
	start := time.Now()
	if err := session.Truncate(n - 1); err != nil {
		return err
	}
	policy, err := ev.setting.policy(v, ev.cache, n)
	if err != nil {
		return err
	}
	if !kvcache.Watches(policy) {
		observer = nil
	}
	if err := kvcache.Compress(session.Cache(), ev.shape, policy, observer, n); err != nil {
		return err
	}
	out.Compress += time.Since(start).Seconds()
	observer = nil
	next := it.Prompt[n-1]
	step := func() error {
		logits, err := session.Extend(ctx, []int32{next}, runner.Watch{Logits: []int{session.Len()}})
		if err != nil {
			return err
		}
		next, err = probe.Argmax(logits[0])
		return err
	}
	if err := step(); err != nil {
		return err
	}
	debug.FreeOSMemory()
	out.Variant, out.PromptTokens, out.Steps = v, n, steps
	out.Prefill += times.Seconds
	out.Kept, out.Allocated = ev.size(session.Cache().Entries), session.Bytes()
	out.Resident, out.Anonymous = resident()
	start = time.Now()
	for range steps {
		if err := step(); err != nil {
			return err
		}
	}
	out.Rates = append(out.Rates, float64(steps)/time.Since(start).Seconds())
	return nil
}

// resident reads the process's resident memory where Linux tells it.
func resident() (all, anonymous int64) {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		kib, _ := strconv.ParseInt(f[1], 10, 64)
		switch f[0] {
		case "VmRSS:":
			all = kib << 10
		case "RssAnon:":
			anonymous = kib << 10
		}
	}
	return all, anonymous
}

// WriteSpeeds writes speed.csv and gives its path.
func WriteSpeeds(dir string, speeds []Speed) (string, error) {
	type c = column[Speed]
	path := filepath.Join(dir, "speed.csv")
	return path, writeCSV(path, speeds, []c{
		{"policy", func(s Speed) string { return s.Policy }},
		{"capacity", func(s Speed) string { return capacityText(s.Capacity) }},
		{"prompt_tokens", func(s Speed) string { return strconv.Itoa(s.PromptTokens) }},
		{"steps", func(s Speed) string { return strconv.Itoa(s.Steps) }},
		{"decode_tokens_per_second", func(s Speed) string { return number(s.Rate(), 2) }},
		{"prefill_seconds", func(s Speed) string { return number(s.Prefill, 3) }},
		{"compress_seconds", func(s Speed) string { return number(s.Compress, 4) }},
		{"entries", func(s Speed) string { return strconv.FormatInt(s.Kept.Entries, 10) }},
		{"cache_bytes", func(s Speed) string { return strconv.FormatInt(s.Kept.Bytes, 10) }},
		{"allocated_bytes", func(s Speed) string { return strconv.FormatInt(s.Allocated, 10) }},
		{"resident_bytes", func(s Speed) string { return strconv.FormatInt(s.Resident, 10) }},
		{"anonymous_bytes", func(s Speed) string { return strconv.FormatInt(s.Anonymous, 10) }},
	})
}
