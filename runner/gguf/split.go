package gguf

import (
	"fmt"
	"regexp"
	"strconv"
)

// splitName is the name of one part of a split model, prefix-00002-of-00005.gguf.
type splitName struct {
	prefix, suffix string
	index, count   int // index from 1
}

// More parts than this are a mistake: no hub stores files that small.
const maxParts = 10000

var splitPattern = regexp.MustCompile(`^(.*)-([0-9]{5})-of-([0-9]{5})(\.gguf)$`)

func parseSplitName(path string) (splitName, bool) {
	m := splitPattern.FindStringSubmatch(path)
	if m == nil {
		return splitName{}, false
	}
	index, _ := strconv.Atoi(m[2])
	count, _ := strconv.Atoi(m[3])
	if index < 1 || index > count || count > maxParts {
		return splitName{}, false
	}
	return splitName{prefix: m[1], suffix: m[4], index: index, count: count}, true
}

// name gives the path of part i, from 1.
func (s splitName) name(i int) string {
	return fmt.Sprintf("%s-%05d-of-%05d%s", s.prefix, i, s.count, s.suffix)
}

// Keys that the parts of a split model carry.
const (
	keySplitNo      = "split.no"
	keySplitCount   = "split.count"
	keySplitTensors = "split.tensors.count"
)

// checkSplit checks that part i (from 0) of n says so itself.
func checkSplit(h *header, i, n int) error {
	count, ok, err := h.meta.Uint(keySplitCount)
	switch {
	case err != nil:
		return err
	case !ok && n > 1:
		return fmt.Errorf("%s: the name says part %d of %d, but the file has no %q: it belongs to no split model; rename it", h.meta.source, i+1, n, keySplitCount)
	case ok && count > 1 && n == 1:
		return fmt.Errorf("%s: this is one part of a model split in %d, and its name does not tell the others'; name the parts as they were, …-00001-of-%05d.gguf", h.meta.source, count, count)
	case ok && count > 1 && count != uint64(n):
		return fmt.Errorf("%s: the name says %d parts, the file %d; fetch the parts again", h.meta.source, n, count)
	}
	no, ok, err := h.meta.Uint(keySplitNo)
	if err == nil && ok && n > 1 && no != uint64(i) {
		err = fmt.Errorf("%s: the name says part %d, the file part %d; fetch the parts again", h.meta.source, i+1, no+1)
	}
	return err
}

// checkTotal compares the tensors of all parts with the number the first one states.
func (f *File) checkTotal() error {
	n, ok, err := f.Uint(keySplitTensors)
	if err == nil && ok && len(f.parts) > 1 && n != uint64(len(f.tensors)) {
		err = fmt.Errorf("%s: the parts hold %d tensors together, where the first part states %d; fetch the parts again", f.name, len(f.tensors), n)
	}
	return err
}
