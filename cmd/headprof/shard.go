package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"headprof/probe"
	"headprof/probe/evaluate"
)

// shardUsage describes --shard.
const shardUsage = "run one `part` of the plan: 2/4, or auto/4 for the part that a cluster's array job names; 'headprof merge' puts parts together"

func shardFlag(fs *pflag.FlagSet, to *string) { fs.StringVar(to, "shard", "", shardUsage) }

// resolveShard reads --shard, and puts the shard's number into --out. said is
// what to tell where a scheduler chose the shard.
func resolveShard(text string, out *string) (s evaluate.Shard, said string, err error) {
	if text == "" {
		if strings.Contains(*out, "{shard}") {
			return s, "", usagef("--out %s: {shard} stands for the part of a plan; give --shard, as --shard auto/16", *out)
		}
		return s, "", nil
	}
	var from string
	if s.Which, s.Of, from, err = probe.ResolveShard(text); err != nil {
		return s, "", usagef("--shard: %w", err)
	}
	*out = strings.ReplaceAll(*out, "{shard}", fmt.Sprintf("%0*d-of-%d", len(strconv.Itoa(s.Of)), s.Which, s.Of))
	if from != "" {
		said = fmt.Sprintf("shard %d of %d (%s), in %s", s.Which, s.Of, from, *out)
	}
	return s, said, nil
}
