package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"headprof/export"
	"headprof/export/atomicfile"
	htmlreport "headprof/plots/report"
	"headprof/probe/evaluate"
	"headprof/probe/journal"
	"headprof/scoring"
)

type reportFlags struct {
	out, method string
	top         int
	profile     profileFlags
}

func newReport() *cobra.Command {
	var f reportFlags
	c := &cobra.Command{
		Use:   "report DIR|FILE...",
		Short: "Make one page to look at: heads, trials, budgets, comparisons",
		Long: `Put everything that folders hold into one HTML page that works from a file and
needs no network: the map of heads with each head's score by length, depth and
needle, ranking, layers, needle grid, agreement of methods and runs, budgets at
any capacity, evaluations, ablations, warnings, and what it was all made from.

Folders of 'headprof score', 'eval' and 'ablate' may be named, folders that hold
such folders, and any score file that headprof reads.`,
		Example: `  headprof report profile
  headprof report profile headprof-eval headprof-ablate --out report.html
  headprof report llama qwen published.json --shape 32x32/8`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("missing a run's folder or a score file")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	fs := c.Flags()
	fs.SortFlags = false
	fs.StringVarP(&f.out, "out", "o", "", "`file` ending in .html, or - for standard output (default: report.html in the first folder, or beside the file)")
	fs.StringVar(&f.method, "method", "", "score method that the page opens with (default: headkv-r2 or the file's own)")
	fs.IntVar(&f.top, "top-k", 0, "heads that count as top at first (default: a tenth of all)")
	f.profile.register(fs)
	atLeast(fs, 1, "top-k")
	return c
}

func (f *reportFlags) run(cmd *cobra.Command, args []string) error {
	if f.out == "" {
		f.out = beside(args[0], "report.html")
	}
	if _, err := formatOf("", "--out", f.out, "html", "htm"); err != nil {
		return err
	}
	f.profile.notes = cmd.ErrOrStderr()
	p, err := f.page(args)
	if err != nil {
		return err
	}
	if err := atomicfile.Write(f.out, func(w io.Writer) error { return htmlreport.Write(w, p) }); err != nil {
		return err
	}
	printPath(cmd, f.out)
	return nil
}

// page collects what the paths hold.
func (f *reportFlags) page(paths []string) (*htmlreport.Page, error) {
	p := &htmlreport.Page{Version: version()}
	var rankings []source
	for _, path := range paths {
		found := false
		for _, dir := range withFolders(path) {
			known, err := f.add(p, &rankings, dir)
			if err != nil {
				return nil, err
			}
			found = found || known
		}
		if !found {
			_, err := f.profile.read(path) // its error says what is missing
			if err == nil {
				err = fmt.Errorf("%s holds nothing to report", path)
			}
			return nil, err
		}
	}
	nameApart(p)
	p.Agreements = agreements(rankings)
	return p, nil
}

// withFolders is a path and, where it is a folder, the folders in it.
func withFolders(path string) []string {
	out := []string{path}
	entries, err := os.ReadDir(path)
	if err != nil {
		return out
	}
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			out = append(out, filepath.Join(path, e.Name()))
		}
	}
	return out
}

// add adds what one folder or file holds.
func (f *reportFlags) add(p *htmlreport.Page, rankings *[]source, path string) (found bool, err error) {
	has := func(name string) bool {
		_, err := os.Stat(filepath.Join(path, name))
		return err == nil
	}
	if has(evaluate.RowsFile) {
		rows, err := evaluate.ReadRows(path)
		if err != nil {
			return false, err
		}
		p.Evaluations = append(p.Evaluations, htmlreport.Evaluation{Name: path, Rows: evaluationRows(rows), Made: madeFrom(path, "eval")})
		found = true
	}
	if has(evaluate.EffectsFile) {
		effects, err := evaluate.ReadEffects(path)
		if err != nil {
			return false, err
		}
		p.Ablations = append(p.Ablations, htmlreport.Ablation{Name: path, Rows: ablationRows(effects), Made: madeFrom(path, "ablate")})
		found = true
	}
	info, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	if info.IsDir() && !export.HoldsScores(path) {
		return found, nil
	}
	run, ranked, err := f.profileRun(path)
	if err != nil {
		return false, err
	}
	for i := range ranked {
		ranked[i].at.Run = len(p.Runs)
	}
	p.Runs = append(p.Runs, *run)
	*rankings = append(*rankings, ranked...)
	return true, nil
}

// nameApart gives runs short names that differ.
func nameApart(p *htmlreport.Page) {
	seen := map[string]int{}
	for i := range p.Runs {
		seen[p.Runs[i].Name]++
	}
	for i := range p.Runs {
		if r := &p.Runs[i]; seen[r.Name] > 1 {
			r.Name = r.Path
		}
	}
}

func estimateOf(value, low, high float64) htmlreport.Estimate {
	pointer := func(v float64) *float64 {
		if finite(v) == nil {
			return nil
		}
		return &v
	}
	return htmlreport.Estimate{Value: pointer(value), Low: pointer(low), High: pointer(high)}
}

func evaluationRows(rows []evaluate.Row) []htmlreport.EvaluationRow {
	out := []htmlreport.EvaluationRow{}
	for _, r := range rows {
		out = append(out, htmlreport.EvaluationRow{
			Task: r.Task, Policy: r.Policy, Capacity: r.Capacity, N: r.N,
			Score: estimateOf(r.Score.Value, r.Score.Low, r.Score.High), LogProb: estimateOf(r.LogProb.Value, r.LogProb.Low, r.LogProb.High),
			Share: estimateOf(r.Share, 0, 0).Value, Bytes: estimateOf(r.Bytes, 0, 0).Value,
		})
	}
	return out
}

func ablationRows(effects []evaluate.Effect) []htmlreport.AblationRow {
	out := []htmlreport.AblationRow{}
	for _, e := range effects {
		seed := ""
		if e.Seed > 0 {
			seed = fmt.Sprint(e.Seed)
		}
		choice := string(e.Choice)
		if e.Ablation != evaluate.Zero && e.Choice != evaluate.None {
			choice += ", " + string(e.Ablation)
		}
		if e.Restored > 0 {
			continue // against another axis: ablate.md has them
		}
		out = append(out, htmlreport.AblationRow{
			Choice: choice, Heads: e.Heads, Seed: seed,
			PassRate: estimateOf(e.Score.Value, e.Score.Low, e.Score.High), LogProb: estimateOf(e.LogProb.Value, e.LogProb.Low, e.LogProb.High),
		})
	}
	return out
}

// source is a ranking and its place on the page.
type source struct {
	scoring.Ranking
	at htmlreport.Ranked
}

// most of what one agreement compares: a matrix of more is not read by anybody.
const mostRankings = 24

// agreements compares rankings of the same heads with each other.
func agreements(all []source) (out []htmlreport.Agreement) {
	for len(all) > 0 {
		// Rankings of one shape go together; those of KV heads are of another.
		var same, others []source
		for _, s := range all {
			if len(same) < mostRankings && s.PerKVHead == all[0].PerKVHead && sameRows(s.Heads, all[0].Heads) {
				same = append(same, s)
			} else {
				others = append(others, s)
			}
		}
		all = others
		if len(same) < 2 {
			continue
		}
		a := htmlreport.Agreement{}
		var rankings []scoring.Ranking
		for i, s := range same {
			s.Name = fmt.Sprint(i)
			rankings = append(rankings, s.Ranking)
			a.Rankings = append(a.Rankings, s.at)
		}
		g, err := scoring.Agree(rankings, 0, false, scoring.Options{Seed: 1})
		if err != nil {
			continue // too few heads with a score in all of them
		}
		drawn := false
		for i := range rankings {
			var v, low, high []float64
			for j := range rankings {
				e := g.Spearman[i][j]
				v, low, high = append(v, e.Value), append(low, e.Low), append(high, e.High)
				drawn = drawn || g.Resampled[i][j] == scoring.HeadsDrawn
			}
			a.Spearman, a.Low, a.High = append(a.Spearman, v), append(a.Low, low), append(a.High, high)
		}
		a.Interval = "Intervals: 95 % basic bootstrap over needles and trials; rankings that share trials are resampled together."
		if drawn {
			a.Interval = "Intervals: 95 % bootstrap, over needles and trials where they are known, else over heads."
		}
		out = append(out, a)
	}
	return out
}

func sameRows(a, b []scoring.Head) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Layer != b[i].Layer || a[i].Head != b[i].Head {
			return false
		}
	}
	return true
}

// madeFrom says what a folder's manifest tells of its making; nothing without one.
func madeFrom(dir, command string) htmlreport.Made {
	m, err := journal.ReadManifest(dir)
	if err != nil {
		return htmlreport.Made{}
	}
	return made(m, command)
}
