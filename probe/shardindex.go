package probe

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"headprof/probe/journal"
)

// ResolveShard reads --shard: "2/8" is the second of eight shards, "auto/8" the
// one of eight that the environment of a cluster's job names. from says which
// variable decided, for messages; it is empty for a number that was given.
//
// Shards are numbered from 1. HEADPROF_SHARD wins over every scheduler. Of an
// array job that has as many tasks as there are shards, the tasks are the
// shards in their order, whatever its first index and step. Of any other array
// (the rerun of some shards, as 'headprof merge' prints it) the task's index is
// the shard's number. HEADPROF_SHARDS lists the shards that an array runs: its
// first task the first of them, and so on.
func ResolveShard(s string) (shard, of int, from string, err error) {
	count, auto := strings.CutPrefix(s, "auto/")
	if !auto {
		shard, of, err = journal.ParseShard(s)
		return shard, of, "", err
	}
	if _, of, err = journal.ParseShard("1/" + count); err != nil {
		return 0, 0, "", fmt.Errorf("shard %q: write auto/COUNT, as auto/16", s)
	}
	shard, from, err = shardFromEnvironment(of, os.Getenv)
	return shard, of, from, err
}

// scheduler says where a cluster puts the index of an array's task.
type scheduler struct {
	index       string // variable of the task's index
	first, step string // variables of the array's first index and step; "": it starts at base, in steps of 1
	last        string // variable of the array's last index
	count       string // variable of the number of tasks
	base        int    // first index of an array that does not say it
	absent      string // a value that stands for no array
}

// schedulers, as their manuals name the variables.
var schedulers = []scheduler{
	{index: "SLURM_ARRAY_TASK_ID", first: "SLURM_ARRAY_TASK_MIN", step: "SLURM_ARRAY_TASK_STEP", count: "SLURM_ARRAY_TASK_COUNT", base: 1},
	{index: "JOB_COMPLETION_INDEX"}, // Kubernetes, an Indexed Job
	{index: "PBS_ARRAY_INDEX", base: 1},
	{index: "LSB_JOBINDEX", base: 1, absent: "0"},
	{index: "SGE_TASK_ID", first: "SGE_TASK_FIRST", step: "SGE_TASK_STEPSIZE", last: "SGE_TASK_LAST", base: 1, absent: "undefined"},
	{index: "SKYPILOT_NODE_RANK", count: "SKYPILOT_NUM_NODES"},
}

const shardVariable = "HEADPROF_SHARD"

func shardFromEnvironment(of int, env func(string) string) (shard int, from string, err error) {
	if env(shardVariable) != "" {
		n, err := environmentNumber(env, shardVariable)
		if err != nil {
			return 0, "", err
		}
		return checkShard(n, of, fmt.Sprintf("%s=%d", shardVariable, n), "it must be 1 to %d")
	}
	list, err := shardList(of, env)
	if err != nil {
		return 0, "", err
	}
	for _, s := range schedulers {
		if v := env(s.index); v == "" || v == s.absent {
			continue
		}
		n, at, err := s.listed(list, of, env)
		if err != nil {
			return 0, "", err
		}
		if from != "" && n != shard {
			return 0, "", fmt.Errorf("%s says shard %d and %s says shard %d; set %s", from, shard, at, n, shardVariable)
		}
		shard, from = n, at
	}
	if from == "" {
		var names []string
		for _, s := range schedulers {
			names = append(names, s.index)
		}
		return 0, "", fmt.Errorf("auto/%d: no scheduler says which shard this is (%s are not set); start it as an array job, set %s to 1 to %d, or give the number, as 1/%d",
			of, strings.Join(names, ", "), shardVariable, of, of)
	}
	return shard, from, nil
}

// shardList is HEADPROF_SHARDS; nil where it is not set.
func shardList(of int, env func(string) string) ([]int, error) {
	text := env(journal.ListVariable)
	if text == "" {
		return nil, nil
	}
	list, err := journal.ParseNumbers(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", journal.ListVariable, err)
	}
	for _, n := range list {
		if n > of {
			return nil, fmt.Errorf("%s=%s: %d is none of %d shards", journal.ListVariable, text, n, of)
		}
	}
	return list, nil
}

// listed is the shard of a task, by its place in a list if there is one.
func (s *scheduler) listed(list []int, of int, env func(string) string) (shard int, from string, err error) {
	if list == nil {
		return s.shard(of, env)
	}
	place, from, err := s.shard(len(list), env)
	if err != nil {
		return 0, "", fmt.Errorf("%s lists %d shards: %w", journal.ListVariable, len(list), err)
	}
	return list[place-1], fmt.Sprintf("%s, %s=%s", from, journal.ListVariable, env(journal.ListVariable)), nil
}

// shard is the shard of a task under one scheduler.
func (s *scheduler) shard(of int, env func(string) string) (shard int, from string, err error) {
	number := func(name string, absent int) int {
		if err != nil || name == "" || env(name) == "" {
			return absent
		}
		var n int
		n, err = environmentNumber(env, name)
		return n
	}
	id := number(s.index, 0)
	first, step, tasks := number(s.first, s.base), number(s.step, 1), number(s.count, of)
	if last := number(s.last, 0); s.last != "" && step > 0 && last >= first {
		tasks = (last-first)/step + 1
	}
	if err != nil {
		return 0, "", err
	}
	from = fmt.Sprintf("%s=%d", s.index, id)
	switch {
	case step < 1:
		return 0, "", fmt.Errorf("%s=%d: the step of an array is at least 1", s.step, step)
	case tasks != of && s.base == 0:
		return 0, "", fmt.Errorf("%s=%d, but --shard names %d shards; use as many nodes as shards", s.count, tasks, of)
	case tasks != of:
		return checkShard(id, of, from, fmt.Sprintf("an array of %d tasks that is to run some of %%d shards names them by their numbers", tasks))
	case (id-first)%step != 0:
		return 0, "", fmt.Errorf("%s is not in the array that starts at %d in steps of %d", from, first, step)
	}
	return checkShard((id-first)/step+1, of, from, fmt.Sprintf("number the array's tasks from %d, and let it have %%d of them", first))
}

func checkShard(shard, of int, from, rule string) (int, string, error) {
	if shard < 1 || shard > of {
		return 0, "", fmt.Errorf("%s is none of %d shards; "+rule, from, of, of)
	}
	return shard, from, nil
}

func environmentNumber(env func(string) string, name string) (int, error) {
	n, err := strconv.Atoi(env(name))
	if err != nil {
		return 0, fmt.Errorf("%s=%q is no whole number", name, env(name))
	}
	return n, nil
}
