package export

import (
	"encoding/json"
	"fmt"
	"io"
	"math"

	"headprof/export/atomicfile"
	"headprof/scoring"
)

// trialRow is a row of trials.parquet: one head's score in one trial.
type trialRow struct {
	Trial  string  `parquet:"trial,dict"`
	Needle string  `parquet:"needle,dict"`
	Length int32   `parquet:"length,dict"`
	Depth  float64 `parquet:"depth,dict"`
	Pass   bool    `parquet:"pass"`
	Layer  int32   `parquet:"layer,dict"`
	Head   int32   `parquet:"head,dict"`
	KVHead *int32  `parquet:"kv_head,optional,dict"`
	Method string  `parquet:"method,dict"`
	Score  float64 `parquet:"score"`
	Decode string  `parquet:"decode,dict"`
	// Where the needle lies in percent (null: not known) and what stands before it.
	RealDepth *float64 `parquet:"real_depth,optional"`
	Placement string   `parquet:"placement,dict"`
}

// trialFields says what each column of trials.parquet holds.
var trialFields = map[string]Column{
	"trial":      {"trial", ""},
	"needle":     {"needle; trials of one needle are not independent", ""},
	"length":     {"context length asked for", "tokens"},
	"depth":      {"depth asked for", "percent"},
	"real_depth": {"where the needle begins in the haystack; null where not known", "percent"},
	"placement":  {"what stands before the needle: a sentence end, a word border, the start", ""},
	"pass":       {"counts in the head tables", ""},
	"layer":      scoreFields["layer"],
	"head":       scoreFields["head"],
	"kv_head":    scoreFields["kv_head"],
	"method":     scoreFields["method"],
	"score":      {"the head's score in this trial", "as the method's quantity says"},
	"decode":     scoreFields["decode"],
}

// WriteTrials writes the long table: every trial's score of every head under
// every method of t, in the order given, whether it passed or not. Layers,
// heads and KV heads are t's. A trial has no rows of methods that it was not
// scored by, since they are computed on other prompts.
func WriteTrials(path string, t *scoring.Table, trials []scoring.TrialScore) error {
	meta, err := json.Marshal(t.Meta)
	if err != nil {
		return err
	}
	return atomicfile.Write(path, func(w io.Writer) error {
		return writeRows(w, trialsFormat, trialFields, map[string]string{metaKey: string(meta)}, func(yield func([]trialRow) error) error {
			rows := make([]trialRow, 0, len(t.Heads))
			for _, x := range trials {
				rows = rows[:0]
				if len(x.Scores) == 0 {
					return fmt.Errorf("trial %q has no scores", x.ID)
				}
				for _, h := range t.Heads {
					scores, ok := x.Scores[h.Method]
					if !ok {
						continue // of a method that is computed on other prompts
					}
					if h.Layer >= len(scores) || h.Head >= len(scores[h.Layer]) {
						return fmt.Errorf("trial %q has no %s score of layer %d, head %d", x.ID, h.Method, h.Layer, h.Head)
					}
					rows = append(rows, trialRow{
						Trial: x.ID, Needle: x.Needle, Length: int32(x.Length), Depth: x.Depth, Pass: x.Pass,
						Layer: int32(h.Layer), Head: int32(h.Head), KVHead: from(h.KVHead, 0), Method: h.Method,
						Score: scores[h.Layer][h.Head], Decode: t.Meta.Decode,
						RealDepth: x.RealDepth, Placement: x.Placement,
					})
				}
				if err := yield(rows); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// maxTrialRows is the most rows a trials.parquet may have: 1,600 trials of 5,120
// heads under two methods.
const maxTrialRows = 1 << 24

// ReadTrials reads a trials.parquet back.
func ReadTrials(path string) ([]scoring.TrialScore, error) {
	data, err := readLimited(path)
	if err != nil {
		return nil, err
	}
	trials, err := parseTrials(data)
	if err != nil {
		return nil, fmt.Errorf("reading trials from %s: %w", path, err)
	}
	return trials, nil
}

func parseTrials(data []byte) ([]scoring.TrialScore, error) {
	f, _, err := parquetFrame(data, maxTrialRows, "trial", "needle", "pass", "layer", "head", "method", "score")
	if err != nil {
		return nil, err
	}
	trial, needle, pass, length, depth := f.texts("trial"), f.texts("needle"), f.truths("pass"), f.ints("length", 0), f.floats("depth")
	realDepth, placement := f.floats("real_depth"), f.texts("placement")
	layer, head, method, score := f.ints("layer", -1), f.ints("head", -1), f.texts("method"), f.floats("score")
	if f.err != nil {
		return nil, f.err
	}
	var trials []scoring.TrialScore
	for i := range f.rows {
		if i == 0 || trial[i] != trial[i-1] {
			trials = append(trials, scoring.TrialScore{
				ID: trial[i], Needle: needle[i], Length: length[i], Depth: depth[i], Placement: placement[i], Pass: pass[i] == yes, Scores: map[string][][]float64{},
			})
			if d := realDepth[i]; !math.IsNaN(d) {
				trials[len(trials)-1].RealDepth = &d
			}
		}
		if math.IsNaN(score[i]) || math.IsInf(score[i], 0) {
			return nil, fmt.Errorf("row %d: the score is %v", i, score[i])
		}
		// Rows of a trial and method come by layer and head, so each row is
		// the next head of the last layer or the first of a later one: layers
		// between have no attention.
		scores := trials[len(trials)-1].Scores
		layers := scores[method[i]]
		switch l := layer[i]; {
		case l >= len(layers) && l < maxLayers && head[i] == 0:
			for len(layers) < l {
				layers = append(layers, nil)
			}
			scores[method[i]] = append(layers, []float64{score[i]})
		case len(layers) > 0 && l == len(layers)-1 && head[i] == len(layers[l]):
			layers[l] = append(layers[l], score[i])
		default:
			return nil, fmt.Errorf("row %d: layer %d, head %d of trial %q comes out of order", i, l, head[i], trial[i])
		}
	}
	return trials, nil
}
