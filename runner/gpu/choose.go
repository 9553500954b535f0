package gpu

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"headprof/runner/cuda"
	"headprof/runner/gpu/driver"
	"headprof/runner/vulkan"
)

// Device is one entry of the list of devices.
type Device struct {
	Index int // what "gpu:N" names
	driver.Info
}

// Devices lists the devices of all APIs: CUDA's, then Vulkan's, each in its
// driver's order. A card that both know is in the list twice. missing says for
// each API without devices what is missing and how to get it.
func Devices() (all []Device, missing []error) {
	if !driver.Built {
		return nil, []error{driver.ErrNotBuilt}
	}
	for _, list := range []func() ([]driver.Info, error){cuda.Devices, vulkan.Devices} {
		found, err := list()
		if err != nil {
			missing = append(missing, err)
		}
		for _, d := range found {
			all = append(all, Device{len(all), d})
		}
	}
	return all, missing
}

// ErrNone is returned where there is no hardware GPU to use.
var ErrNone = errors.New("gpu: no hardware GPU that headprof can use was found")

// choose finds the device that a name stands for: "gpu" (the first discrete
// one, else integrated, else another; never software), or "gpu:N".
func choose(all []Device, missing []error, name string) (*Device, error) {
	index, numbered := strings.CutPrefix(name, "gpu:")
	if numbered {
		n, err := strconv.Atoi(index)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("device %q: after \"gpu:\" comes a number that 'headprof devices' lists", name)
		}
		if n >= len(all) {
			return nil, fmt.Errorf("device %q: there are %d GPUs; 'headprof devices' lists them%s", name, len(all), because(missing))
		}
		if all[n].Problem != "" {
			return nil, fmt.Errorf("device %q (%s) cannot be used: %s", name, all[n].Name, all[n].Problem)
		}
		return &all[n], nil
	}
	problem := ""
	for _, kind := range []driver.Kind{driver.Discrete, driver.Integrated, driver.Virtual, driver.Other} {
		for i := range all {
			if all[i].Kind != kind {
				continue
			}
			if all[i].Problem == "" {
				return &all[i], nil
			}
			problem += fmt.Sprintf("; gpu:%d (%s): %s", i, all[i].Name, all[i].Problem)
		}
	}
	for i := range all {
		if all[i].Kind == driver.Software {
			problem += fmt.Sprintf("; gpu:%d (%s) is software and is used only when named so", i, all[i].Name)
		}
	}
	return nil, fmt.Errorf("%w%s%s", ErrNone, problem, because(missing))
}

// because lists what is missing.
func because(missing []error) (text string) {
	for _, err := range missing {
		text += "; " + strings.TrimPrefix(err.Error(), "gpu: ")
	}
	return text
}

// Preferred is the index of the device that "gpu" stands for; -1: none.
func Preferred(all []Device) int {
	d, err := choose(all, nil, "gpu")
	if err != nil {
		return -1
	}
	return d.Index
}

// Hardware reports whether "gpu" would find a device: what "auto" asks.
func Hardware() bool {
	all, _ := Devices()
	return Preferred(all) >= 0
}
