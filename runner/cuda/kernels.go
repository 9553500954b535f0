package cuda

import (
	"embed"
	"fmt"
	"strings"
	"unsafe"

	"headprof/runner/gpu/driver"
)

//go:generate kernels/generate.sh

//go:embed kernels/*.ptx
var kernels embed.FS

// sources says which file holds a program's kernel.
var sources = map[string]string{
	"embed": "elements", "rope": "elements", "map": "elements", "copy": "elements", "keep": "elements", "store": "elements", "mix": "elements", "peak": "elements",
	"norm": "norm", "route": "route", "watch": "watch", "top": "watch", "linear": "linear", "attend": "attend",
}

// entry is the name of a program's kernel: arrays in registers have sizes that
// must be known when PTX is made, so linear and attend exist in several.
func entry(p driver.Program) string {
	switch p.Kernel {
	case "linear":
		return fmt.Sprintf("linear_%d", p.Constants[2])
	case "attend":
		chunks := 2
		for 32*chunks < int(p.Constants[3]) {
			chunks *= 2
		}
		return fmt.Sprintf("attend_%d_%d", p.Constants[4], chunks)
	}
	return p.Kernel
}

// text is the PTX of one program: what its file begins with, and its kernel with
// the constants filled in.
func text(p driver.Program) (string, error) {
	file, err := kernels.ReadFile("kernels/" + sources[p.Kernel] + ".ptx")
	if err != nil {
		return "", fmt.Errorf("gpu: there is no CUDA kernel %q", p.Kernel)
	}
	const begin = ".visible .entry "
	head, rest, _ := strings.Cut(string(file), begin)
	name := entry(p)
	_, rest, found := strings.Cut(begin+rest, begin+name+"(")
	if !found {
		return "", fmt.Errorf("gpu: %s.ptx has no kernel %s", sources[p.Kernel], name)
	}
	body, _, _ := strings.Cut(rest, "\n}\n")
	var filled, first []string
	for i, c := range p.Constants {
		filled = append(filled, fmt.Sprintf("CONSTANT_%d;", i), fmt.Sprintf("%d;", c))
		first = append(first, fmt.Sprint(c))
	}
	return "// " + name + " constants " + strings.Join(first, " ") + "\n" + head + begin + name + "(" +
		strings.NewReplacer(filled...).Replace(body) + "\n}\n", nil
}

// kernel is a program that the driver has compiled.
type kernel struct{ module, function uintptr }

// compiled makes each program once, when it is first used.
func (v *device) compiled(p driver.Program) (uintptr, error) {
	v.lock.Lock()
	defer v.lock.Unlock()
	if k, ok := v.made[p]; ok {
		return k.function, nil
	}
	ptx, err := text(p)
	if err != nil {
		return 0, err
	}
	var k kernel
	code, name := driver.CString(ptx), driver.CString(entry(p))
	if err := v.call(fmt.Sprintf("cuModuleLoadData of %s %v", entry(p), p.Constants), v.moduleLoad, uintptr(unsafe.Pointer(&k.module)), uintptr(unsafe.Pointer(&code[0])), 0, 0, 0); err != nil {
		return 0, err
	}
	if err := v.call("cuModuleGetFunction of "+entry(p), v.moduleFunction, uintptr(unsafe.Pointer(&k.function)), k.module, uintptr(unsafe.Pointer(&name[0]))); err != nil {
		return 0, err
	}
	v.made[p] = k
	return k.function, nil
}
