package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"headprof/fixtures"
	"headprof/fixtures/reference"
	"headprof/probe"
	"headprof/runner"
	"headprof/runner/gpu"
	"headprof/runner/gpu/driver"
)

// onSoftwareGPU opens the built-in model on a software GPU of so much memory
// (0: all it has).
func onSoftwareGPU(t *testing.T, memory int64) *runner.Model {
	t.Helper()
	all, missing := gpu.Devices()
	index := -1
	for _, d := range all {
		if d.Kind == driver.Software && d.API == "Vulkan" && d.Problem == "" {
			index = d.Index
		}
	}
	if index < 0 {
		reference.Missing(t, fmt.Sprintf("no software Vulkan device: %v", missing))
	}
	m, err := runner.OpenBytes(builtIn, fixtures.Tiny(), runner.Options{Device: "gpu:" + strconv.Itoa(index), Chunk: 64, GPUMemory: memory})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// smallPlan is a plan of two lengths, whose haystacks' beginnings are kept.
func smallPlan(t *testing.T, m *runner.Model) *probe.Plan {
	t.Helper()
	var f scoreFlags
	fs := pflag.NewFlagSet("score", pflag.ContinueOnError)
	f.modelFlags.register(fs)
	f.planFlags.register(fs)
	if err := fs.Parse([]string{"--lengths", "150,240", "--count", "0"}); err != nil {
		t.Fatal(err)
	}
	e, err := probe.ModelOf(m)
	if err != nil {
		t.Fatal(err)
	}
	p, err := f.plan(m, e, fs, 0)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// What a run on a GPU takes is measured by the device's memory: all fits; the
// weights are streamed; or it is refused, even with one cache, with a length
// that does fit.
func TestRunsAreFittedIntoTheDevice(t *testing.T) {
	all := onSoftwareGPU(t, 0)
	p := smallPlan(t, all)
	const machine = 64 << 30
	_, need, err := fitInto(all, p, true, machine)
	if err != nil || p.OneCache {
		t.Fatalf("with all memory: one cache %v, %v", p.OneCache, err)
	}
	d := need.Device
	if d == nil || d.Streamed != 0 || need.Cache != 0 || need.Weights != 0 {
		t.Fatalf("%+v (%+v) is predicted", need, d)
	}
	if text := memoryText(need); !regexp.MustCompile(`^[\d.]+ \w+ at most, of which [\d.]+ \w+ of llvmpipe.*'s [\d.]+ \w+ \(weights .*, KV cache .*, scratch .*\)$`).MatchString(text) && d.Device == "llvmpipe" {
		t.Errorf("it says %q", text)
	}

	half := onSoftwareGPU(t, d.Total()-d.Weights/2)
	if _, need, err = fitInto(half, smallPlan(t, half), true, machine); err != nil {
		t.Fatal(err)
	}
	if s := need.Device.Streamed; s < d.Weights/3 || need.Weights != s || !strings.Contains(memoryText(need), "of weights do not fit and are streamed") {
		t.Errorf("%d bytes of weights are streamed, %d from the machine's memory; it says %q", s, need.Weights, memoryText(need))
	}

	none := onSoftwareGPU(t, d.Scratch+d.Cache/4)
	p = smallPlan(t, none)
	_, _, err = fitInto(none, p, true, machine)
	said := regexp.MustCompile(`this plan needs .* of llvmpipe.*'s memory .*, but .* are free; the longest context that fits is about (\d+) tokens \(--lengths, or --max-length of a task\)`)
	if err == nil || said.FindStringSubmatch(err.Error()) == nil {
		t.Fatalf("where nothing fits: %v", err)
	}
	n, _ := strconv.Atoi(said.FindStringSubmatch(err.Error())[1])
	if fits, err := none.Memory(n, n); err != nil || n == 0 || n >= 240 || fits.Device.Total() > fits.Device.Free {
		t.Errorf("%d tokens are said to fit, and take %+v (%v)", n, fits.Device, err)
	}

	// The machine's memory counts as well: a software device's is part of it.
	if _, _, err = fitInto(all, smallPlan(t, all), true, 1<<20); err == nil || !strings.Contains(err.Error(), "this plan needs") || strings.Contains(err.Error(), "llvmpipe") {
		t.Errorf("on a machine of 1 MiB: %v", err)
	}
}
