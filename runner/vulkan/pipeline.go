package vulkan

import (
	"embed"
	"fmt"
	"sync"
	"unsafe"

	"headprof/runner/gpu/driver"
)

//go:generate go run ./shaders

//go:embed shaders/*.spv
var shaders embed.FS

// pipelines makes each program once, when it is first used.
type pipelines struct {
	v       *device
	lock    sync.Mutex
	modules map[string]handle
	made    map[driver.Program]handle
}

func (p *pipelines) get(k driver.Program) (handle, error) {
	p.lock.Lock()
	defer p.lock.Unlock()
	if h, ok := p.made[k]; ok {
		return h, nil
	}
	m, err := p.module(k.Kernel)
	if err != nil {
		return 0, err
	}
	var entries [len(k.Constants)]specializationEntry
	for i := range entries {
		entries[i] = specializationEntry{id: uint32(i), offset: uint32(4 * i), size: 4}
	}
	constants := k.Constants
	special := &specializationInfo{count: uint32(len(entries)), entries: unsafe.Pointer(&entries[0]), size: uint64(4 * len(entries)), data: unsafe.Pointer(&constants[0])}
	name := driver.CString("main")
	info := &computePipelineCreateInfo{sType: typeComputePipeline, layout: p.v.layout, stage: pipelineStage{
		sType: typePipelineStage, stage: shaderStageCompute, module: m, entry: unsafe.Pointer(&name[0]), specialization: special}}
	var h handle
	err = result(fmt.Sprintf("vkCreateComputePipelines of %s %v", k.Kernel, k.Constants),
		driver.Call(p.v.createPipelines, p.v.handle, 0, 1, uintptr(unsafe.Pointer(info)), 0, uintptr(unsafe.Pointer(&h))))
	if err != nil {
		return 0, err
	}
	p.made[k] = h
	return h, nil
}

func (p *pipelines) module(name string) (handle, error) {
	if m, ok := p.modules[name]; ok {
		return m, nil
	}
	code, err := shaders.ReadFile("shaders/" + name + ".spv")
	if err != nil {
		return 0, err
	}
	words := make([]uint32, (len(code)+3)/4) // aligned, as Vulkan asks
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), len(code)), code)
	info := &shaderModuleCreateInfo{sType: typeShaderModuleCreate, size: uint64(len(code)), code: unsafe.Pointer(&words[0])}
	var m handle
	if err := result("vkCreateShaderModule of "+name, driver.Call(p.v.createShader, p.v.handle, uintptr(unsafe.Pointer(info)), 0, uintptr(unsafe.Pointer(&m)))); err != nil {
		return 0, err
	}
	p.modules[name] = m
	return m, nil
}

func (p *pipelines) close() {
	for _, h := range p.made {
		driver.Call(p.v.destroyPipeline, p.v.handle, uintptr(h), 0)
	}
	for _, m := range p.modules {
		driver.Call(p.v.destroyShader, p.v.handle, uintptr(m), 0)
	}
}
