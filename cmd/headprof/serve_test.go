package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"headprof/probe"
	"headprof/scoring"
)

// growing is a live view of a folder whose journal has its first lines only;
// the function adds the others.
func growing(t *testing.T) (v *liveView, grow func()) {
	t.Helper()
	t.Chdir(t.TempDir())
	command(t, "score", "--quiet", "--count", "24", "--out", "run")
	path := filepath.Join("run", "trials.jsonl")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(whole, []byte("\n"))
	write := func(data []byte) {
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write(bytes.Join(lines[:8], nil))
	v = &liveView{dir: "run", options: scoring.Options{Resamples: 50, Splits: 10}, meta: func(r *probe.Result) scoring.Meta {
		return scoring.Meta{Model: "headprof tiny", Decode: "greedy", Trials: r.Done}
	}}
	v.progress(probe.Progress{Done: 8, Total: 24, Passed: 8, TokensDone: 1000, TokensTotal: 5000, TokensPerSecond: 900, Left: time.Minute})
	return v, func() {
		write(whole)
		v.progress(probe.Progress{Done: 24, Total: 24, Passed: 24, TokensDone: 5000, TokensTotal: 5000, Left: 0})
	}
}

// The live view gives its page and its data and nothing else, to this machine.
func TestLiveViewIsReadOnly(t *testing.T) {
	v, _ := growing(t)
	h := v.handler(true)
	ask := func(method, path, host string) *http.Response {
		r := httptest.NewRequest(method, "http://"+host+"/", nil)
		r.URL.Path = path
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Result()
	}
	const here = "127.0.0.1:8080"
	for _, c := range []struct {
		method, path, host string
		want               int
	}{
		{"GET", "/", here, 200}, {"GET", "/data", here, 200}, {"GET", "/", "localhost:8080", 200}, {"GET", "/", "[::1]:8080", 200},
		{"GET", "/", "evil.example:8080", 403}, {"GET", "/data", "evil.example:8080", 403},
		{"POST", "/", here, 405}, {"DELETE", "/data", here, 405}, {"PUT", "/data", here, 405},
		{"GET", "/run/run.json", here, 404}, {"GET", "/data/x", here, 404}, {"GET", "/trials.jsonl", here, 404},
	} {
		if got := ask(c.method, c.path, c.host).StatusCode; got != c.want {
			t.Errorf("%s %s of %s: %d, not %d", c.method, c.path, c.host, got, c.want)
		}
	}
	for _, path := range []string{"/../run/run.json", "/..%2frun/run.json", "//etc/passwd", "/data/../../go.mod"} {
		r := ask("GET", path, here)
		body, _ := io.ReadAll(r.Body)
		if r.StatusCode == 200 || bytes.Contains(body, []byte("plan")) {
			t.Errorf("%s is answered with %d", path, r.StatusCode)
		}
	}
	before, err := os.ReadDir("run")
	if err != nil {
		t.Fatal(err)
	}
	ask("GET", "/", here)
	if after, _ := os.ReadDir("run"); len(after) != len(before) {
		t.Error("looking at the run changed its folder")
	}
	body, _ := io.ReadAll(ask("GET", "/data", here).Body)
	if !strings.Contains(string(body), `"done":8,"total":24`) {
		t.Errorf("the data do not tell of 8 of 24 trials: %.300s", body)
	}
}

// An address without a host is this machine's alone; a wrong one is an error.
func TestLiveViewAddress(t *testing.T) {
	v, err := serveLive(":0", "run", scoring.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer v.close()
	if !strings.HasPrefix(v.address, "http://127.0.0.1:") {
		t.Errorf("it listens at %s", v.address)
	}
	port := strings.TrimSuffix(strings.TrimPrefix(v.address, "http://127.0.0.1"), "/")
	if _, err := serveLive(port, "run", scoring.Options{}, nil); err == nil || !strings.Contains(err.Error(), "name another port") {
		t.Errorf("a port that is taken: %v", err)
	}
	if _, err := serveLive("here", "run", scoring.Options{}, nil); err == nil || !strings.Contains(err.Error(), "such as :8080") {
		t.Errorf("no address: %v", err)
	}
}

// The page grows in a browser, and keeps what was chosen.
func TestLiveViewInABrowser(t *testing.T) {
	v, grow := growing(t)
	server := httptest.NewServer(v.handler(true))
	defer server.Close()
	b := openBrowser(t, server.URL)
	b.contains("#progress", "8 of 24 trials")
	b.contains("#heads .lead", "headkv-r2:")
	b.eval(`headprof.app.set({ head: 5, top: 4 })`, nil)
	chosen := b.text("#head h3")
	grow()
	b.run(chromedp.Poll(`document.querySelector("#progress p").textContent.includes("24 of 24")`, nil, chromedp.WithPollingTimeout(patience)))
	b.run(chromedp.Poll(`headprof.app.run.trials.counted > 8`, nil, chromedp.WithPollingTimeout(patience)))
	if now := b.text("#head h3"); now != chosen {
		t.Errorf("%s was chosen, %s is shown", chosen, now)
	}
	b.contains("#ranking", "The top 4 heads")
	b.quietly()
	server.Close()
	b.run(chromedp.Poll(`document.querySelector("#progress p").textContent.includes("has ended")`, nil, chromedp.WithPollingTimeout(patience)))
}
