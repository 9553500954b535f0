package chat

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"headprof/runner/chat/jinja"
)

// Marks are the texts between which models of a kind think before they answer.
type Marks struct {
	Name  string   // for people
	Open  []string // what may begin a thought; the first is the usual one
	Close string   // what ends it: the answer follows
	Empty string   // a block without a thought, as the models' own templates write it
	Shut  string   // what ends a thought that a template has begun
	// Inside are texts of tokens that end other models' answers and here stand
	// between thought and answer.
	Inside []string

	shows []string // what a template's source holds that knows these marks
}

// known are the marks of published models. The order decides where a template
// holds several: the longer ones come first.
var known = []Marks{
	{
		Name: "channels analysis and final", // gpt-oss (harmony)
		Open: []string{"<|channel|>analysis<|message|>", "<|channel|>commentary<|message|>"}, Close: "<|channel|>final<|message|>",
		Empty: "<|channel|>final<|message|>", Shut: "<|end|><|start|>assistant<|channel|>final<|message|>",
		Inside: []string{"<|end|>", "<|start|>"}, shows: []string{"<|channel|>analysis", "<|channel|>final"},
	},
	{ // Gemma 4
		Name: "<|channel>thought … <channel|>", Open: []string{"<|channel>thought\n"}, Close: "<channel|>",
		Empty: "<|channel>thought\n<channel|>", Shut: "<channel|>", shows: []string{"<|channel>thought", "<channel|>"},
	},
	block("<seed:think>", "</seed:think>", ""),          // Seed-OSS
	block("<|START_THINKING|>", "<|END_THINKING|>", ""), // Cohere
	block("[THINK]", "[/THINK]", ""),                    // Magistral, Ministral 3
	block("<think>", "</think>", "\n"),                  // Qwen, DeepSeek, GLM, SmolLM3, OLMo 3, EXAONE, Hunyuan, …
}

// block makes marks of an opening and a closing tag. gap is what stands beside
// them where nothing was thought.
func block(begin, end, gap string) Marks {
	return Marks{
		Name: begin + " … " + end, Open: []string{begin}, Close: end,
		Empty: begin + gap + gap + end + gap + gap, Shut: gap + gap + end + gap + gap, shows: []string{end},
	}
}

// Think says what becomes of thinking. The zero value switches it off.
type Think struct {
	// Tokens lets the model think for so many tokens before it answers.
	Tokens int
	// AsTemplate leaves the template as it renders by itself, and all of what
	// follows is the answer.
	AsTemplate bool
}

// The values of --think that are no number.
const (
	thinkOff        = "off"
	thinkAsTemplate = "template"
)

// maxThink bounds a thought's tokens: the scores of each are held.
const maxThink = 32768

// ParseThink reads off, template or a number of tokens.
func ParseThink(text string) (Think, error) {
	switch text {
	case thinkOff:
		return Think{}, nil
	case thinkAsTemplate:
		return Think{AsTemplate: true}, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxThink {
		return Think{}, fmt.Errorf("%q is not off, template or a number of tokens from 1 to %d", text, maxThink)
	}
	return Think{Tokens: n}, nil
}

// String is what ParseThink reads.
func (t Think) String() string {
	switch {
	case t.AsTemplate:
		return thinkAsTemplate
	case t.Tokens > 0:
		return strconv.Itoa(t.Tokens)
	}
	return thinkOff
}

// Thinking is what is known of a template's thinking.
type Thinking struct {
	Marks
	// Switch is the template's variable that turns thinking off, as in
	// enable_thinking=false; "" where it has none that does.
	Switch string
	// Opened says that the frame ends within a thought.
	Opened bool
	// Block says that the frame got an empty block, or the end of a thought,
	// that the template does not write.
	Block bool
}

// A toggle is a variable by which templates turn thinking off and on.
type toggle struct {
	name    string
	off, on jinja.Value
}

// switches are those of published templates. on is nil where a template
// without the variable thinks.
var switches = []toggle{
	{"enable_thinking", false, true},   // Qwen 3, GLM, SmolLM3, Gemma 4, Hunyuan, EXAONE 4
	{"thinking", false, true},          // DeepSeek V3.1, Granite 3.3
	{"reasoning", false, true},         // Cohere
	{"thinking_budget", int64(0), nil}, // Seed-OSS
	{"reasoning_effort", "none", nil},  // those that know this word for it, see offers
}

// offers tells whether a template can be given this switch.
func (s toggle) offers(t *jinja.Template, source string) bool {
	word, isWord := s.off.(string)
	return t.Reads(s.name) && (!isWord || strings.Contains(source, `"`+word+`"`) || strings.Contains(source, "'"+word+"'"))
}

// ErrNoSwitch is that a template knows thinking, but neither turns it off nor
// writes a block of it.
var ErrNoSwitch = errors.New("the chat template knows thinking, but has neither a switch that turns it off nor a thinking block that could stay empty")

// ErrNoThinking is that tokens to think were asked of a template that cannot have it.
var ErrNoThinking = errors.New("the chat template knows no thinking")

// marksOf finds the marks that a template knows; nil: it knows none.
func marksOf(template string) *Marks {
next:
	for i := range known {
		for _, s := range known[i].shows {
			if !strings.Contains(template, s) {
				continue next
			}
		}
		return &known[i]
	}
	return nil
}

// place tells where a text ends: within a thought, behind one, or neither.
func (m *Marks) place(text string) (open, closed bool) {
	end := strings.LastIndex(text, m.Close)
	begin := -1
	for _, o := range m.Open {
		if i := strings.LastIndex(text, strings.TrimRight(o, "\n")); i > begin {
			begin = i
		}
	}
	return begin > end, end >= 0 && end > begin
}

// Framed is what stands around a user's text.
type Framed struct {
	Before, After string
	Thinking      *Thinking // nil: the template knows no thinking
}

// Wrap is [Frame] with thinking turned off, or on, as think says. Thinking is
// turned off by the template's own switch; else by an empty thinking block, or
// the end of the one that the template opens; else it fails with [ErrNoSwitch].
// A switch that the user set stays as it is.
func Wrap(template, bos, eos string, variables Variables, think Think) (Framed, error) {
	marks := marksOf(template)
	if marks == nil {
		if think.Tokens > 0 {
			return Framed{}, ErrNoThinking
		}
		before, after, err := Frame(template, bos, eos, variables)
		return Framed{Before: before, After: after}, err
	}
	t, err := jinja.Parse(template, jinja.Default)
	if err != nil {
		return Framed{}, refuse(err)
	}
	with := func(on bool) (before, after string, err error) {
		all := Variables{}
		for name, v := range variables {
			all[name] = v
		}
		for _, s := range switches {
			v := s.off
			if on {
				v = s.on
			}
			if _, set := variables[s.name]; !set && v != nil && s.offers(t, template) {
				all[s.name] = v
			}
		}
		return Frame(template, bos, eos, all)
	}
	f := Framed{Thinking: &Thinking{Marks: *marks}}
	if f.Before, f.After, err = Frame(template, bos, eos, variables); err != nil {
		return Framed{}, err
	}
	onBefore, onAfter, err := with(true)
	if err != nil {
		return Framed{}, err
	}
	offBefore, offAfter, err := with(false)
	if err != nil {
		return Framed{}, err
	}
	opens, _ := marks.place(offAfter)
	if !opens && (offBefore != onBefore || offAfter != onAfter) {
		f.Thinking.Switch = switchOf(t, template, variables)
	}
	switch {
	case think.AsTemplate:
	case think.Tokens > 0:
		f.Before, f.After = onBefore, onAfter
		if _, closed := marks.place(onAfter); closed {
			return Framed{}, fmt.Errorf("%w: it ends every thought at once", ErrNoThinking)
		}
	default:
		f.Before, f.After = offBefore, offAfter
		_, closed := marks.place(offAfter)
		switch {
		case opens:
			f.After = strings.TrimRight(f.After, "\n") + marks.Shut
			f.Thinking.Block = true
		case closed || f.Thinking.Switch != "":
		case marks.written(template):
			f.After += marks.Empty
			f.Thinking.Block = true
		default:
			return Framed{}, ErrNoSwitch
		}
	}
	f.Thinking.Opened, _ = marks.place(f.After)
	return f, nil
}

// written tells whether a template writes blocks with these marks, and does not
// only take them out of earlier turns.
func (m *Marks) written(template string) bool {
	return strings.Contains(template, strings.TrimRight(m.Open[0], "\n")) || len(m.shows) > 1
}

// switchOf names the variable by which a template turns thinking off.
func switchOf(t *jinja.Template, source string, variables Variables) string {
	for _, s := range switches {
		if _, set := variables[s.name]; !set && s.offers(t, source) {
			return fmt.Sprintf("%s=%v", s.name, s.off)
		}
	}
	return ""
}
