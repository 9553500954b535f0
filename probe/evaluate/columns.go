package evaluate

import (
	"maps"

	"headprof/export"
)

// rowTexts describes the columns of eval.parquet, effectTexts those of
// ablate.parquet.
var (
	rowTexts = join(map[string]export.Column{
		"task":                     {Description: "task"},
		"policy":                   {Description: "eviction policy"},
		"capacity":                 {Description: "cache entries asked for per KV head, window included; null for full", Unit: "cache entries"},
		"beta":                     {Description: "HeadKV's beta; null for policies without one"},
		"n":                        {Description: "prompts", Unit: "prompts"},
		"answer_logprob_per_token": {Description: "answer_logprob per answer token", Unit: "nats per token"},
		"share_kept":               {Description: "bytes of keys and values kept, over those of a full cache, after the prompt"},
		"entries":                  {Description: "entries kept, over all layers and KV heads; mean over prompts", Unit: "cache entries"},
		"cache_bytes":              {Description: "keys and values of the entries kept; mean over prompts", Unit: "bytes"},
		"allocated_bytes":          {Description: "memory that holds them; mean over prompts", Unit: "bytes"},
	},
		estimate("score", "score, 0 to 1; mean over prompts", ""),
		estimate("answer_logprob", "log P(expected answer), the sum over its tokens; mean over prompts", "nats"),
		estimate("score_change", "score minus that of full, prompt by prompt", ""),
		estimate("answer_logprob_change", "answer_logprob minus that of full, prompt by prompt", "nats"),
	)

	effectTexts = join(map[string]export.Column{
		"choice":    {Description: "which heads are masked: none, top, random, permuted or bottom of the profile; or top heads of which some are restored"},
		"heads":     {Description: "heads masked", Unit: "heads"},
		"seed":      {Description: "draw of random heads; null: the mean over all draws, or a choice that is not random"},
		"n":         {Description: "prompts", Unit: "prompts"},
		"elsewhere": {Description: "random heads drawn from other layers than the top heads'", Unit: "heads"},
		"masked":    {Description: "the masked heads, as layer-head; + marks those that are restored"},
		"ablation":  {Description: "what masked heads give: zero, mean or resample"},
		"restored":  {Description: "of the masked heads, those that give what they give without a mask", Unit: "heads"},
	},
		estimate("pass_rate", "share of prompts whose answer passes", ""),
		estimate("answer_logprob", "log P(expected answer), the sum over its tokens; mean over prompts", "nats"),
		estimate("pass_rate_change", "pass_rate minus that without a mask, prompt by prompt", ""),
		estimate("answer_logprob_change", "answer_logprob minus that without a mask, prompt by prompt", "nats"),
		estimate("answer_logprob_against_random", "answer_logprob minus that with random heads masked, or restored, prompt by prompt", "nats"),
	)
)

// estimate describes a value and the ends of its interval.
func estimate(name, what, unit string) map[string]export.Column {
	return map[string]export.Column{
		name:           {Description: what, Unit: unit},
		name + "_low":  {Description: "lower end of the 95 % bootstrap interval of " + name, Unit: unit},
		name + "_high": {Description: "upper end of the 95 % bootstrap interval of " + name, Unit: unit},
	}
}

func join(all ...map[string]export.Column) map[string]export.Column {
	out := map[string]export.Column{}
	for _, m := range all {
		maps.Copy(out, m)
	}
	return out
}
