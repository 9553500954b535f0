package main

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"headprof/probe"
	"headprof/runner"
)

type forecastFlags struct {
	modelFlags
	planFlags
	hours   float64
	workers int
	json    bool
}

func newPlan() *cobra.Command {
	var f forecastFlags
	c := &cobra.Command{
		Use:   "plan --model FILE --hours 8 --workers 16",
		Short: "Estimate the cost of a run, or how much of it fits a budget",
		Long: `Say what 'headprof score' would take with the same flags, on one machine or in as
many shards as there are workers: trials, tokens, time, memory, and the command
lines. Times are those of workers like this machine, from a calibration of at
most 30 seconds. With --hours and without --count it finds the largest balanced
sample that fits. Nothing is run.`,
		Example: `  headprof plan --model model.gguf --lengths 512:32768:8
  headprof plan --model model.gguf --hours 8 --workers 16`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	fs := c.Flags()
	fs.SortFlags = false
	f.modelFlags.register(fs)
	f.planFlags.register(fs)
	fs.Float64Var(&f.hours, "hours", 0, "time that each worker has")
	fs.IntVar(&f.workers, "workers", 1, "machines, each with one shard")
	fs.BoolVar(&f.json, "json", false, "print one JSON object on stdout")
	atLeast(fs, 1, "workers")
	return c
}

// forecast is what a plan takes in shards.
type forecast struct {
	trials int
	whole  int64 // tokens in one run
	shards []shardForecast
}

type shardForecast struct {
	trials int
	tokens int64
	time   time.Duration
}

func (f *forecast) tokens() (n int64) {
	for _, s := range f.shards {
		n += s.tokens
	}
	return n
}

func (f *forecast) total() (d time.Duration) {
	for _, s := range f.shards {
		d += s.time
	}
	return d
}

// span is the time of the fastest and the slowest shard.
func (f *forecast) span() (least, most time.Duration) {
	least = math.MaxInt64
	for _, s := range f.shards {
		least, most = min(least, s.time), max(most, s.time)
	}
	return least, most
}

func (f *forecastFlags) run(cmd *cobra.Command) error {
	if f.hours < 0 {
		return usagef("--hours %v is negative", f.hours)
	}
	model, err := f.open()
	if err != nil {
		return err
	}
	defer model.Close()
	e, err := probe.ModelOf(model)
	if err != nil {
		return err
	}
	search := f.hours > 0 && !cmd.Flags().Changed("count") && f.preset == "" && f.trials == ""
	plan, err := f.plan(model, e, cmd.Flags(), 0)
	if err != nil {
		return err
	}
	_, memory, err := fitMemory(model, plan, true)
	if err != nil {
		return err
	}
	longest := 0
	for _, t := range plan.Trials {
		longest = max(longest, t.PromptTokens)
	}
	speed, err := calibrate(cmd.Context(), model, longest, f.modelFlags.chunk)
	if err != nil {
		return err
	}
	budget := time.Duration(f.hours * float64(time.Hour))
	x, err := f.forecast(plan, speed)
	if err != nil {
		return err
	}
	if search {
		if x, err = f.largest(cmd.Flags(), model, e, speed, x, budget); err != nil {
			return err
		}
	}
	f.print(cmd, model, memory, speed, x, budget)
	return nil
}

// forecast cuts a plan into the workers' shards and prices each.
func (f *forecastFlags) forecast(p *probe.Plan, speed *speed) (*forecast, error) {
	cost, err := p.EstimateCost(true)
	if err != nil {
		return nil, err
	}
	x := &forecast{trials: len(p.Trials), whole: cost.Planned}
	for s := 1; s <= f.workers; s++ {
		shard, err := p.Shard(s, f.workers)
		if err != nil {
			return nil, usagef("--workers: %w", err)
		}
		cost, err := shard.EstimateCost(true)
		if err != nil {
			return nil, err
		}
		part := shardForecast{trials: len(shard.Trials), tokens: cost.Planned}
		for i, t := range shard.Trials {
			part.time += speed.trial(cost.PerTrial[i], t.PromptTokens)
		}
		x.shards = append(x.shards, part)
	}
	return x, nil
}

// largest finds the largest sample whose slowest shard fits a budget, to within
// a twentieth.
func (f *forecastFlags) largest(fs *pflag.FlagSet, m *runner.Model, e probe.Model, speed *speed, first *forecast, budget time.Duration) (*forecast, error) {
	try := func(count int) (*forecast, error) {
		f.count = count
		p, err := f.plan(m, e, fs, 0)
		if err != nil {
			return nil, err
		}
		return f.forecast(p, speed)
	}
	fits := func(x *forecast) bool { _, most := x.span(); return most <= budget }
	least := f.workers // a trial each
	low, high := (*forecast)(nil), first
	if fits(first) {
		low, high = first, nil
	}
	for high == nil {
		x, err := try(2 * low.trials)
		if err != nil {
			return nil, err
		}
		switch {
		case !fits(x):
			high = x
		case x.trials < 2*low.trials: // all there are
			f.count = 0
			return x, nil
		default:
			low = x
		}
	}
	for low == nil || high.trials-low.trials > max(1, low.trials/20) {
		n := high.trials / 2
		if low != nil {
			n = (low.trials + high.trials) / 2
		}
		if n < least {
			return nil, fmt.Errorf("not even %d trials, one of a worker, fit %s; take more --hours, shorter --lengths or --int8", least, durationText(budget))
		}
		x, err := try(n)
		if err != nil {
			return nil, err
		}
		if fits(x) {
			low = x
		} else {
			high = x
		}
	}
	f.count = low.trials
	return low, nil
}

func (f *forecastFlags) print(cmd *cobra.Command, m *runner.Model, memory runner.Memory, speed *speed, x *forecast, budget time.Duration) {
	least, most := x.span()
	run, merge := f.commands(cmd.Flags())
	out := cmd.OutOrStdout()
	if f.json {
		var shards []map[string]any
		for i, s := range x.shards {
			shards = append(shards, map[string]any{"shard": i + 1, "trials": s.trials, "tokens": s.tokens, "seconds": math.Round(s.time.Seconds())})
		}
		r := map[string]any{"model": m.Name(), "trials": x.trials, "tokens": x.tokens(), "tokens_one_run": x.whole, "shards": shards, "memory_bytes": memory.Total(),
			"tokens_per_second": math.Round(1 / speed.at(0)), "seconds": math.Round(most.Seconds()), "seconds_total": math.Round(x.total().Seconds()), "commands": append([]string{run}, merge...)}
		if budget > 0 {
			r["fits"] = most <= budget
		}
		printJSON(out, r)
		return
	}
	row := func(name, format string, a ...any) { fmt.Fprintf(out, "%-12s %s\n", name, fmt.Sprintf(format, a...)) }
	row("model", "%s, on %s (%s)", m.Name(), f.device, m.Kernels())
	row("trials", "%s", thousands(int64(x.trials)))
	if f.workers > 1 {
		row("tokens", "%s in %d shards, %+.0f %% against one run", thousands(x.tokens()), f.workers, 100*(float64(x.tokens())/float64(x.whole)-1))
	} else {
		row("tokens", "%s", thousands(x.whole))
	}
	row("calibration", "%.0f tokens/s at the start of a prompt, %.0f at token %s (%s)", 1/speed.at(0), 1/speed.at(speed.longest), thousands(int64(speed.longest)), durationText(speed.took))
	if f.workers > 1 {
		row("time", "%s the slowest shard, %s the fastest, %s in all", durationText(most), durationText(least), durationText(x.total()))
	} else {
		row("time", "%s", durationText(most))
	}
	if budget > 0 {
		fits := "fits"
		if most > budget {
			fits = "does not fit"
		}
		row("budget", "%s each: %s", durationText(budget), fits)
	}
	row("memory", "%s", memoryText(memory)+each(f.workers))
	fmt.Fprintf(out, "\n  %s\n", run)
	for _, l := range merge {
		fmt.Fprintf(out, "  %s\n", l)
	}
}

func each(workers int) string {
	if workers > 1 {
		return ", each"
	}
	return ""
}

// commands are the command lines of the run and, of shards, the merge.
func (f *forecastFlags) commands(fs *pflag.FlagSet) (run string, merge []string) {
	var words []string
	fs.Visit(func(g *pflag.Flag) {
		switch g.Name {
		case "hours", "workers", "json", "count":
			return
		}
		value := strings.Trim(g.Value.String(), "[]")
		if g.Value.Type() == "bool" {
			words = append(words, "--"+g.Name)
			return
		}
		words = append(words, "--"+g.Name, quote(value))
	})
	if f.count != defaultCount {
		words = append(words, "--count", fmt.Sprint(f.count))
	}
	flags := strings.Join(append([]string{"headprof score"}, words...), " ")
	if f.workers == 1 {
		return flags + " --out profile", nil
	}
	model := ""
	if f.model != "" {
		model = " --model " + quote(f.model)
	}
	return fmt.Sprintf("%s --shard auto/%d --out 'runs/{shard}'", flags, f.workers),
		[]string{fmt.Sprintf("headprof merge 'runs/*-of-%d'%s --out profile", f.workers, model)}
}

// speed is how long tokens take: a pass of n tokens at position p takes
// pass + n·(token + position·p) seconds.
type speed struct {
	pass, token, position float64
	longest, chunk        int
	took                  time.Duration
}

// at is the time of a token in a large chunk at a position.
func (s *speed) at(p int) float64 {
	return s.token + s.position*float64(p) + s.pass/float64(s.chunk)
}

// answerPasses is how often the model computes after a prompt: the draft of the
// answer, and what follows where it departs from it.
const answerPasses = 2

// trial predicts the time of a trial that computes the last n tokens of a prompt.
func (s *speed) trial(n, prompt int) time.Duration {
	passes := (n+s.chunk-1)/s.chunk + answerPasses
	middle := float64(prompt) - float64(n)/2
	seconds := float64(passes)*s.pass + float64(n)*(s.token+s.position*middle)
	return time.Duration(seconds * float64(time.Second))
}

const calibration = 25 * time.Second // of its at most 30 seconds, some go to the last chunk

// calibrate measures a model's speed on a prompt that grows to longest tokens
// or until the time is over.
func calibrate(ctx context.Context, m *runner.Model, longest, chunk int) (*speed, error) {
	began := time.Now()
	chunk = max(1, min(chunk, longest/2))
	session, err := m.NewSession(longest + answerPasses)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	vocab := m.Config().Vocab
	pass := func(n int) (float64, error) {
		ids := make([]int32, n)
		for i := range ids {
			ids[i] = int32((i*7919)%max(1, vocab-300) + min(200, vocab/4))
		}
		start := time.Now()
		_, err := session.Extend(ctx, ids, runner.Watch{Logits: []int{session.Len() + n - 1}})
		return time.Since(start).Seconds(), err
	}
	if _, err := pass(1); err != nil { // buffers are made, weights are read
		return nil, err
	}
	var n, sx, sy, sxx, sxy float64
	last := 0.0
	for session.Len()+chunk <= longest && (n < 2 || time.Since(began).Seconds()+2*last < calibration.Seconds()) {
		x := float64(session.Len()) + float64(chunk)/2
		if last, err = pass(chunk); err != nil {
			return nil, err
		}
		y := last / float64(chunk)
		n, sx, sy, sxx, sxy = n+1, sx+x, sy+y, sxx+x*x, sxy+x*y
		if last > calibration.Seconds()/2 {
			break // slow: one chunk must do
		}
	}
	s := &speed{longest: session.Len(), chunk: chunk}
	if d := n*sxx - sx*sx; n > 1 && d > 0 {
		s.position = max(0, (n*sxy-sx*sy)/d)
	}
	perToken := sy/n - s.position*sx/n
	single, err := pass(1)
	if err != nil {
		return nil, err
	}
	// A single token takes pass + token, one of a chunk pass/chunk + token.
	rest := single - s.position*float64(s.longest)
	s.pass = max(0, (rest-perToken)*float64(chunk)/max(1, float64(chunk-1)))
	s.token = max(0, perToken-s.pass/float64(chunk))
	s.took = time.Since(began)
	return s, nil
}
