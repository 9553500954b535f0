package evaluate

import (
	"fmt"
	"path/filepath"
	"strconv"

	"headprof/export/atomicfile"
	"headprof/scoring/stats"
)

// Effect is what masking a choice of heads does.
type Effect struct {
	Choice   Choice
	Ablation Ablation
	Heads    int    // masked; of Restored and RestoredRandom: with those restored
	Restored int    // of Heads
	Seed     int    // of one random draw; 0: all of them together, or no draw
	Masked   string // "layer-head" names, restored ones with "+"; "" where several masks are summed up
	// Elsewhere counts random heads that are not from the top heads' layers.
	Elsewhere int
	N         int // prompts, each under one mask or more
	Score     stats.Estimate
	LogProb   stats.Estimate // of the whole answer, nats
	// ScoreChange and LogProbChange compare with no mask, prompt by prompt.
	ScoreChange, LogProbChange stats.Estimate
	// AgainstRandom is LogProb minus that of the random heads beside it: of Top
	// against Random, of Restored against RestoredRandom; unknown elsewhere.
	AgainstRandom stats.Estimate
}

// Effects sums an ablation up: no mask, then for each count the top heads, all
// random draws together, each draw, the bottom heads. Intervals resample groups
// of prompts, and where draws are summed up the draws as well.
func Effects(records []*Masked, masks []Mask, seed uint64) ([]Effect, error) {
	byMask := map[string][]*Masked{}
	for _, r := range records {
		byMask[r.Mask] = append(byMask[r.Mask], r)
	}
	plain := byMask[(Mask{Choice: None}).Name()]
	if len(plain) == 0 {
		return nil, fmt.Errorf("the ablation has no run without a mask to compare with")
	}
	for _, k := range masks {
		if len(byMask[k.Name()]) != len(plain) {
			return nil, fmt.Errorf("mask %s has %d of %d runs", k.Name(), len(byMask[k.Name()]), len(plain))
		}
	}
	groups := stats.Groups(len(plain), func(i int) string { return plain[i].Group })
	against := func(k Mask) stats.Estimate {
		draws := k.draws(masks)
		if len(draws) == 0 {
			return stats.Unknown()
		}
		of := byMask[k.Name()]
		return stats.Default(seed).Estimates([]int{len(groups), len(draws)}, func(picks [][]int) []float64 {
			var sum float64
			n := 0
			for _, d := range picks[1] {
				rs := byMask[draws[d].Name()]
				for _, g := range picks[0] {
					for _, i := range groups[g] {
						sum += of[i].LogProb - rs[i].LogProb
						n++
					}
				}
			}
			return []float64{sum / float64(n)}
		})[0]
	}
	sum := func(of []Mask) Effect {
		e := Effect{Choice: of[0].Choice, Ablation: of[0].ablation(), Heads: len(of[0].Heads), Restored: len(of[0].Restored), N: len(plain), AgainstRandom: against(of[0])}
		if len(of) == 1 {
			e.Masked, e.Seed = of[0].list(), of[0].Seed
		}
		for _, k := range of {
			e.Elsewhere = max(e.Elsewhere, k.Elsewhere)
		}
		estimates := stats.Default(seed).Estimates([]int{len(groups), len(of)}, func(picks [][]int) []float64 {
			var sums [4]float64
			n := 0
			for _, d := range picks[1] {
				rs := byMask[of[d].Name()]
				for _, g := range picks[0] {
					for _, i := range groups[g] {
						sums[0] += rs[i].Score
						sums[1] += rs[i].LogProb
						sums[2] += rs[i].Score - plain[i].Score
						sums[3] += rs[i].LogProb - plain[i].LogProb
						n++
					}
				}
			}
			for i := range sums {
				sums[i] /= float64(n)
			}
			return sums[:]
		})
		e.Score, e.LogProb, e.ScoreChange, e.LogProbChange = estimates[0], estimates[1], estimates[2], estimates[3]
		return e
	}
	var out []Effect
	var draws []Mask
	flush := func() {
		if len(draws) > 0 {
			out = append(out, sum(draws))
			if len(draws) == 1 {
				out[len(out)-1].Masked, out[len(out)-1].Seed = "", 0
			}
			for _, d := range draws {
				out = append(out, sum([]Mask{d}))
			}
		}
		draws = nil
	}
	for _, k := range masks {
		if len(draws) > 0 && !k.drawnLike(draws[0]) {
			flush()
		}
		if k.Seed > 0 {
			draws = append(draws, k)
			continue
		}
		out = append(out, sum([]Mask{k}))
	}
	flush()
	return out, nil
}

// drawnLike tells whether masks differ by their draw alone.
func (m Mask) drawnLike(k Mask) bool {
	return m.Choice == k.Choice && m.ablation() == k.ablation() && len(m.Heads) == len(k.Heads) && len(m.Restored) == len(k.Restored)
}

// draws are the random heads that a choice is compared with.
func (m Mask) draws(masks []Mask) (out []Mask) {
	switch m.Choice {
	case Top:
		m.Choice = Random
	case Restored:
		m.Choice = RestoredRandom
	default:
		return nil
	}
	for _, k := range masks {
		if k.drawnLike(m) {
			out = append(out, k)
		}
	}
	return out
}

// effectRow is an Effect in ablate.parquet.
type effectRow struct {
	Choice          string   `parquet:"choice,dict"`
	Heads           int32    `parquet:"heads"`
	Seed            *int32   `parquet:"seed,optional"`
	N               int32    `parquet:"n"`
	Score           *float64 `parquet:"pass_rate,optional"`
	ScoreLow        *float64 `parquet:"pass_rate_low,optional"`
	ScoreHigh       *float64 `parquet:"pass_rate_high,optional"`
	LogProb         *float64 `parquet:"answer_logprob,optional"`
	LogProbLow      *float64 `parquet:"answer_logprob_low,optional"`
	LogProbHigh     *float64 `parquet:"answer_logprob_high,optional"`
	ScoreChange     *float64 `parquet:"pass_rate_change,optional"`
	ScoreChangeLow  *float64 `parquet:"pass_rate_change_low,optional"`
	ScoreChangeHigh *float64 `parquet:"pass_rate_change_high,optional"`
	Change          *float64 `parquet:"answer_logprob_change,optional"`
	ChangeLow       *float64 `parquet:"answer_logprob_change_low,optional"`
	ChangeHigh      *float64 `parquet:"answer_logprob_change_high,optional"`
	Elsewhere       int32    `parquet:"elsewhere"`
	Masked          string   `parquet:"masked"`
	Ablation        string   `parquet:"ablation,dict"`
	Restored        int32    `parquet:"restored"`
	Against         *float64 `parquet:"answer_logprob_against_random,optional"`
	AgainstLow      *float64 `parquet:"answer_logprob_against_random_low,optional"`
	AgainstHigh     *float64 `parquet:"answer_logprob_against_random_high,optional"`
}

func (e Effect) parquet() effectRow {
	r := effectRow{
		Choice: string(e.Choice), Heads: int32(e.Heads), N: int32(e.N), Elsewhere: int32(e.Elsewhere), Masked: e.Masked,
		Score: known(e.Score.Value), ScoreLow: known(e.Score.Low), ScoreHigh: known(e.Score.High),
		LogProb: known(e.LogProb.Value), LogProbLow: known(e.LogProb.Low), LogProbHigh: known(e.LogProb.High),
		ScoreChange: known(e.ScoreChange.Value), ScoreChangeLow: known(e.ScoreChange.Low), ScoreChangeHigh: known(e.ScoreChange.High),
		Change: known(e.LogProbChange.Value), ChangeLow: known(e.LogProbChange.Low), ChangeHigh: known(e.LogProbChange.High),
		Ablation: string(e.Ablation), Restored: int32(e.Restored),
		Against: known(e.AgainstRandom.Value), AgainstLow: known(e.AgainstRandom.Low), AgainstHigh: known(e.AgainstRandom.High),
	}
	if e.Seed > 0 {
		s := int32(e.Seed)
		r.Seed = &s
	}
	return r
}

func effectColumns() []column[Effect] {
	type c = column[Effect]
	out := []c{
		{"choice", func(e Effect) string { return string(e.Choice) }},
		{"heads", func(e Effect) string { return strconv.Itoa(e.Heads) }},
		{"seed", func(e Effect) string { return capacityText(e.Seed) }},
		{"n", func(e Effect) string { return strconv.Itoa(e.N) }},
	}
	estimate := func(name string, of func(Effect) stats.Estimate) {
		out = append(out,
			c{name, func(e Effect) string { return number(of(e).Value, 6) }},
			c{name + "_low", func(e Effect) string { return number(of(e).Low, 6) }},
			c{name + "_high", func(e Effect) string { return number(of(e).High, 6) }},
		)
	}
	estimate("pass_rate", func(e Effect) stats.Estimate { return e.Score })
	estimate("answer_logprob", func(e Effect) stats.Estimate { return e.LogProb })
	estimate("pass_rate_change", func(e Effect) stats.Estimate { return e.ScoreChange })
	estimate("answer_logprob_change", func(e Effect) stats.Estimate { return e.LogProbChange })
	out = append(out,
		c{"elsewhere", func(e Effect) string { return strconv.Itoa(e.Elsewhere) }},
		c{"masked", func(e Effect) string { return e.Masked }},
		c{"ablation", func(e Effect) string { return string(e.Ablation) }},
		c{"restored", func(e Effect) string { return strconv.Itoa(e.Restored) }},
	)
	estimate("answer_logprob_against_random", func(e Effect) stats.Estimate { return e.AgainstRandom })
	return out
}

// WriteEffects writes ablate.csv, ablate.parquet and ablate.md.
func WriteEffects(dir string, effects []Effect) ([]string, error) {
	files := []string{filepath.Join(dir, EffectsFile), filepath.Join(dir, "ablate.parquet"), filepath.Join(dir, "ablate.md")}
	if err := writeCSV(files[0], effects, effectColumns()); err != nil {
		return nil, err
	}
	rows := make([]effectRow, len(effects))
	for i, e := range effects {
		rows[i] = e.parquet()
	}
	if err := writeParquet(files[1], "ablation/1", effectTexts, rows); err != nil {
		return nil, err
	}
	return files, atomicfile.WriteBytes(files[2], []byte(AblationMarkdown(effects)))
}
