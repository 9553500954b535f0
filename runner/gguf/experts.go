package gguf

import (
	"regexp"
	"strconv"

	"headprof/runner/tensor"
)

// Files of early Mixtral models (before the stacked form of March 2024) hold
// each expert's matrices as tensors of their own, blk.0.ffn_up.3.weight. They
// are listed and found as the stacks that they make up, blk.0.ffn_up_exps.weight.

var apart = regexp.MustCompile(`^(blk\.\d+\.ffn_(?:gate|up|down))\.(\d+)\.weight$`)

// stacks maps the names of stacks to their experts' names, in order. Experts
// that are not numbered from 0 on without a gap are left as they are.
func stacks(names []string) map[string][]string {
	found := map[string]map[int]string{}
	for _, name := range names {
		m := apart.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		n, err := strconv.Atoi(m[2])
		if err != nil || strconv.Itoa(n) != m[2] {
			continue
		}
		stack := m[1] + "_exps.weight"
		if found[stack] == nil {
			found[stack] = map[int]string{}
		}
		found[stack][n] = name
	}
	out := map[string][]string{}
	for stack, parts := range found {
		var list []string
		for n := range len(parts) {
			if name, ok := parts[n]; ok {
				list = append(list, name)
			}
		}
		if len(list) == len(parts) {
			out[stack] = list
		}
	}
	return out
}

// stacked replaces experts by the stack that they make up, where the first of them stands.
func stacked(names []string, stacks map[string][]string) []string {
	if len(stacks) == 0 {
		return names
	}
	replaced := map[string]string{}
	for stack, parts := range stacks {
		for i, name := range parts {
			replaced[name] = ""
			if i == 0 {
				replaced[name] = stack
			}
		}
	}
	var out []string
	for _, name := range names {
		stack, ok := replaced[name]
		if !ok {
			out = append(out, name)
		} else if stack != "" {
			out = append(out, stack)
		}
	}
	return out
}

// experts finds the tensors of a stack; ok is false where they differ in type or shape.
func experts(parts []string, find func(name string) (tensor.Tensor, bool)) (list []tensor.Tensor, ok bool) {
	for _, name := range parts {
		t, found := find(name)
		if !found {
			return nil, false
		}
		list = append(list, t)
		first := list[0]
		if t.Type != first.Type || len(t.Shape) != 2 || t.Rows() != first.Rows() || t.Cols() != first.Cols() || len(t.Data) != len(first.Data) {
			return nil, false
		}
	}
	return list, len(list) > 0
}

// stack copies experts together, for those who need them as one tensor.
func stack(name string, parts []tensor.Tensor) tensor.Tensor {
	first := parts[0]
	t := tensor.Tensor{Name: name, Type: first.Type, Shape: []int{len(parts), first.Rows(), first.Cols()}}
	for _, p := range parts {
		t.Data = append(t.Data, p.Data...)
	}
	return t
}
