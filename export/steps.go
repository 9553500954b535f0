package export

import (
	"fmt"
	"math"

	"headprof/scoring"
)

// stepsFormat is the version of the table of steps.
const stepsFormat = "steps/1"

// StepRow is a row of the table of steps: one head's score in one decode step
// of one trial, under one method.
type StepRow struct {
	Trial  string  `parquet:"trial,dict"`
	Step   int32   `parquet:"step,dict"`
	Token  int32   `parquet:"token,dict"`
	Text   string  `parquet:"text,dict"`
	Scored bool    `parquet:"scored"`
	Method string  `parquet:"method,dict"`
	Layer  int32   `parquet:"layer,dict"`
	Head   int32   `parquet:"head,dict"`
	Value  float64 `parquet:"value"`
}

// stepFields says what each column of the table of steps holds.
var stepFields = map[string]Column{
	"trial":  {"trial", ""},
	"step":   {"decode step, from 0: the step that the prompt's last token makes", ""},
	"token":  {"token that the step produced, or was fed next where the answer was teacher-forced", ""},
	"text":   {"text of the token", ""},
	"scored": {"the step counts in the trial's score", ""},
	"method": scoreFields["method"],
	"layer":  scoreFields["layer"],
	"head":   scoreFields["head"],
	"value":  {"what the step adds to the head's score", "as the method's quantity says"},
}

// StepsMeta says how a table of steps came to be.
type StepsMeta struct {
	Model    string `json:"model,omitempty"`
	ModelSHA string `json:"model_sha256,omitempty"`
	Decode   string `json:"decode,omitempty"`
}

// WriteSteps writes the steps of a trial.
func WriteSteps(path string, m StepsMeta, rows []StepRow) error {
	return WriteParquet(path, stepsFormat, stepFields, m, rows)
}

// StepRows adds a step's rows, by method, layer and head. step holds what all
// rows share; methods are in the order of the registry.
func StepRows(to []StepRow, step StepRow, scores map[string][][]float64) []StepRow {
	for _, m := range scoring.MethodsOf(scoring.Needles) {
		for l, heads := range scores[m.Name()] {
			for h, v := range heads {
				step.Method, step.Layer, step.Head, step.Value = m.Name(), int32(l), int32(h), v
				to = append(to, step)
			}
		}
	}
	return to
}

// maxStepRows is the most rows a trial's steps may have: 800 steps of 5,120
// heads under four methods.
const maxStepRows = 1 << 24

// ReadSteps reads a table of steps back.
func ReadSteps(path string) ([]StepRow, error) {
	data, err := readLimited(path)
	if err != nil {
		return nil, err
	}
	rows, err := parseSteps(data)
	if err != nil {
		return nil, fmt.Errorf("reading steps from %s: %w", path, err)
	}
	return rows, nil
}

func parseSteps(data []byte) ([]StepRow, error) {
	f, _, err := parquetFrame(data, maxStepRows, "trial", "step", "scored", "method", "layer", "head", "value")
	if err != nil {
		return nil, err
	}
	trial, step, token, text, scored := f.texts("trial"), f.ints("step", -1), f.ints("token", 0), f.texts("text"), f.truths("scored")
	method, layer, head, value := f.texts("method"), f.ints("layer", -1), f.ints("head", -1), f.floats("value")
	if f.err != nil {
		return nil, f.err
	}
	rows := make([]StepRow, f.rows)
	for i := range rows {
		if step[i] < 0 || layer[i] < 0 || head[i] < 0 || math.IsNaN(value[i]) || math.IsInf(value[i], 0) {
			return nil, fmt.Errorf("row %d: step %d, layer %d, head %d with value %v", i, step[i], layer[i], head[i], value[i])
		}
		rows[i] = StepRow{
			Trial: trial[i], Step: int32(step[i]), Token: int32(token[i]), Text: text[i], Scored: scored[i] == yes,
			Method: method[i], Layer: int32(layer[i]), Head: int32(head[i]), Value: value[i],
		}
	}
	return rows, nil
}
