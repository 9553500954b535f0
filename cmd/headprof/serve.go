package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	htmlreport "headprof/plots/report"
	"headprof/probe"
	"headprof/scoring"
)

// liveView shows a run while it computes: the report's page, whose data come
// from the journal. It reads and never writes, knows two paths and no files, and
// holds one page at a time, however many look at it.
type liveView struct {
	address string
	server  *http.Server
	dir     string
	options scoring.Options
	meta    func(*probe.Result) scoring.Meta

	mu   sync.Mutex // of the progress
	last probe.Progress

	making sync.Mutex // one page is made at a time
	page   *htmlreport.Page
	made   time.Time
	took   time.Duration
}

// A page is made at most so often, and so that making it takes at most a
// twentieth of the time.
const (
	liveEvery = 2 * time.Second
	liveShare = 20
)

// most requests that are answered at once.
const mostViewers = 16

// Provisional intervals do with fewer resamples.
const (
	liveResamples = 200
	liveSplits    = 20
)

// serveLive begins to serve. An address without a host means this machine alone.
func serveLive(address, dir string, o scoring.Options, meta func(*probe.Result) scoring.Meta) (*liveView, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, usagef("--serve %s: give an address with a port, such as :8080", address)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, usagef("--serve %s: %w; name another port, or :0 for a free one", address, err)
	}
	v := &liveView{address: "http://" + l.Addr().String() + "/", dir: dir, options: o, meta: meta, last: probe.Progress{Left: -1}}
	v.options.Resamples, v.options.Splits = liveResamples, liveSplits
	v.server = &http.Server{Handler: v.handler(isLoopback(l.Addr())), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	go func() { _ = v.server.Serve(l) }() // it ends with close
	return v, nil
}

func isLoopback(a net.Addr) bool {
	p, err := netip.ParseAddrPort(a.String())
	return err == nil && p.Addr().IsLoopback()
}

func (v *liveView) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if v.server.Shutdown(ctx) != nil {
		_ = v.server.Close()
	}
}

func (v *liveView) progress(p probe.Progress) {
	v.mu.Lock()
	defer v.mu.Unlock()
	p.Trial = nil
	v.last = p
}

func (v *liveView) handler(loopback bool) http.Handler {
	viewers := make(chan struct{}, mostViewers)
	write := func(make func(w *bytes.Buffer, p *htmlreport.Page) error, kind string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			// A name that an attacker points at this machine is not this machine's.
			if host, _, err := net.SplitHostPort(r.Host); loopback && err == nil && !localName(host) {
				http.Error(w, "this view is for this machine", http.StatusForbidden)
				return
			}
			select {
			case viewers <- struct{}{}:
				defer func() { <-viewers }()
			default:
				http.Error(w, "too many viewers", http.StatusServiceUnavailable)
				return
			}
			page, err := v.current()
			var b bytes.Buffer
			if err == nil {
				err = make(&b, page)
			}
			if err != nil {
				http.Error(w, message(err), http.StatusInternalServerError)
				return
			}
			h := w.Header()
			h.Set("Content-Type", kind)
			h.Set("Cache-Control", "no-store")
			h.Set("X-Content-Type-Options", "nosniff")
			h.Set("X-Frame-Options", "DENY")
			_, _ = w.Write(b.Bytes()) // whoever is gone is gone
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", write(func(b *bytes.Buffer, p *htmlreport.Page) error { return htmlreport.WriteLive(b, p) }, "text/html; charset=utf-8"))
	mux.HandleFunc("GET /data", write(func(b *bytes.Buffer, p *htmlreport.Page) error {
		data, err := htmlreport.Data(p)
		b.Write(data)
		return err
	}, "application/json"))
	return mux
}

func localName(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// current is the page as of now, or as of a moment ago.
func (v *liveView) current() (*htmlreport.Page, error) {
	v.making.Lock()
	defer v.making.Unlock()
	if v.page == nil || time.Since(v.made) > max(liveEvery, liveShare*v.took) {
		start := time.Now()
		p, err := v.make()
		if err != nil {
			return nil, err
		}
		v.page, v.made, v.took = p, time.Now(), time.Since(start)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	p := *v.page // the progress is always of now
	p.Live = &htmlreport.Live{Done: v.last.Done, Total: v.last.Total, Passed: v.last.Passed, TokensDone: v.last.TokensDone, TokensTotal: v.last.TokensTotal, Rate: v.last.TokensPerSecond, SecondsLeft: v.last.Left.Seconds()}
	return &p, nil
}

// make reads the journal as far as it goes.
func (v *liveView) make() (*htmlreport.Page, error) {
	p := &htmlreport.Page{Version: version(), Runs: []htmlreport.Run{}}
	r, err := probe.ReadRun(v.dir)
	if err != nil || r.Counted == 0 {
		return p, nil // nothing to show yet
	}
	o := v.options
	o.Meta = v.meta(r)
	t, err := scoring.Aggregate(r.Scores, o)
	if errors.Is(err, scoring.ErrNonePassed) {
		return p, nil
	}
	if err != nil {
		return nil, err
	}
	var f reportFlags
	method, err := methodOf(t, "", v.dir)
	if err != nil {
		return nil, err
	}
	run, _ := f.describe(t, method, v.dir, r, r.Scores, nil)
	p.Runs = append(p.Runs, *run)
	return p, nil
}
