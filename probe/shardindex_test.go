package probe

import (
	"strings"
	"testing"
)

// The variables as the schedulers' manuals describe them: Slurm's and Grid
// Engine's arrays with any first index and step, Kubernetes' and SkyPilot's
// from 0, LSF's and PBS's from 1.
func TestShardOfAClusterJob(t *testing.T) {
	for _, c := range []struct {
		name string
		env  string
		of   int
		want int
		fail string
	}{
		{name: "Slurm, --array=1-16", env: "SLURM_ARRAY_TASK_ID=5 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_MAX=16 SLURM_ARRAY_TASK_STEP=1 SLURM_ARRAY_TASK_COUNT=16", of: 16, want: 5},
		{name: "Slurm, --array=0-15", env: "SLURM_ARRAY_TASK_ID=0 SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_STEP=1 SLURM_ARRAY_TASK_COUNT=16", of: 16, want: 1},
		{name: "Slurm, --array=10-40:10", env: "SLURM_ARRAY_TASK_ID=40 SLURM_ARRAY_TASK_MIN=10 SLURM_ARRAY_TASK_STEP=10 SLURM_ARRAY_TASK_COUNT=4", of: 4, want: 4},
		{name: "Slurm, a rerun with --array=3,7", env: "SLURM_ARRAY_TASK_ID=7 SLURM_ARRAY_TASK_MIN=3 SLURM_ARRAY_TASK_STEP=1 SLURM_ARRAY_TASK_COUNT=2", of: 16, want: 7},
		{name: "Slurm, a rerun of a shard that is not there", env: "SLURM_ARRAY_TASK_ID=17 SLURM_ARRAY_TASK_MIN=17 SLURM_ARRAY_TASK_STEP=1 SLURM_ARRAY_TASK_COUNT=1", of: 16, fail: "SLURM_ARRAY_TASK_ID=17 is none of 16 shards"},
		{name: "Slurm, off the array's step", env: "SLURM_ARRAY_TASK_ID=11 SLURM_ARRAY_TASK_MIN=10 SLURM_ARRAY_TASK_STEP=10 SLURM_ARRAY_TASK_COUNT=4", of: 4, fail: "starts at 10 in steps of 10"},
		{name: "Slurm, --array=1-10:3", env: "SLURM_ARRAY_TASK_ID=7 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_STEP=3 SLURM_ARRAY_TASK_COUNT=4", of: 4, want: 3},
		{name: "Kubernetes", env: "JOB_COMPLETION_INDEX=15", of: 16, want: 16},
		{name: "Kubernetes, more completions than shards", env: "JOB_COMPLETION_INDEX=16", of: 16, fail: "JOB_COMPLETION_INDEX=16 is none of 16 shards"},
		{name: "Slurm, a list of shards", env: "HEADPROF_SHARDS=3,7-8 SLURM_ARRAY_TASK_ID=0 SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_STEP=1 SLURM_ARRAY_TASK_COUNT=3", of: 16, want: 3},
		{name: "Kubernetes, a list of shards", env: "HEADPROF_SHARDS=3,7 JOB_COMPLETION_INDEX=1", of: 16, want: 7},
		{name: "Kubernetes, a list shorter than the job", env: "HEADPROF_SHARDS=3,7 JOB_COMPLETION_INDEX=2", of: 16, fail: "HEADPROF_SHARDS lists 2 shards: JOB_COMPLETION_INDEX=2 is none of 2 shards"},
		{name: "a list with the last shard", env: "HEADPROF_SHARDS=3,16 JOB_COMPLETION_INDEX=1", of: 16, want: 16},
		{name: "a list beyond the shards", env: "HEADPROF_SHARDS=17 JOB_COMPLETION_INDEX=0", of: 16, fail: "HEADPROF_SHARDS=17: 17 is none of 16 shards"},
		{name: "a list of something else", env: "HEADPROF_SHARDS=x JOB_COMPLETION_INDEX=0", of: 16, fail: "write it as 3,7-9"},
		{name: "PBS", env: "PBS_ARRAY_INDEX=2", of: 4, want: 2},
		{name: "PBS from 0", env: "PBS_ARRAY_INDEX=0", of: 4, fail: "number the array's tasks from 1"},
		{name: "LSF", env: "LSB_JOBINDEX=4", of: 4, want: 4},
		{name: "LSF, no array", env: "LSB_JOBINDEX=0", of: 4, fail: "no scheduler says"},
		{name: "Grid Engine", env: "SGE_TASK_ID=5 SGE_TASK_FIRST=1 SGE_TASK_LAST=7 SGE_TASK_STEPSIZE=2", of: 4, want: 3},
		{name: "Grid Engine, a rerun with -t 3-7:4", env: "SGE_TASK_ID=7 SGE_TASK_FIRST=3 SGE_TASK_LAST=7 SGE_TASK_STEPSIZE=4", of: 16, want: 7},
		{name: "Grid Engine, a rerun with -t 3", env: "SGE_TASK_ID=3 SGE_TASK_FIRST=3 SGE_TASK_LAST=3 SGE_TASK_STEPSIZE=1", of: 4, want: 3},
		{name: "Grid Engine, no step", env: "SGE_TASK_ID=3 SGE_TASK_FIRST=1 SGE_TASK_LAST=4 SGE_TASK_STEPSIZE=0", of: 4, fail: "SGE_TASK_STEPSIZE=0: the step of an array is at least 1"},
		{name: "Grid Engine, no array", env: "SGE_TASK_ID=undefined", of: 4, fail: "no scheduler says"},
		{name: "SkyPilot", env: "SKYPILOT_NODE_RANK=0 SKYPILOT_NUM_NODES=4", of: 4, want: 1},
		{name: "SkyPilot, fewer nodes than shards", env: "SKYPILOT_NODE_RANK=0 SKYPILOT_NUM_NODES=2", of: 4, fail: "use as many nodes as shards"},
		{name: "the user's own", env: "HEADPROF_SHARD=3 SLURM_ARRAY_TASK_ID=1", of: 4, want: 3},
		{name: "the user's own, out of range", env: "HEADPROF_SHARD=0", of: 4, fail: "HEADPROF_SHARD=0 is none of 4 shards; it must be 1 to 4"},
		{name: "two that disagree", env: "SLURM_ARRAY_TASK_ID=1 JOB_COMPLETION_INDEX=2", of: 4, fail: "set HEADPROF_SHARD"},
		{name: "no number", env: "PBS_ARRAY_INDEX=x", of: 4, fail: `PBS_ARRAY_INDEX="x" is no whole number`},
		{name: "nothing", of: 4, fail: "auto/4: no scheduler says which shard this is"},
	} {
		values := map[string]string{}
		for _, pair := range strings.Fields(c.env) {
			name, value, _ := strings.Cut(pair, "=")
			values[name] = value
		}
		got, from, err := shardFromEnvironment(c.of, func(name string) string { return values[name] })
		if c.fail != "" {
			if err == nil || !strings.Contains(err.Error(), c.fail) {
				t.Errorf("%s: %v, want an error with %q", c.name, err, c.fail)
			}
			continue
		}
		if err != nil || got != c.want || from == "" {
			t.Errorf("%s: shard %d from %q, %v; want %d", c.name, got, from, err, c.want)
		}
	}
}

func TestResolveShard(t *testing.T) {
	t.Setenv("HEADPROF_SHARD", "2")
	for s, want := range map[string][2]int{"auto/8": {2, 8}, "3/8": {3, 8}} {
		shard, of, _, err := ResolveShard(s)
		if err != nil || shard != want[0] || of != want[1] {
			t.Errorf("%s: %d/%d, %v", s, shard, of, err)
		}
	}
	for _, s := range []string{"auto", "auto/", "auto/0", "auto/x", "4/3"} {
		if _, _, _, err := ResolveShard(s); err == nil {
			t.Errorf("%q was taken", s)
		}
	}
}
