package cases

import (
	"context"

	"headprof/probe"
	"headprof/runner/kvcache"
	"headprof/runner/shape"
	"headprof/scoring"
	"headprof/scoring/param"
)

// byAttention is the policy that cuts a curve's heads by attention.
const byAttention = "snapkv"

// observe watches the prompt's last tokens, where a curve is cut by attention,
// and leaves the session with the prompt but its last token; else it does
// nothing.
func (c *answer) observe(ctx context.Context, r *pass, m scoring.CacheCut, points []int) (*kvcache.Observer, error) {
	cached := len(c.Prompt) - 1
	if len(points) == 0 || m.By != byAttention || points[0] >= len(c.Prompt) {
		return nil, nil
	}
	o, err := kvcache.NewObserver(param.Default[kvcache.Selection](), len(c.Prompt), r.layers)
	if err != nil {
		return nil, err
	}
	watched := o.Positions()
	if err := r.reach(ctx, c.Prompt[:watched[0]]); err != nil {
		return nil, err
	}
	if _, err := r.session.Extend(ctx, c.Prompt[watched[0]:], probe.Watch{Attention: watched, Rows: o.Row}); err != nil {
		return nil, err
	}
	return o, r.session.Truncate(cached)
}

// curvePolicy is what decides the entries that a head keeps at a point of the
// curve: what 'headprof eval' keeps under the same policy at that capacity.
func curvePolicy(m scoring.CacheCut, kept int, o *kvcache.Observer) (kvcache.Policy, error) {
	prompt := kvcache.Prompt{Capacity: kept}
	if o == nil {
		return kvcache.Streaming{Sinks: m.Sink}.For(prompt)
	}
	return kvcache.SnapKV{Selection: o.Selection}.For(prompt)
}

// kept gives the entries of the cached prompt that each KV head keeps under a
// policy, but for heads that keep all that they see.
func (c *answer) kept(r *pass, policy kvcache.Policy, o *kvcache.Observer, each func(layer, head int, keep []int32)) error {
	cached := len(c.Prompt) - 1
	for i, a := range r.layers {
		if !a.Attends() || !a.Stores() {
			continue
		}
		l := kvcache.Layer{Layer: a, Index: i, Place: shape.Model(r.layers[:i]).Attending(), Places: shape.Model(r.layers).Attending(), Entries: cached, Pending: 1}
		if o != nil {
			var err error
			if l.Attention, err = o.Attention(i); err != nil {
				return err
			}
		}
		for h, keep := range policy.Keep(l) {
			if len(keep) < cached-l.Visible() {
				each(i, h, append([]int32{}, keep...))
			}
		}
	}
	return nil
}
