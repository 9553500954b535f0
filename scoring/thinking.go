package scoring

import "strings"

// thinking is how the name of a score ends that counts the steps of a model's
// thought in place of its answer's.
const thinking = "-thinking"

// WhileThinking names the score by a method of needle trials over the steps in
// which a model thinks before it answers. Each step counts as a step of the
// answer does; a thought that repeats the evidence counts each time.
func WhileThinking(method string) string { return method + thinking }

// AnswerMethod is the method of a name that [WhileThinking] gave; ok is false
// for other names.
func AnswerMethod(name string) (method string, ok bool) { return strings.CutSuffix(name, thinking) }

// thinkingOf is a method's declaration for its score while thinking.
func thinkingOf(d Declaration) Declaration {
	own := d.New
	label := d.Label
	if label == "" {
		label = "score"
	}
	d.Label = label + ", while thinking"
	d.Measures += ", while the model thinks"
	d.New = func() Named { return whileThinking{own()} }
	return d
}

// whileThinking is a method under its other name.
type whileThinking struct{ Named }

// Name implements Named.
func (w whileThinking) Name() string { return WhileThinking(w.Named.Name()) }
