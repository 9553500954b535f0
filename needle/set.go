package needle

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"
)

// Set is an ordered list of needles with different ids.
type Set struct {
	Name    string // kind, file name or generator and seed; for plans and manifests
	Needles []Needle
}

//go:embed retrieval.jsonl
var retrievalJSONL string

//go:embed reasoning.jsonl
var reasoningJSONL string

var embedded = sync.OnceValue(func() map[Kind]*Set {
	sets := make(map[Kind]*Set)
	for kind, text := range map[Kind]string{Retrieval: retrievalJSONL, Reasoning: reasoningJSONL} {
		s, err := ReadSet(string(kind)+".jsonl", strings.NewReader(text))
		if err != nil {
			panic("needle: an embedded set is damaged: " + err.Error())
		}
		s.Name = string(kind)
		sets[kind] = s
	}
	return sets
})

// EmbeddedSet is the hand-written set of a kind. The error lists the kinds.
func EmbeddedSet(kind Kind) (*Set, error) {
	if s, ok := embedded()[kind]; ok {
		return &Set{s.Name, append([]Needle(nil), s.Needles...)}, nil
	}
	return nil, unknownKind(kind)
}

func unknownKind(kind Kind) error {
	return fmt.Errorf("unknown needle kind %q; known are %s and %s", kind, Retrieval, Reasoning)
}
