package cases

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"headprof/scoring"
)

// documents are texts and a query about them: qrhead and core.
type documents struct {
	group string // what it was made of

	ID        string   `json:"id"`
	IDs       []int32  `json:"ids"`
	QuerySpan span     `json:"query_span"`
	NullIDs   []int32  `json:"null_ids,omitempty"` // the same with a query without content; qrhead only
	NullSpan  span     `json:"null_span"`
	DocSpans  []span   `json:"doc_spans"`
	Gold      []int    `json:"gold,omitempty"`        // indices into doc_spans; qrhead
	Positive  *int     `json:"positive,omitempty"`    // index of the document that answers; core
	Negatives []int    `json:"negatives,omitempty"`   // indices of documents that do not; core
	Tau       *float64 `json:"temperature,omitempty"` // core; else the method's own
}

func (d *documents) Group() string       { return d.group }
func (d *documents) Name() string        { return d.ID }
func (d *documents) Kind() scoring.Probe { return scoring.Documents }
func (d *documents) longest() int        { return max(len(d.IDs), len(d.NullIDs)) }
func (d *documents) ids() [][]int32      { return [][]int32{d.IDs, d.NullIDs} }
func (d *documents) Tokens() int {
	return len(d.IDs) + len(d.NullIDs) - sharedPrefix(d.IDs, d.NullIDs)
}

func (d *documents) check() error {
	if len(d.DocSpans) == 0 {
		return errors.New(`"doc_spans" names no document; give each document's [start, end)`)
	}
	if err := d.QuerySpan.within(len(d.IDs), "query_span"); err != nil {
		return err
	}
	for i, s := range d.DocSpans {
		if err := s.within(d.QuerySpan[0], fmt.Sprintf("doc_spans[%d]", i)); err != nil {
			return fmt.Errorf("%w before the query", err)
		}
	}
	if len(d.Gold) == 0 && d.Positive == nil {
		return errors.New(`no document answers the query: give "gold" (indices of documents, for qrhead) or "positive" and "negatives" (for core)`)
	}
	if len(d.Gold) > 0 {
		if len(d.NullIDs) == 0 {
			return errors.New(`"null_ids" is missing: qrhead needs the same prompt with a query without content, and its "null_span"`)
		}
		if err := d.NullSpan.within(len(d.NullIDs), "null_span"); err != nil {
			return err
		}
		last := 0
		for _, s := range d.DocSpans {
			last = max(last, s[1])
		}
		if shared := sharedPrefix(d.IDs, d.NullIDs); shared < last {
			return fmt.Errorf(`"null_ids" differs from "ids" at position %d, inside the documents, which end at %d`, shared, last)
		}
	}
	all := append(slices.Clone(d.Gold), d.Negatives...)
	if d.Positive != nil {
		all = append(all, *d.Positive)
		if len(d.Negatives) == 0 {
			return errors.New(`"negatives" is missing: core contrasts the positive document with at least one other`)
		}
	}
	for _, i := range all {
		if i < 0 || i >= len(d.DocSpans) {
			return fmt.Errorf("document %d is none of the %d in doc_spans, which count from 0", i, len(d.DocSpans))
		}
	}
	if d.Tau != nil && !(*d.Tau > 0) {
		return fmt.Errorf(`"temperature" is %v; it must be above 0`, *d.Tau)
	}
	return nil
}

// serves implements serves.
func (d *documents) serves(methods []scoring.Named) (lacks error) {
	for _, m := range methods {
		switch m.(type) {
		case *scoring.QRHead:
			if len(d.Gold) > 0 {
				return nil
			}
			lacks = errors.Join(lacks, errors.New(`"gold" is missing: qrhead needs the indices of the documents that answer, and "null_ids" with "null_span"`))
		case *scoring.CoRe:
			if d.Positive != nil {
				return nil
			}
			lacks = errors.Join(lacks, errors.New(`"positive" and "negatives" are missing: core needs the index of a document that answers and of others that do not`))
		}
	}
	return lacks
}

func (d *documents) run(ctx context.Context, r *pass, methods []scoring.Named) (map[string]Values, error) {
	query, err := r.attended(ctx, d.IDs, d.QuerySpan)
	if err != nil {
		return nil, err
	}
	docs := spans(d.DocSpans)
	out := map[string]Values{}
	for _, m := range methods {
		switch m := m.(type) {
		case *scoring.QRHead:
			if len(d.Gold) == 0 {
				continue
			}
			shared, err := r.reuse(min(sharedPrefix(d.IDs, d.NullIDs), d.NullSpan[0]))
			if err != nil {
				return nil, err
			}
			null, err := r.attended(ctx, d.NullIDs[shared:], d.NullSpan)
			if err != nil {
				return nil, err
			}
			ranking := r.grid()
			out[m.Name()] = r.each(func(l, h int) float64 {
				scores := m.Documents(query[l][h], null[l][h], docs)
				ranking[l][h] = m.NDCG(scores, d.Gold)
				return m.Gold(scores, d.Gold)
			})
			out[scoring.QRHeadNDCG] = ranking
		case *scoring.CoRe:
			if d.Positive == nil {
				continue
			}
			c := *m
			if d.Tau != nil {
				c.Temperature = *d.Tau
			}
			out[m.Name()] = r.each(func(l, h int) float64 { return c.Score(query[l][h], docs, *d.Positive, d.Negatives) })
		}
	}
	return out, nil
}
