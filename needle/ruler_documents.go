package needle

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// documentBytes is about the length of the text around a document's fact.
const documentBytes = 400

// sentences cuts the haystack into sentences.
func (r *ruler) sentences() []string {
	var out []string
	for _, p := range strings.Split(r.Haystack.text, ". ") {
		if s := strings.Join(strings.Fields(p), " "); s != "" {
			out = append(out, strings.TrimSuffix(s, ".")+".")
		}
		if len(out) == 4096 {
			break
		}
	}
	return out
}

func (r *ruler) documents() (*RulerTask, error) {
	var facts []Needle
	asked := map[string]bool{}
	for _, n := range r.Needles {
		if !asked[n.Question] { // two answers to one question would both be right
			asked[n.Question] = true
			facts = append(facts, n)
		}
	}
	if len(facts) < 2 {
		return nil, errors.New("at least two needles with different questions are needed")
	}
	gold := r.Index % len(facts)
	others := slices.Delete(slices.Clone(facts), gold, gold+1)
	sentences := r.sentences()
	document := func(k, at int, n Needle) string {
		text, before := fmt.Sprintf("Document %d:\n", k), documentBytes/2
		size, told := 0, false
		for i := 0; size < documentBytes; i++ {
			s := sentences[(at+i)%len(sentences)]
			if !told && size+len(s)/2 >= before {
				text, told = text+n.Text+" ", true
			}
			text += s + " "
			size += len(s)
		}
		if !told {
			text += n.Text + " "
		}
		return strings.TrimSpace(text) + "\n\n"
	}
	const instruction = "Answer the question from the documents, with the answer alone and no other words.\n\n"
	f := rulerFrame{
		intro:    instruction + "These are the documents.\n\n",
		question: instruction + "Question: " + facts[gold].Question,
		lead:     "\nAnswer:",
	}
	return r.fill(f, 1, len(others)+1, func(n int) (string, []string) {
		order := r.random.Perm(len(others))
		at := r.random.IntN(len(sentences))
		share := r.random.Float64() // of the documents stand before the one that answers
		var told []Needle
		for _, i := range order[:n-1] {
			told = append(told, others[i])
		}
		told = slices.Insert(told, int(share*float64(n)), facts[gold])
		var text strings.Builder
		for k, fact := range told {
			text.WriteString(document(k+1, at+7*k, fact))
		}
		return text.String(), facts[gold].Answers
	})
}
