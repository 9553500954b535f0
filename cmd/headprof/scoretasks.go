package main

import (
	"bytes"
	"strings"

	"headprof/export/textfile"
	"headprof/fixtures"
	"headprof/probe"
	"headprof/probe/cases"
	"headprof/runner"
	"headprof/scoring"
)

// checkTasks says what --tasks and --statements cannot be given with.
func (f *scoreFlags) checkTasks(c chosen) error {
	if f.statements != "" && !c.hasAny([]string{scoring.Truth{}.Name()}) {
		return usagef("--statements belongs to truth, which this run does not compute: add --method truth")
	}
	if f.statements != "" && f.trials != "" {
		return usagef("--statements and --trials both say which statements run; leave one of them out")
	}
	if len(f.tasks) == 0 {
		return nil
	}
	var can []string
	for _, d := range scoring.Declarations() {
		if d.Probe == scoring.Answers {
			can = append(can, d.Name())
		}
	}
	if c.needles {
		return usagef("--tasks gives prompts and answers but no evidence, which scores of needle trials look for; take --method %s", strings.Join(can, ", "))
	}
	for _, d := range c.others {
		if d.Probe != scoring.Answers {
			return usagef("--tasks gives prompts and answers, and %s needs cases of the kind %s; take --method %s", d.Name(), d.Probe, strings.Join(can, ", "))
		}
	}
	if f.trials != "" {
		return usagef("--tasks and --trials both say which prompts run; leave one of them out")
	}
	for _, task := range f.tasks {
		if task == needleTask {
			return usagef("--tasks %s: needle trials are what runs without --tasks", needleTask)
		}
	}
	return nil
}

// taskCases makes cases of --tasks; params are to be told in the manifest.
func (f *scoreFlags) taskCases(m *runner.Model, e probe.Model) (list []cases.Case, params map[string]string, err error) {
	t := taskFlags{tasks: f.tasks, maxLength: f.maxLength, each: f.each, plan: f.planFlags}
	if t.plan.count == defaultCount {
		t.plan.count = casesOf(m)
	}
	items, err := t.items(m, e)
	if err != nil {
		return nil, nil, err
	}
	for _, it := range items {
		list = append(list, cases.NewAnswer(it.ID, it.Group, it.Prompt, it.AnswerIDs))
	}
	params = t.params()
	delete(params, "judge")
	return list, params, nil
}

// statementCases reads --statements, or takes those of headprof.
func (f *scoreFlags) statementCases(s cases.Source) ([]cases.Case, error) {
	if f.statements == "" {
		return cases.ReadStatements("statements", bytes.NewReader(fixtures.Statements()), s)
	}
	file, err := textfile.Open(f.statements)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return cases.ReadStatements(f.statements, file, s)
}
