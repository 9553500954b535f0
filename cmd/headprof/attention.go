package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"headprof/export"
	"headprof/export/atomicfile"
	"headprof/export/textfile"
	"headprof/probe"
	"headprof/probe/attention"
	"headprof/runner"
	"headprof/scoring"
)

type attentionFlags struct {
	modelFlags
	chat                                     planFlags // of it: --chat and --chat-var
	prompt, trials, rows, layers, heads, out string
	estimate, quiet                          bool
}

func newAttention() *cobra.Command {
	var f attentionFlags
	c := &cobra.Command{
		Use:   "attention --prompt FILE|--trials FILE --out FILE",
		Short: "Write softmaxed attention rows of chosen positions, layers and heads",
		Long: `Write the attention rows of a text, or of trials, as the model computes them: for
each chosen position, layer and head the softmaxed weights of all positions it
sees. Nothing but the rows of a few positions is held at once.

--rows, --layers and --heads take a number, -1 for the last, a range as 10:20 or
-8: (half open), all, and several by commas. --rows also takes last (the
prompt's last token), and of trials evidence (the span's tokens) and answer (the
rows from which the given answer is predicted under teacher forcing).

.parquet has a row per position, layer and head with its token and a list of
weights; .npy is one float32 array [position][layer][head][key], 0 where nothing
is seen, with positions and tokens in FILE.npy.json. The file appears whole or
not at all. What it takes is said before it is written, and what does not fit
the disk is refused.`,
		Example: `  headprof attention --model model.gguf --prompt text.txt --rows last --out last.npy
  headprof attention --model model.gguf --trials trials.jsonl --rows answer --layers 10:20 --out rows.parquet
  headprof attention --model model.gguf --prompt text.txt --rows all --heads 0,3 --estimate --out all.npy`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	fs := c.Flags()
	fs.SortFlags = false
	f.modelFlags.register(fs)
	fs.StringVar(&f.prompt, "prompt", "", "text `file`: one prompt (- is standard input)")
	fs.StringVar(&f.trials, "trials", "", "trials `file`, as 'headprof score --trials' reads and 'headprof prompts' prints")
	fs.StringVar(&f.rows, "rows", "last", "positions whose rows are written")
	fs.StringVar(&f.layers, "layers", "all", "layers")
	fs.StringVar(&f.heads, "heads", "all", "query heads of every layer")
	fs.StringVar(&f.chat.chat, "chat", "off", "put --prompt into the model's chat template: on, off or auto (where there is one)")
	fs.StringArrayVar(&f.chat.chatVars, "chat-var", nil, "a variable of the chat template: `key=value` (repeat it for several)")
	fs.StringVarP(&f.out, "out", "o", "", "`file` ending in .parquet or .npy")
	fs.BoolVar(&f.estimate, "estimate", false, "say what it takes and write nothing")
	fs.BoolVar(&f.quiet, "quiet", false, "print nothing but errors")
	return c
}

func (f *attentionFlags) run(cmd *cobra.Command) error {
	switch {
	case (f.prompt == "") == (f.trials == ""):
		return usagef("give either --prompt FILE or --trials FILE")
	case f.trials != "" && cmd.Flags().Changed("chat"):
		return usagef("--chat is for --prompt; trials hold their tokens")
	case f.out == "":
		return usagef("missing --out FILE.parquet or FILE.npy")
	case atomicfile.IsStdout(f.out):
		return usagef("--out %s: attention rows are written as they are computed, which standard output cannot take back; name a file", f.out)
	}
	format, err := formatOf("", "--out", f.out, "parquet", "npy")
	if err != nil {
		return err
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
	plan, err := f.plan(cmd, model, e)
	if err != nil {
		return err
	}
	if err := plan.Check(e); err != nil {
		return err
	}
	about := f.about(plan, model, e)
	if format == "npy" && about.Heads == nil {
		return usagef("--out %s: an array needs the same heads in every layer, and the layers of %s differ; name --heads that all of them have, or write .parquet", f.out, model.Name())
	}
	cost := plan.Cost(e.Shape())
	need, err := f.ready(model, cost)
	if err != nil {
		return err
	}
	about.Rows, about.Keys = cost.Rows, cost.Keys
	bytes := export.AttentionBytes(format, cost.Rows, cost.Weights, cost.Keys)
	seconds, err := attentionSeconds(cmd.Context(), e, plan, cost, bytes)
	if err != nil {
		return f.stopped(cmd, err)
	}
	free, known := freeDisk(filepath.Dir(f.out))
	room := ""
	if known {
		room = fmt.Sprintf(" of %s free", bytesText(free))
	}
	if !f.quiet || f.estimate {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s rows of up to %s weights from %s tokens: %s on disk%s, about %s, memory %s\n", model.Name(), thousands(cost.Rows),
			thousands(int64(cost.Keys)), thousands(cost.Tokens), bytesText(bytes), room, durationText(seconds), need)
	}
	if known && bytes > free {
		return fmt.Errorf("%s would take %s, and %s are free there; choose fewer --rows, --layers or --heads, or another place with --out", f.out, bytesText(bytes), bytesText(free))
	}
	if f.estimate {
		return nil
	}
	say := newStepper(cmd, f.quiet, false, int(cost.Tokens), "tokens")
	end := say.begin()
	err = export.WriteAttention(f.out, format, about, func(yield func(export.AttentionRow) error) error {
		return plan.Run(cmd.Context(), e, func(r attention.Row) error {
			return yield(export.AttentionRow(r))
		}, func(tokens int64) { say.step(int(tokens), int(cost.Tokens), 0, nil) })
	})
	end()
	if err != nil {
		return f.stopped(cmd, err)
	}
	printPath(cmd, f.out)
	return nil
}

// stopped turns an interruption into its exit code.
func (f *attentionFlags) stopped(cmd *cobra.Command, err error) error {
	if cmd.Context().Err() == nil {
		return err
	}
	return &exit{exitInterrupted, fmt.Errorf("interrupted; %s was not written. Start again with:\n  %s", f.out, resumeCommand(cmd))}
}

// plan reads the prompts and chooses rows, layers and heads.
func (f *attentionFlags) plan(cmd *cobra.Command, m *runner.Model, e probe.Model) (*attention.Plan, error) {
	var texts []attention.Text
	var err error
	if f.prompt != "" {
		texts, err = f.text(cmd, m)
	} else {
		texts, err = f.given()
	}
	if err != nil {
		return nil, err
	}
	plan := &attention.Plan{}
	for _, t := range texts {
		p, err := t.Choose(f.rows)
		if err != nil {
			return nil, usagef("--rows: %w", err)
		}
		plan.Prompts = append(plan.Prompts, p)
	}
	layers := e.Shape()
	if plan.Layers, err = attention.Select(f.layers, len(layers)); err != nil {
		return nil, usagef("--layers: %w", err)
	}
	most := 0
	for _, l := range plan.Layers {
		most = max(most, layers[l].Heads)
	}
	if f.heads != "all" {
		if plan.Heads, err = attention.Select(f.heads, most); err != nil {
			return nil, usagef("--heads: %w", err)
		}
	}
	return plan, nil
}

// text reads --prompt.
func (f *attentionFlags) text(cmd *cobra.Command, m *runner.Model) ([]attention.Text, error) {
	in, name := io.Reader(cmd.InOrStdin()), "standard input"
	if f.prompt != "-" {
		file, err := textfile.Open(f.prompt)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		in, name = file, f.prompt
	}
	in, _, err := textfile.NewReader(name, in)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if !utf8.Valid(text) {
		return nil, fmt.Errorf("%s is not valid UTF-8; convert it first, for instance with iconv", name)
	}
	frame, err := f.chat.frame(m)
	if err != nil {
		return nil, err
	}
	ids := slices.Clone(frame.Prefix)
	for _, t := range m.Tokenizer().Encode(string(text)) {
		ids = append(ids, t.ID)
	}
	if err := m.Tokenizer().Problem(); err != nil {
		return nil, fmt.Errorf("%s: %w", m.Name(), err)
	}
	return []attention.Text{{ID: filepath.Base(f.prompt), IDs: append(ids, frame.Suffix...)}}, nil
}

// given reads --trials.
func (f *attentionFlags) given() ([]attention.Text, error) {
	file, err := textfile.Open(f.trials)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	trials, err := probe.ReadTrials(f.trials, file)
	if err != nil {
		return nil, err
	}
	var out []attention.Text
	for _, t := range trials {
		ids, err := t.Prompt()
		if err != nil {
			return nil, err
		}
		out = append(out, attention.Text{ID: t.ID, IDs: ids, Answer: t.AnswerIDs, Evidence: scoring.Span(t.Span)})
	}
	return out, nil
}

// about says what the file holds besides rows.
func (f *attentionFlags) about(p *attention.Plan, m *runner.Model, e probe.Model) export.Attention {
	layers := e.Shape()
	a := export.Attention{Model: modelName(m), ModelSHA: e.SHA256(), Fast: f.fast, Layers: p.Layers, Heads: p.Heads,
		KVHead: func(l, h int) int { return layers[l].KVHead(h) }}
	if a.Heads == nil {
		equal := true
		for _, l := range p.Layers {
			equal = equal && layers[l].Heads == layers[p.Layers[0]].Heads
		}
		for h := 0; equal && h < layers[p.Layers[0]].Heads; h++ {
			a.Heads = append(a.Heads, h)
		}
	}
	for _, q := range p.Prompts {
		x := export.AttentionPrompt{ID: q.ID, IDs: q.IDs, Rows: q.Rows}
		for _, id := range q.IDs {
			x.Texts = append(x.Texts, m.Tokenizer().Text(id))
		}
		a.Prompts = append(a.Prompts, x)
	}
	return a
}

// ready predicts the memory and makes the model ready for it.
func (f *attentionFlags) ready(m *runner.Model, c attention.Cost) (string, error) {
	need, err := m.MemoryOf(c.Keys, c.Keys, 512)
	if err != nil {
		return "", err
	}
	need.Program += c.Held
	have := availableMemory()
	if !fits(need, have) {
		return "", tooLarge(m, need, c.Keys, c.Keys, have)
	}
	return memoryText(need), makeReady(m, need, c.Keys, c.Keys, have)
}

// attentionSeconds guesses the time from that of a prompt's first tokens.
func attentionSeconds(ctx context.Context, m probe.Model, p *attention.Plan, c attention.Cost, bytes int64) (time.Duration, error) {
	const (
		sample    = 32
		diskSpeed = 300e6 // bytes a second
	)
	ids := p.Prompts[0].IDs
	ids = ids[:min(len(ids), sample)]
	var best time.Duration
	for range 2 { // the first reads the weights from disk
		s, err := m.NewSession(len(ids))
		if err != nil {
			return 0, err
		}
		start := time.Now()
		_, err = s.Extend(ctx, ids, probe.Watch{})
		took := time.Since(start)
		s.Close()
		if err != nil {
			return 0, err
		}
		if best == 0 || took < best {
			best = took
		}
	}
	perToken := float64(best) / float64(len(ids))
	return time.Duration(perToken*float64(c.Tokens)) + time.Duration(float64(bytes)/diskSpeed*float64(time.Second)), nil
}

// freeDisk is how many bytes may be written in a folder; known is false where
// the system does not tell.
func freeDisk(dir string) (free int64, known bool) {
	if _, err := os.Stat(dir); err != nil {
		return 0, false
	}
	return freeBytes(dir)
}
