package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"headprof/runner"
	"headprof/runner/cpu"
)

// checkup is what doctor finds; docs/formats.md describes the fields.
type checkup struct {
	Version  string     `json:"version"`
	Platform string     `json:"platform"`
	Cores    int        `json:"cores"`
	Free     int64      `json:"free_bytes"` // 0: not known
	Devices  deviceList `json:"devices"`
	// Of the CPU, with all threads.
	PeakGFLOPs float64 `json:"peak_gflop_s"`  // of a pure multiply-add loop; 0: unknown
	Prefill    float64 `json:"prefill_tok_s"` // of the built-in model, 512 tokens
	Decode     float64 `json:"decode_tok_s"`
	Models     []fit   `json:"models,omitempty"`
}

// fit says whether a model runs here.
type fit struct {
	Model   string `json:"model"`
	Name    string `json:"name,omitempty"`
	Weights int64  `json:"weights_bytes,omitempty"`
	Context int    `json:"context,omitempty"` // of the model
	Longest int    `json:"longest,omitempty"` // context that fits into the free memory
	Memory  int64  `json:"memory_bytes,omitempty"`
	Problem string `json:"problem,omitempty"` // why it cannot be run
}

func newDoctor() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "doctor [MODEL...]",
		Short: "Show what this machine can do and which models fit",
		Long: `Say which CPU kernels and GPUs headprof finds here, how much memory is free, how
fast a short test runs, and of each model named whether it can be run, and up to
which context.`,
		Example: `  headprof doctor
  headprof doctor models/*.gguf`,
		RunE: func(cmd *cobra.Command, args []string) error {
			r := examine(cmd, args)
			if asJSON {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				return e.Encode(r)
			}
			r.print(cmd.OutOrStdout())
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func examine(cmd *cobra.Command, models []string) *checkup {
	r := &checkup{Version: version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.NumCPU(), Free: availableMemory(), Devices: listDevices()}
	r.PeakGFLOPs = math.Round(10*cpu.PeakGFLOPS(runtime.NumCPU())) / 10
	b := benchFlags{repeat: 2, decoded: 32, answers: 1}
	b.kvType, b.chunk = kvNames[defaultKV], 512
	b.device, b.kernels = "cpu", "auto"
	if m, err := b.open(); err == nil {
		if l, _, err := b.measure(cmd.Context(), m, 512); err == nil {
			r.Prefill, r.Decode = l.Prefill, l.Decode
		}
		m.Close()
	}
	for _, path := range models {
		r.Models = append(r.Models, fitOf(path, r.Free))
	}
	return r
}

// fitOf opens a model as score would, without computing.
func fitOf(path string, have int64) fit {
	f := fit{Model: path}
	m, err := runner.Open(path, runner.Options{})
	if err != nil {
		f.Problem = strings.TrimPrefix(message(err), path+": ")
		return f
	}
	defer m.Close()
	f.Name, f.Context = m.Config().Name, m.Config().Context
	for n := f.Context; n >= 128; n = n * 3 / 4 {
		need, err := m.Memory(n, n)
		if err != nil {
			f.Problem = message(err)
			return f
		}
		f.Weights = need.Weights
		if fits(need, have) {
			f.Longest, f.Memory = n, need.Total()
			break
		}
	}
	if f.Longest == 0 {
		f.Problem = fmt.Sprintf("no context fits into the %s that are free", bytesText(have))
	}
	return f
}

func (r *checkup) print(w io.Writer) {
	fmt.Fprintf(w, "headprof %s on %s\n\n", r.Version, r.Platform)
	host := r.Devices.Devices[0]
	fmt.Fprintf(w, "CPU      %d cores, %s\n", r.Cores, strings.Join(host.Features, ", "))
	fmt.Fprintf(w, "memory   %s free\n", sizeText(r.Free))
	for _, d := range r.Devices.Devices[1:] {
		note := "--device " + d.Device
		switch {
		case d.Problem != "":
			note = "cannot be used: " + d.Problem
		case d.Auto:
			note += ", and what --device auto takes"
		}
		fmt.Fprintf(w, "GPU      %s (%s), %s free of %s; %s\n", d.Name, d.Kind, sizeText(d.Free), sizeText(d.Memory), note)
	}
	if r.Devices.GPU != "" {
		fmt.Fprintf(w, "GPU      none: %s\n", r.Devices.GPU)
	}
	if r.Prefill > 0 {
		fmt.Fprintf(w, "speed    the built-in model reads %s tokens/s and writes %s", thousands(int64(r.Prefill)), thousands(int64(r.Decode)))
		if r.PeakGFLOPs > 0 {
			fmt.Fprintf(w, "; the CPU does at most %.0f GFLOP/s", r.PeakGFLOPs)
		}
		fmt.Fprintln(w)
	}
	if len(r.Models) > 0 {
		fmt.Fprintln(w)
	}
	for _, m := range r.Models {
		if m.Problem != "" {
			fmt.Fprintf(w, "model    %s: cannot be run: %s\n", m.Model, m.Problem)
			continue
		}
		room := "its whole context of " + thousands(int64(m.Context)) + " tokens"
		if m.Longest < m.Context {
			room = fmt.Sprintf("about %s of its %s tokens", thousands(int64(m.Longest)), thousands(int64(m.Context)))
		}
		fmt.Fprintf(w, "model    %s: fits, with %s (%s, weights %s)\n", m.Model, room, bytesText(m.Memory), bytesText(m.Weights))
	}
}
