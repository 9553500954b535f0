package export

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"

	"headprof/scoring"
)

// trialRow is a row of trials.parquet: one head's score in one trial.
type trialRow struct {
	Trial  string  `parquet:"trial,dict"`
	Needle string  `parquet:"needle,dict"`
	Length int32   `parquet:"length,delta"`
	Depth  float64 `parquet:"depth,dict"`
	Pass   bool    `parquet:"pass"`
	Layer  int32   `parquet:"layer,delta"`
	Head   int32   `parquet:"head,delta"`
	KVHead int32   `parquet:"kv_head,delta"`
	Method string  `parquet:"method,dict"`
	Score  float64 `parquet:"score"`
	Decode string  `parquet:"decode,dict"`
}

// WriteTrials writes the long table: every trial's score of every head under
// every method of t, in the order given, whether it passed or not. Layers,
// heads and KV heads are t's.
func WriteTrials(path string, t *scoring.Table, trials []scoring.TrialScore) error {
	meta, err := json.Marshal(t.Meta)
	if err != nil {
		return err
	}
	return writeFile(path, func(w io.Writer) error {
		return writeRows(w, "trials/1", map[string]string{metaKey: string(meta)}, func(yield func([]trialRow) error) error {
			rows := make([]trialRow, len(t.Heads))
			for _, x := range trials {
				for i, h := range t.Heads {
					scores := x.Scores[h.Method]
					if h.Layer >= len(scores) || h.Head >= len(scores[h.Layer]) {
						return fmt.Errorf("trial %q has no %s score of layer %d, head %d", x.ID, h.Method, h.Layer, h.Head)
					}
					rows[i] = trialRow{
						Trial: x.ID, Needle: x.Needle, Length: int32(x.Length), Depth: x.Depth, Pass: x.Pass,
						Layer: int32(h.Layer), Head: int32(h.Head), KVHead: int32(h.KVHead), Method: h.Method,
						Score: scores[h.Layer][h.Head], Decode: t.Meta.Decode,
					}
				}
				if err := yield(rows); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// ReadTrials reads a trials.parquet back.
func ReadTrials(path string) ([]scoring.TrialScore, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > 4*maxBytes {
		return nil, fmt.Errorf("%s has %d bytes; a table of more than %d is not read", path, info.Size(), 4*maxBytes)
	}
	data, err := os.ReadFile(path)
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
	rows, _, err := readRows[trialRow](data, "trial", "needle", "pass", "layer", "head", "method", "score")
	if err != nil {
		return nil, err
	}
	var trials []scoring.TrialScore
	for i, r := range rows {
		if i == 0 || r.Trial != rows[i-1].Trial {
			trials = append(trials, scoring.TrialScore{
				ID: r.Trial, Needle: r.Needle, Length: int(r.Length), Depth: r.Depth, Pass: r.Pass, Scores: map[string][][]float64{},
			})
		}
		if math.IsNaN(r.Score) || math.IsInf(r.Score, 0) {
			return nil, fmt.Errorf("row %d: the score is %v", i, r.Score)
		}
		// Rows of a trial and method come by layer and head, so each row is
		// the next head of the last layer or the first of the next.
		scores := trials[len(trials)-1].Scores
		layers := scores[r.Method]
		switch {
		case int(r.Layer) == len(layers) && r.Head == 0:
			scores[r.Method] = append(layers, []float64{r.Score})
		case len(layers) > 0 && int(r.Layer) == len(layers)-1 && int(r.Head) == len(layers[r.Layer]):
			layers[r.Layer] = append(layers[r.Layer], r.Score)
		default:
			return nil, fmt.Errorf("row %d: layer %d, head %d of trial %q comes out of order", i, r.Layer, r.Head, r.Trial)
		}
	}
	return trials, nil
}
