package journal

import "fmt"

// maxShards bounds the shards of one plan.
const maxShards = 1_000_000

// ParseShard reads "2/8": the second of eight shards.
func ParseShard(s string) (shard, of int, err error) {
	if n, serr := fmt.Sscanf(s+"\n", "%d/%d\n", &shard, &of); serr != nil || n != 2 || shard < 1 || of < 1 || shard > of || of > maxShards {
		return 0, 0, fmt.Errorf("shard %q: write WHICH/OF, as 1/4 for the first of four", s)
	}
	return shard, of, nil
}
