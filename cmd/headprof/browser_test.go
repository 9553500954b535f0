package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"headprof/export"
	"headprof/fixtures/reference"
	"headprof/runner/shape"
	"headprof/scoring/allocate"
)

// browser is a Chromium with one page open.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	problems []string // what the console and the page's policy complained of
}

// openBrowser opens a file or an address in Chromium. Pictures are left in HEADPROF_SCREENSHOTS.
func openBrowser(t *testing.T, path string) *browser {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			program = found
			break
		}
	}
	if program == "" {
		reference.Missing(t, "no Chromium (Debian: chromium)")
	}
	alloc, stop := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1280, 900), chromedp.WSURLReadTimeout(patience))...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	ctx, cancelTime := context.WithTimeout(ctx, patience)
	t.Cleanup(cancelTime)
	b := &browser{t: t, ctx: ctx}
	chromedp.ListenTarget(ctx, func(event any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			b.problems = append(b.problems, e.ExceptionDetails.Error())
		case *runtime.EventConsoleAPICalled:
			if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning {
				b.problems = append(b.problems, fmt.Sprint(e.Type))
			}
		case *cdplog.EventEntryAdded:
			b.problems = append(b.problems, e.Entry.Text)
		}
	})
	address := path
	if !strings.HasPrefix(path, "http:") {
		absolute, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		address = "file://" + strings.ReplaceAll(absolute, "%", "%25")
	}
	b.run(chromedp.Navigate(address), chromedp.WaitVisible(`#report[aria-busy="false"]`, chromedp.ByQuery))
	return b
}

func (b *browser) run(actions ...chromedp.Action) {
	b.t.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// eval gives the value of an expression of the page.
func (b *browser) eval(expression string, to any) {
	b.t.Helper()
	b.run(chromedp.Evaluate(expression, to))
}

func (b *browser) text(selector string) (text string) {
	b.t.Helper()
	b.run(chromedp.Text(selector, &text, chromedp.ByQuery))
	return text
}

func (b *browser) contains(selector, want string) {
	b.t.Helper()
	if got := b.text(selector); !strings.Contains(got, want) {
		b.t.Errorf("%s says %q, not %q", selector, got, want)
	}
}

func (b *browser) picture(name string) {
	b.t.Helper()
	dir := os.Getenv("HEADPROF_SCREENSHOTS")
	if dir == "" {
		return
	}
	var png []byte
	b.run(chromedp.FullScreenshot(&png, 100))
	if err := os.WriteFile(filepath.Join(dir, name), png, 0o666); err != nil {
		b.t.Fatal(err)
	}
}

// quietly checks that nothing complained and no text of the page ran.
func (b *browser) quietly() {
	b.t.Helper()
	var pwned bool
	b.eval(`"pwned" in window || document.images.length > 0`, &pwned)
	if pwned {
		b.t.Error("a text of the profile ran or became an element")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.problems {
		b.t.Errorf("console: %s", p)
	}
}

// command runs a command line in this process.
func command(t *testing.T, args ...string) {
	t.Helper()
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(io.Discard)
	root.SetErr(io.Discard)
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatalf("headprof %s: %v", strings.Join(args, " "), err)
	}
}

// A report of real folders: clicks, keys, switches and the slider do what they
// say, in light and dark, wide and narrow, and on paper.
func TestReportInABrowser(t *testing.T) {
	t.Chdir(t.TempDir())
	command(t, "score", "--quiet", "--per-step", "--count", "48", "--out", "profile")
	command(t, "score", "--quiet", "--count", "24", "--seed", "7", "--out", "other")
	command(t, "eval", "--quiet", "--count", "6", "--scores", "profile", "--out", "profile/eval")
	command(t, "ablate", "--quiet", "--count", "6", "--scores", "profile", "--out", "profile/ablate")
	command(t, "report", "profile", "other", "--out", "report.html")
	read, err := export.Read("profile")
	if err != nil {
		t.Fatal(err)
	}
	rows := read.Table.Of("headkv-r2")
	b := openBrowser(t, "report.html")
	var title string
	b.run(chromedp.Title(&title))
	if title != "headprof tiny · headprof" {
		t.Errorf("the title is %q", title)
	}

	b.contains("#head", "By step of the answer")

	// The best head is open; a click on another shows it.
	best := 0
	for i, h := range rows {
		if h.Rank == 1 {
			best = i
		}
	}
	b.contains("#head h3", fmt.Sprintf("L%d.H%d", rows[best].Layer, rows[best].Head))
	var at struct{ X, Y float64 }
	other := (best + 11) % len(rows)
	b.run(chromedp.ScrollIntoView("#heads canvas", chromedp.ByQuery))
	b.eval(fmt.Sprintf(`(() => { const r = headprof.heads.map.canvas.getBoundingClientRect(), p = headprof.heads.map.place(%d); return { X: r.left + p.x, Y: r.top + p.y }; })()`, other), &at)
	b.run(chromedp.MouseClickXY(at.X, at.Y))
	h := rows[other]
	b.contains("#head h3", fmt.Sprintf("L%d.H%d", h.Layer, h.Head))
	b.contains("#head .facts", fmt.Sprintf("%d of %d", h.Rank, len(rows)))
	b.contains("#head .facts", fmt.Sprintf("%d of 4", h.KVHead))

	// Keys move and choose, and a screen reader hears it.
	b.run(chromedp.Focus("#heads canvas", chromedp.ByQuery), chromedp.KeyEvent(kb.ArrowUp), chromedp.KeyEvent(kb.Enter))
	var focused, said string
	b.eval(`headprof.app.m.grid.name(headprof.app.head)`, &focused)
	b.eval(`document.querySelector('[role="status"]').textContent`, &said)
	if !strings.HasPrefix(said, focused) {
		t.Errorf("%s is chosen, %q is said", focused, said)
	}

	// Another method, more top heads, another scale.
	b.run(chromedp.SetAttributeValue(`.bar-top select`, "data-seen", "1", chromedp.ByQuery))
	b.eval(`(() => { const s = [...document.querySelectorAll(".bar-top select")].find((s) => [...s.options].some((o) => o.text === "retrieval")); s.value = [...s.options].find((o) => o.text === "retrieval").value; s.dispatchEvent(new Event("change")); })()`, nil)
	b.contains("#heads .lead", "retrieval:")
	b.eval(`(() => { const t = document.querySelector('.bar-top input[type="number"]'); t.value = 7; t.dispatchEvent(new Event("input")); })()`, nil)
	var listed int
	b.eval(`document.querySelectorAll("#ranking tbody tr").length`, &listed)
	if listed != 7 {
		t.Errorf("%d top heads are listed, not 7", listed)
	}
	b.eval(`headprof.app.set({ scale: "rank" })`, nil)
	b.contains("#heads .legend", "first")
	b.eval(`headprof.app.set({ scale: "linear" })`, nil)

	// The slider changes what every head gets.
	b.run(chromedp.ScrollIntoView(`#budget input[type="range"]`, chromedp.ByQuery), chromedp.Focus(`#budget input[type="range"]`, chromedp.ByQuery))
	before := b.text("#budget-totals")
	b.run(chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowRight))
	if after := b.text("#budget-totals"); before == after {
		t.Errorf("the slider moved, and the totals stayed %q", after)
	}

	for _, id := range []string{"needle", "agreement", "evaluation-0", "ablation-0", "made"} {
		var there bool
		b.eval(fmt.Sprintf(`document.getElementById(%q) !== null`, id), &there)
		if !there {
			t.Errorf("the page has no part %q", id)
		}
	}
	b.contains("#made", "--count 48")
	b.contains("#made", "SHA-256")
	sameBudgets(t, b)

	b.picture("report.png")
	b.run(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}), chromedp.Sleep(200*time.Millisecond))
	b.picture("report-dark.png")
	b.run(chromedp.EmulateViewport(400, 800), chromedp.Sleep(200*time.Millisecond))
	var wide bool
	b.eval(`document.documentElement.scrollWidth > innerWidth`, &wide)
	if wide {
		t.Error("a narrow window has to be scrolled sideways")
	}
	b.picture("report-narrow.png")
	b.run(chromedp.ActionFunc(func(ctx context.Context) error {
		pdf, _, err := page.PrintToPDF().WithPrintBackground(true).Do(ctx)
		if err == nil && len(pdf) < 1000 {
			err = fmt.Errorf("a print of %d bytes", len(pdf))
		}
		if dir := os.Getenv("HEADPROF_SCREENSHOTS"); dir != "" && err == nil {
			err = os.WriteFile(filepath.Join(dir, "report.pdf"), pdf, 0o666)
		}
		return err
	}))
	b.quietly()
}

// sameBudgets compares the page's budgets with those of scoring/allocate, on the
// profile and on a made-up model with unequal layers and windows.
func sameBudgets(t *testing.T, b *browser) {
	t.Helper()
	read, err := export.Read("profile")
	if err != nil {
		t.Fatal(err)
	}
	heads := read.Table.Of("headkv-r2")
	plain := allocate.ModelOf(heads)
	odd := allocate.Model{Layers: shape.Model{{Heads: 8, KVHeads: 2, KeyDim: 64, ValueDim: 128, Window: 48}, {Heads: 8, KVHeads: 8, KeyDim: 32, ValueDim: 32}, {Heads: 8, KVHeads: 1, KeyDim: 64, ValueDim: 64}, {Heads: 8, KVHeads: 4, KeyDim: 64, ValueDim: 64, Window: 512}}}
	for i := range plain.Layers {
		plain.Layers[i].KeyDim, plain.Layers[i].ValueDim = 32, 32
	}
	type setting struct {
		Policy   string          `json:"policy"`
		Capacity int             `json:"capacity"`
		Beta     float64         `json:"beta"`
		Temp     float64         `json:"temp"`
		Window   int             `json:"window"`
		Level    allocate.Level  `json:"level"`
		Reduce   allocate.Reduce `json:"reduce"`
		Fit      bool            `json:"fit"`
		Context  int             `json:"context"`
	}
	compared := 0
	for _, m := range []allocate.Model{plain, odd} {
		m.ElementBytes = 2
		means := []float64{}
		for _, h := range heads {
			means = append(means, h.Mean)
		}
		layers := []map[string]int{}
		for _, l := range m.Layers {
			layers = append(layers, map[string]int{"heads": l.Heads, "kv_heads": l.KVHeads, "window": l.Window, "key_dim": l.KeyDim, "value_dim": l.ValueDim})
		}
		var all []setting
		for _, policy := range allocate.Policies() {
			if policy == (allocate.Marginal{}).Name() {
				continue // the page has no curves
			}
			for _, capacity := range []int{19, 64, 128, 1021} {
				for _, level := range []allocate.Level{allocate.KVHead, allocate.Head, allocate.ByLayer} {
					for _, beta := range []float64{1.005, 1.1, 1.2, 2, 7.3} {
						for _, fit := range []bool{false, true} {
							for _, context := range []int{0, 700, 32768} {
								for _, reduce := range []allocate.Reduce{allocate.Auto, allocate.Max} {
									if policy != "headkv" && (beta != 1.2 || reduce != allocate.Auto) {
										continue
									}
									all = append(all, setting{policy, capacity, beta, 1, 8, level, reduce, fit, context})
								}
							}
						}
					}
				}
			}
		}
		arguments, err := json.Marshal([]any{means, layers, all})
		if err != nil {
			t.Fatal(err)
		}
		type result struct {
			Error   string
			Entries []int
			Totals  struct{ Requested, Entries, Held, Full, EntriesBytes, HeldBytes, FullBytes int64 }
		}
		var got []result
		b.eval(fmt.Sprintf(`((means, layers, all) => all.map((p) => { try { const r = headprof.Budget.make(means, layers, p); return { Entries: r.caches.map((c) => c.entries), Totals: r.totals }; } catch (e) { return { Error: e.message }; } }))(...%s)`, arguments), &got)
		for i, s := range all {
			policy, err := allocate.New(s.Policy)
			if err != nil {
				t.Fatal(err)
			}
			if p, ok := policy.(*allocate.HeadKV); ok {
				p.Beta = s.Beta
			}
			p := allocate.DefaultParams()
			p.Capacity, p.Window, p.Level, p.Reduce, p.Fit = s.Capacity, s.Window, s.Level, s.Reduce, s.Fit
			if s.Context > 0 {
				p.Context = &s.Context
			}
			plan, err := allocate.Make(policy, heads, m, p)
			if (err != nil) != (got[i].Error != "") {
				t.Errorf("%+v: the page says %q, headprof budget %v", s, got[i].Error, err)
				continue
			}
			if err != nil {
				continue
			}
			var want []int
			for _, c := range plan.Caches {
				want = append(want, c.Entries)
			}
			if fmt.Sprint(want) != fmt.Sprint(got[i].Entries) {
				t.Errorf("%+v: the page has %v, headprof budget %v", s, got[i].Entries, want)
			}
			w, g := plan.Totals(s.Context), got[i].Totals
			if w.Requested != g.Requested || w.Entries != g.Entries || w.Held != g.Held || w.Full != g.Full || w.EntriesBytes != g.EntriesBytes || w.HeldBytes != g.HeldBytes || w.FullBytes != g.FullBytes {
				t.Errorf("%+v: the page's totals are %+v, headprof budget's %+v", s, g, w)
			}
			compared++
		}
	}
	if compared < 500 {
		t.Errorf("only %d budgets were compared", compared)
	}
}

// Names that are markup stay names, wherever they come from.
func TestHostileReport(t *testing.T) {
	t.Chdir(t.TempDir())
	const evil = `</script><img src=x onerror=window.pwned=1><script>window.pwned=1</script>`
	quoted := `"` + strings.ReplaceAll(evil, `"`, `""`) + `"`
	inJSON, err := json.Marshal(evil)
	if err != nil {
		t.Fatal(err)
	}
	dir := `<img src=x onerror=window.pwned=1>`
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(dir, "scores.csv"), `# headprof: {"format":"scores/1","meta":{"model":`+string(inJSON)+`,"model_sha256":`+string(inJSON)+`,"trials":3,"passed":2}}`+"\nlayer,head,kv_head,method,mean\n0,0,0,"+quoted+",0.5\n0,1,0,"+quoted+",0.25\n1,0,0,"+quoted+",0.1\n1,1,0,"+quoted+",0\n")
	write(filepath.Join(dir, "eval", "eval.csv"), "task,policy,capacity,n,score,answer_logprob,share_kept\n"+quoted+","+quoted+",64,3,0.5,-1,0.5\n"+quoted+",full,,3,1,-0.5,1\n")
	write(filepath.Join(dir, "ablate", "ablate.csv"), "choice,heads,seed,n,pass_rate,answer_logprob\nnone,0,,3,1,-1\n"+quoted+",1,,3,0.5,-2\n")
	write("needles.jsonl", `{"id":`+string(inJSON)+`,"needle":"The best thing to do in Bern is to swim.","question":"What is the best thing to do in Bern?","answer":"swim"}`+"\n"+`{"id":"two","needle":"The best thing to do in Rome is to walk.","question":"What is the best thing to do in Rome?","answer":"walk"}`+"\n")
	command(t, "score", "--quiet", "--decode", "forced", "--needles", "needles.jsonl", "--count", "8", "--out", "run")
	command(t, "report", dir, "run", "--out", "report.html")
	b := openBrowser(t, "report.html")
	b.contains("h1", evil)
	b.contains("#evaluation-0", evil)
	b.contains("#ablation-0", dir)
	b.eval(`(() => { const s = document.querySelector(".bar-top select"); s.value = 1; s.dispatchEvent(new Event("change")); })()`, nil)
	b.contains("#head .bars", evil)
	b.run(chromedp.Sleep(300 * time.Millisecond)) // an image that fails to load would run by then
	b.quietly()
}
