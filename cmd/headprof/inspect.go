package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/spf13/cobra"

	"headprof/export/textfile"
	"headprof/runner"
	"headprof/runner/arch"
	"headprof/runner/chat"
	"headprof/runner/gguf"
	"headprof/runner/kvcache"
	"headprof/runner/shape"
	"headprof/runner/tensor"
	"headprof/runner/tokenizer"
)

func newInspect() *cobra.Command {
	var asJSON, check bool
	var pre string
	var chatVars []string
	c := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Describe a model file, and what headprof supports of it",
		Long: `Describe a model file or Hugging Face folder, and what headprof supports
of it, also where it cannot be run: every problem is listed, and the settings of
the model's family that headprof does not read.`,
		Args: exactly("a model file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			variables, err := chat.ParseVariables(chatVars)
			if err != nil {
				return usagef("--chat-var: %w", err)
			}
			r, err := inspect(args[0], pre, check)
			if err != nil {
				return err
			}
			if err := r.renderChat(variables); err != nil {
				return err
			}
			if asJSON {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				err = e.Encode(r)
			} else {
				err = r.print(cmd.OutOrStdout())
			}
			if err == nil && len(r.Problems) > 0 {
				err = fmt.Errorf("%s cannot be run: %s", args[0], r.Problems[0])
			}
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&check, "check", false, "read every weight and look for NaN and infinity")
	c.Flags().StringArrayVar(&chatVars, "chat-var", nil, "render the chat template with this variable set: `key=value`, as in 'score' (repeat it for several)")
	c.Flags().StringVar(&pre, "pre", "", "pre-tokenizer in place of the one the file names")
	return c
}

// report is what inspect tells; its JSON form is documented in docs/formats.md.
type report struct {
	File       string           `json:"file"`
	Bytes      int64            `json:"bytes"`
	Family     string           `json:"family"`
	Name       string           `json:"name"`
	Parameters int64            `json:"parameters"`
	Types      map[string]int64 `json:"types"` // weight format → elements
	Layers     []layerReport    `json:"layers"`
	Width      int              `json:"width"`
	Vocab      int              `json:"vocab"`
	Context    int              `json:"context"`
	// LongContext is the limit with other position frequencies (LongRoPE); 0: there are none.
	LongContext int    `json:"long_context,omitempty"`
	Experts     int    `json:"experts,omitempty"`
	Used        int    `json:"experts_used,omitempty"`
	Tokenizer   string `json:"tokenizer"`
	BOS         bool   `json:"adds_bos"`
	Chat        bool   `json:"chat_template"`
	// ChatFrame is what the chat template puts before and after a user's text;
	// nil where it has none or ChatError says why it cannot be used.
	ChatFrame *chatFrame     `json:"chat_frame,omitempty"`
	ChatError string         `json:"chat_error,omitempty"`
	Thinking  *thinkReport   `json:"thinking,omitempty"` // nil: the template knows none
	Memory    []memoryReport `json:"memory"`
	Problems  []string       `json:"problems"`
	Ignored   []string       `json:"ignored"`  // the family's keys that headprof does not read
	Warnings  []string       `json:"warnings"` // what a user should know of a model that runs

	template  string
	tokenizer *tokenizer.Tokenizer
}

type chatFrame struct {
	Before string `json:"before"`
	After  string `json:"after"`
}

// renderChat renders the chat template once. A template that cannot be used is
// no problem of the model: it runs with --chat off.
func (r *report) renderChat(variables chat.Variables) error {
	if !r.Chat || r.tokenizer == nil {
		if len(variables) > 0 {
			return usagef("--chat-var: %s has no chat template that can be rendered", r.File)
		}
		return nil
	}
	framed, err := frameTexts(r.tokenizer, r.template, variables, chat.Think{})
	always := errors.Is(err, chat.ErrNoSwitch)
	if always {
		framed, err = frameTexts(r.tokenizer, r.template, variables, chat.Think{AsTemplate: true})
	}
	switch {
	case errors.Is(err, chat.ErrUnread):
		return usagef("%w", err)
	case err != nil:
		r.ChatError = err.Error()
		return nil
	}
	r.ChatFrame = &chatFrame{framed.Before, framed.After}
	if t := framed.Thinking; t != nil {
		r.Thinking = &thinkReport{Begin: t.Open[0], End: t.Close}
		switch {
		case always:
		case t.Block:
			r.Thinking.Off = "an empty block"
		case t.Switch != "":
			r.Thinking.Off = t.Switch
		default:
			r.Thinking.Off = "the template's default"
		}
		if on, err := frameTexts(r.tokenizer, r.template, variables, chat.Think{Tokens: 1}); err == nil {
			r.Thinking.Opened = on.Thinking.Opened
		}
	}
	return nil
}

// thinkReport is how the model's chat template marks thinking.
type thinkReport struct {
	Begin  string `json:"begin"`
	End    string `json:"end"`
	Off    string `json:"off"`    // what turns it off; "": nothing does
	Opened bool   `json:"opened"` // the template begins the thought
}

func (t *thinkReport) String() string {
	text := fmt.Sprintf("between %q and %q", t.Begin, t.End)
	if t.Opened {
		text += ", begun by the template"
	}
	if t.Off == "" {
		return text + "; nothing turns it off: choose --think N or --think template"
	}
	return text + "; off by " + t.Off
}

type layerReport struct {
	Layer   int `json:"layer"`
	Heads   int `json:"heads"`
	KVHeads int `json:"kv_heads"`
	HeadDim int `json:"head_dim"`
	Window  int `json:"window"` // 0: global
	// Source is the layer whose cache it reads, where that is not its own.
	Source *int `json:"source,omitempty"`
	// What the layer is where it is not attention alone, and the size of its
	// recurrent state in float32 numbers.
	Kind  string `json:"kind,omitempty"`
	State int    `json:"state,omitempty"`
}

type memoryReport struct {
	Tokens int   `json:"tokens"`
	Bytes  int64 `json:"bytes"`
}

// inspected is what a report is made from: an opened model, or what could be
// read of a file that cannot be opened.
type inspected interface {
	arch.Source
	tokenizer.Metadata
	Keys() []string
	TensorNames() []string
}

// inspect reports on a model in any form. It fails only where nothing can be said.
func inspect(path, pre string, check bool) (*report, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() || runner.IsFolder(path) {
		s, err := runner.OpenSource(path)
		if err != nil && runner.IsFolder(path) {
			return unopened(path, err), nil
		}
		if err != nil {
			return nil, err
		}
		defer s.Close()
		if f, ok := s.(*gguf.File); ok { // a folder with one GGUF model
			return inspect(f.Name(), pre, check)
		}
		r := reportOn(s.(inspected), s.Size(), check)
		r.describeTokenizer(s, pre, func() (*tokenizer.Tokenizer, error) { return runner.LoadTokenizer(s, pre) })
		return r, nil
	}
	p, err := gguf.Probe(path)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	problems := []string{}
	for _, e := range p.Problems {
		problems = append(problems, strings.TrimPrefix(e.Error(), path+": "))
	}
	for _, t := range p.Tensors {
		if t.Problem != nil && !t.Cut { // what a cut file lacks is one problem
			problems = append(problems, fmt.Sprintf("tensor %s: %v", t.Name, t.Problem))
		}
	}
	r := reportOn(p, p.Size, check)
	// What the family says of a damaged tensor repeats these.
	if len(problems) > 0 && len(r.Problems) > 0 && strings.HasPrefix(r.Problems[0], "tensor ") {
		r.Problems = r.Problems[1:]
	}
	r.Problems = append(problems, r.Problems...)
	r.describeTokenizer(p, pre, func() (*tokenizer.Tokenizer, error) {
		return tokenizer.FromMetadata(p, tokenizer.Options{Override: pre})
	})
	return r, nil
}

// unopened reports on a Hugging Face folder that cannot be opened: its family
// and size, as far as they can be read, and the reason.
func unopened(path string, reason error) *report {
	r := &report{File: path, Types: map[string]int64{}, Problems: []string{}, Ignored: []string{}, Warnings: []string{}}
	dir := path
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		dir = filepath.Dir(path)
	}
	r.Problems = append(r.Problems, strings.TrimPrefix(reason.Error(), dir+": "))
	var config struct {
		Type string `json:"model_type"`
	}
	name := filepath.Join(dir, "config.json")
	if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() && info.Size() < 16<<20 {
		data, err := os.ReadFile(name)
		if err == nil {
			data, err = textfile.Clean(name, data)
		}
		if err == nil && json.Unmarshal(data, &config) == nil {
			r.Family = config.Type
		}
	}
	weights, _ := filepath.Glob(filepath.Join(dir, "*.safetensors"))
	for _, w := range weights {
		if info, err := os.Stat(w); err == nil {
			r.Bytes += info.Size()
		}
	}
	return r
}

// tensorsOf gives a source's tensors one by one, experts that lie apart each by itself.
func tensorsOf(s inspected) iter.Seq[tensor.Tensor] {
	return func(yield func(tensor.Tensor) bool) {
		for _, name := range s.TensorNames() {
			var parts []tensor.Tensor
			if e, ok := s.(arch.ExpertSource); ok {
				parts, _ = e.Experts(name)
			}
			if len(parts) == 0 {
				if t, ok := s.Tensor(name); ok {
					parts = []tensor.Tensor{t}
				}
			}
			for _, t := range parts {
				if !yield(t) {
					return
				}
			}
		}
	}
}

// reportOn reports on everything but the tokenizer.
func reportOn(s inspected, size int64, check bool) *report {
	r := &report{File: s.Name(), Bytes: size, Types: map[string]int64{}, Problems: []string{}, Ignored: []string{}, Warnings: []string{}}
	for t := range tensorsOf(s) {
		n := int64(t.Rows()) * int64(t.Cols())
		r.Parameters += n
		r.Types[t.Type.String()] += n
		if !check || len(t.Data) == 0 {
			continue
		}
		if row, col, bad := t.FirstNotFinite(); bad {
			r.Problems = append(r.Problems, fmt.Sprintf("tensor %s holds a NaN or infinity at row %d, column %d", t.Name, row, col))
		}
	}
	c, err := arch.Describe(s)
	if err != nil {
		r.Problems = append([]string{strings.TrimPrefix(err.Error(), s.Name()+": ")}, r.Problems...)
	}
	if c != nil {
		r.Family, r.Name, r.Width, r.Vocab, r.Context, r.LongContext, r.Experts, r.Used = c.Family, c.Name, c.Width, c.Vocab, c.Context, c.LongContext, c.Experts, c.Used
		for i, l := range c.Layers {
			r.Layers = append(r.Layers, newLayerReport(i, l.Layer))
		}
		for n := 1024; n <= c.Context && len(r.Memory) < 6; n *= 4 {
			r.Memory = append(r.Memory, memoryReport{n, size + kvcache.Predict(c.Shape(), defaultKV, n)})
		}
	}
	if err == nil {
		r.Warnings = append(r.Warnings, c.Warnings...)
	}
	r.Ignored = append(r.Ignored, arch.Ignored(s)...)
	r.template, _, _ = s.String("tokenizer.chat_template")
	r.Chat = r.template != ""
	return r
}

// describeTokenizer reports on the tokenizer that load gives.
func (r *report) describeTokenizer(s tokenizer.Metadata, pre string, load func() (*tokenizer.Tokenizer, error)) {
	t, err := load()
	if err != nil {
		r.Problems = append(r.Problems, strings.TrimPrefix(err.Error(), r.File+": "))
		return
	}
	_, r.BOS = t.BOS()
	r.tokenizer = t
	model, _, _ := s.String("tokenizer.ggml.model")
	if pre == "" {
		pre, _, _ = s.String("tokenizer.ggml.pre")
	}
	switch {
	case model == "":
		r.Tokenizer = fmt.Sprintf("the folder's own, %d tokens", t.Size())
	case pre == "":
		r.Tokenizer = model
	default:
		r.Tokenizer = model + " (pre-tokenizer " + pre + ")"
	}
}

func (r *report) print(w io.Writer) error {
	b := &strings.Builder{}
	line := func(k, format string, args ...any) { fmt.Fprintf(b, "%-12s %s\n", k, fmt.Sprintf(format, args...)) }
	line("file", "%s (%s)", r.File, bytesText(r.Bytes))
	line("family", "%s", r.Family)
	if r.Name != "" {
		line("name", "%s", r.Name)
	}
	var types []string
	for t, n := range r.Types {
		types = append(types, fmt.Sprintf("%s %.0f %%", t, 100*float64(n)/float64(max(1, r.Parameters))))
	}
	sort.Strings(types)
	line("parameters", "%.1f M (%s)", float64(r.Parameters)/1e6, strings.Join(types, ", "))
	if len(r.Layers) > 0 {
		line("layers", "%d, width %d, vocabulary %d", len(r.Layers), r.Width, r.Vocab)
		line("heads", "%s", headsText(r.Layers))
		line("windows", "%s", windowsText(r.Layers))
		line("context", "%d tokens%s", r.Context, longText(r.LongContext))
	}
	if r.Experts > 0 {
		line("experts", "%d, %d used per token", r.Experts, r.Used)
	}
	if r.Tokenizer != "" {
		line("tokenizer", "%s%s", r.Tokenizer, map[bool]string{true: ", adds BOS"}[r.BOS])
	}
	switch {
	case r.ChatError != "":
		line("chat", "%s", r.ChatError)
	case r.ChatFrame != nil:
		line("chat", "the template renders; before the user's text: %q", r.ChatFrame.Before)
		line("", "after it: %q", r.ChatFrame.After)
	default:
		line("chat", "%s", map[bool]string{true: "has a chat template", false: "no chat template"}[r.Chat])
	}
	if r.Thinking != nil {
		line("thinking", "%s", r.Thinking)
	}
	for _, m := range r.Memory {
		line("memory", "%s at %d tokens", bytesText(m.Bytes), m.Tokens)
	}
	for _, w := range r.Warnings {
		line("warning", "%s", w)
	}
	if len(r.Problems) == 0 {
		line("supported", "yes")
	}
	for _, p := range r.Problems {
		line("problem", "%s", p)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func longText(long int) string {
	if long == 0 {
		return ""
	}
	return fmt.Sprintf("; up to %d with --long-context, which takes the frequencies for long texts", long)
}

func newLayerReport(i int, l shape.Layer) layerReport {
	r := layerReport{Layer: i, Heads: l.Heads, KVHeads: l.KVHeads, HeadDim: l.KeyDim, Window: l.Window, State: l.State}
	if l.Kind != shape.Attention {
		r.Kind = l.Kind.String()
	}
	if !l.Stores() {
		from := i - l.Shares
		r.Source = &from
	}
	return r
}

// headsText tells heads and KV heads, by layer where layers differ.
func headsText(ls []layerReport) string {
	return runs(ls, func(l layerReport) string {
		if l.Source != nil {
			return fmt.Sprintf("%d heads on the KV heads of layer %d", l.Heads, *l.Source)
		}
		state := ""
		if l.State > 0 {
			state = ", a recurrent state of " + bytesText(4*int64(l.State))
		}
		if l.Heads == 0 {
			return fmt.Sprintf("no attention (%s)%s", l.Kind, state)
		}
		return fmt.Sprintf("%d heads, %d KV heads, dimension %d%s", l.Heads, l.KVHeads, l.HeadDim, state)
	})
}

func windowsText(ls []layerReport) string {
	var local []string
	window := 0
	for _, l := range ls {
		if l.Window > 0 {
			local, window = append(local, fmt.Sprint(l.Layer)), l.Window
		}
	}
	if local == nil {
		return "none, all layers see the whole context"
	}
	return fmt.Sprintf("%d tokens in layers %s; the others see the whole context", window, strings.Join(local, " "))
}

// runs joins a text per layer, naming layer ranges only where they differ.
func runs(ls []layerReport, text func(layerReport) string) string {
	var parts []string
	for i := 0; i < len(ls); {
		j := i
		for j < len(ls) && text(ls[j]) == text(ls[i]) {
			j++
		}
		if i == 0 && j == len(ls) {
			return text(ls[0])
		}
		parts = append(parts, fmt.Sprintf("layers %d-%d: %s", i, j-1, text(ls[i])))
		i = j
	}
	return strings.Join(parts, "; ")
}

// bytesText prints a size for people.
func bytesText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
}
