package evaluate

import (
	"math"
	"strings"

	"headprof/scoring/stats"
)

// Row is one task under one policy at one capacity.
type Row struct {
	Task, Policy string
	Capacity     int     // asked for; 0: full
	Beta         float64 // HeadKV's; NaN for others
	N            int     // prompts
	Score        stats.Estimate
	// LogProb is the answer's log-probability under the compressed cache, in
	// nats, the whole answer's, mean over prompts.
	LogProb stats.Estimate
	// PerToken is LogProb per answer token.
	PerToken float64
	// ScoreChange and LogProbChange compare with the full cache, prompt by
	// prompt; NaN where full was not run.
	ScoreChange, LogProbChange stats.Estimate
	Entries                    float64 // kept, all layers and KV heads; mean over prompts
	Share                      float64 // of the full cache's bytes; mean over prompts
	Bytes                      float64 // of keys and values kept
	Allocated                  float64 // bytes of memory that hold them
}

// Timing is how fast a row's prompts went.
type Timing struct {
	Task, Policy string
	Capacity     int
	N            int
	DecodeRate   float64 // tokens/s, of single-token steps; NaN where none was needed
	FirstToken   float64 // seconds: prefill, compression and the first step; mean over prompts
	Compress     float64 // seconds, of FirstToken
}

// tasksOf lists tasks in order of appearance.
func tasksOf(records []*Record) []string {
	var out []string
	seen := map[string]bool{}
	for _, r := range records {
		if !seen[r.Task] {
			seen[r.Task] = true
			out = append(out, r.Task)
		}
	}
	return out
}

// Rows sums an evaluation up, by task, then variant. Intervals come from
// resampling groups of prompts.
func Rows(records []*Record, beta float64, seed uint64) []Row {
	boot := stats.Default(seed)
	var rows []Row
	for _, task := range tasksOf(records) {
		var of []*Record
		for _, r := range records {
			if r.Task == task {
				of = append(of, r)
			}
		}
		groups := stats.Groups(len(of), func(i int) string { return of[i].Group })
		full := -1
		for v, res := range of[0].Results {
			if res.Policy == "full" {
				full = v
			}
		}
		for v, first := range of[0].Results {
			column := func(f func(*Record, *Result) float64) []float64 {
				out := make([]float64, len(of))
				for i, r := range of {
					out[i] = f(r, &r.Results[v])
				}
				return out
			}
			score := column(func(_ *Record, r *Result) float64 { return r.Score })
			logProb := column(func(_ *Record, r *Result) float64 { return r.LogProb })
			row := Row{
				Task: task, Policy: first.Policy, Capacity: first.Capacity, Beta: math.NaN(), N: len(of),
				Score: boot.MeanEstimate(score, groups), LogProb: boot.MeanEstimate(logProb, groups),
				ScoreChange: stats.Unknown(), LogProbChange: stats.Unknown(),
				Entries:   mean(column(func(_ *Record, r *Result) float64 { return float64(r.Kept.Entries) })),
				Share:     mean(column(func(q *Record, r *Result) float64 { return float64(r.Kept.Bytes) / float64(q.Full.Bytes) })),
				Bytes:     mean(column(func(_ *Record, r *Result) float64 { return float64(r.Kept.Bytes) })),
				Allocated: mean(column(func(_ *Record, r *Result) float64 { return float64(r.Allocated) })),
			}
			if strings.HasPrefix(first.Policy, "headkv-") {
				row.Beta = beta
			}
			tokens := 0.0
			for i, r := range of {
				row.PerToken += logProb[i]
				tokens += float64(r.AnswerTokens)
			}
			row.PerToken /= tokens
			if full >= 0 {
				row.ScoreChange = boot.MeanEstimate(column(func(q *Record, r *Result) float64 { return r.Score - q.Results[full].Score }), groups)
				row.LogProbChange = boot.MeanEstimate(column(func(q *Record, r *Result) float64 { return r.LogProb - q.Results[full].LogProb }), groups)
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// Timings sums up how long things took. Where a prompt shared its beginning
// with the one before, its prefill time is scaled up from what was computed.
func Timings(records []*Record) []Timing {
	var out []Timing
	for _, task := range tasksOf(records) {
		var variants []Timing
		var seconds []float64
		var steps []int
		for _, r := range records {
			if r.Task != task {
				continue
			}
			for v, res := range r.Results {
				if v == len(variants) {
					variants = append(variants, Timing{Task: task, Policy: res.Policy, Capacity: res.Capacity})
					seconds, steps = append(seconds, 0), append(steps, 0)
				}
				t := &variants[v]
				t.N++
				t.FirstToken += r.Times.Seconds*float64(r.PromptTokens)/float64(max(1, r.Times.Computed)) + res.Times.Compress + res.Times.First
				t.Compress += res.Times.Compress
				seconds[v] += res.Times.Decode
				steps[v] += res.Times.Steps
			}
		}
		for v := range variants {
			t := &variants[v]
			t.FirstToken /= float64(t.N)
			t.Compress /= float64(t.N)
			t.DecodeRate = math.NaN()
			if steps[v] > 0 && seconds[v] > 0 {
				t.DecodeRate = float64(steps[v]) / seconds[v]
			}
		}
		out = append(out, variants...)
	}
	return out
}

func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}
