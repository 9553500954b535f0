package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"headprof/runner/cpu"
	"headprof/runner/gpu"
)

// deviceLine is one device; docs/gpu.md describes the fields.
type deviceLine struct {
	Device   string   `json:"device"` // what --device takes
	Index    *int     `json:"index"`  // of a GPU; null for the CPU
	Name     string   `json:"name"`
	Kind     string   `json:"kind"` // cpu, discrete, integrated, virtual, software or other
	Memory   int64    `json:"memory_bytes"`
	Free     int64    `json:"free_bytes"`
	CUDA     string   `json:"cuda,omitempty"`   // version, of a device that CUDA lists
	Vulkan   string   `json:"vulkan,omitempty"` // version, of one that Vulkan lists
	Features []string `json:"features"`
	Problem  string   `json:"problem,omitempty"` // why it cannot be used
	Auto     bool     `json:"auto"`              // what --device auto would use
}

type deviceList struct {
	Devices []deviceLine `json:"devices"`
	GPU     string       `json:"gpu_problem,omitempty"` // why no GPU is listed
	Missing []string     `json:"missing,omitempty"`     // what the APIs without devices lack, and how to get it
}

func newDevices() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "devices",
		Short: "List the CPU and the GPUs that --device can name",
		Long: `devices lists what --device takes: the CPU, and every device that CUDA or
Vulkan offers. An NVIDIA card whose driver offers both is listed twice; CUDA
comes first, and "gpu" takes it. Where one of the two offers nothing, the last
lines say what is missing and how to get it.

--device auto takes the first hardware GPU, or the CPU where there is none.
Software devices, which compute on the CPU and are slow, are used only when
named by their number.`,
		Args: atMost(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			list := listDevices()
			if asJSON {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				return e.Encode(list)
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "DEVICE\tKIND\tMEMORY\tFREE\tNAME\tFEATURES")
			for _, d := range list.Devices {
				note := strings.Join(d.Features, ", ")
				if d.Problem != "" {
					note = "cannot be used: " + d.Problem
				}
				if d.Auto {
					note += " (auto)"
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", d.Device, d.Kind, sizeText(d.Memory), sizeText(d.Free), d.Name, note)
			}
			if err := w.Flush(); err != nil {
				return err
			}
			for _, m := range list.Missing {
				fmt.Fprintln(cmd.OutOrStdout(), m)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func sizeText(n int64) string {
	if n == 0 {
		return "?"
	}
	return bytesText(n)
}

func listDevices() deviceList {
	host := deviceLine{Device: "cpu", Name: fmt.Sprintf("%d cores, %s", runtime.NumCPU(), runtime.GOARCH), Kind: "cpu", Free: availableMemory(), Features: []string{}, Auto: true}
	if b, err := cpu.New(cpu.Options{Threads: 1}); err == nil {
		host.Features = append(host.Features, b.Kernels()+" kernels")
		b.Close()
	}
	list := deviceList{Devices: []deviceLine{host}}
	gpus, missing := gpu.Devices()
	for _, err := range missing {
		list.Missing = append(list.Missing, strings.TrimPrefix(err.Error(), "gpu: "))
	}
	auto := gpu.Preferred(gpus)
	for i, d := range gpus {
		line := deviceLine{
			Device: fmt.Sprintf("gpu:%d", i), Index: &gpus[i].Index, Name: d.Name, Kind: string(d.Kind),
			Memory: d.Memory, Free: d.Free, Features: d.Features, Problem: d.Problem, Auto: i == auto,
		}
		switch d.API {
		case "CUDA":
			line.CUDA = d.Version
		case "Vulkan":
			line.Vulkan = d.Version
		}
		if line.Features == nil {
			line.Features = []string{}
		}
		if line.Auto {
			list.Devices[0].Auto = false
		}
		list.Devices = append(list.Devices, line)
	}
	if len(gpus) == 0 {
		list.GPU = strings.Join(list.Missing, "; ")
	}
	return list
}
