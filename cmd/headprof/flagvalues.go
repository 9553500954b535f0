package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"math/big"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// minimum annotates an integer flag with the smallest value that it takes.
const minimum = "headprof_minimum"

// atLeast makes integer flags refuse values below smallest. Where a flag's
// default is 0 and stands for a rule ("default: a tenth of all"), smallest 1 keeps
// a 0 that the user writes from becoming that rule without a word.
func atLeast(fs *pflag.FlagSet, smallest int, names ...string) {
	for _, name := range names {
		if err := fs.SetAnnotation(name, minimum, []string{strconv.Itoa(smallest)}); err != nil {
			panic(err) // no such flag
		}
	}
}

// decimals makes every integer flag of a command and of those below it read
// decimal numbers: pflag alone takes 010 for 8.
func decimals(c *cobra.Command) {
	c.Flags().VisitAll(func(f *pflag.Flag) {
		switch f.Value.Type() {
		case "int", "int64", "uint", "uint64":
			if _, declared := f.Value.(*paramValue); !declared {
				f.Value = &decimal{f.Value, f}
			}
		case "intSlice":
			f.Value = &decimalList{f.Value}
		}
	})
	for _, sub := range c.Commands() {
		decimals(sub)
	}
}

// decimal is an integer flag's value.
type decimal struct {
	pflag.Value
	flag *pflag.Flag
}

func (d *decimal) Set(text string) error {
	n, ok := new(big.Int).SetString(text, 10)
	if !ok || strings.Contains(text, "_") {
		return errors.New("it is no whole decimal number")
	}
	if a := d.flag.Annotations[minimum]; a != nil {
		if smallest, _ := new(big.Int).SetString(a[0], 10); n.Cmp(smallest) < 0 {
			return fmt.Errorf("it must be at least %v", smallest)
		}
	}
	if n.Sign() < 0 && strings.HasPrefix(d.Type(), "u") {
		return errors.New("it must be at least 0")
	}
	if err := d.Value.Set(n.String()); err != nil {
		return errors.New("the number is too large")
	}
	return nil
}

// decimalList is the value of a flag that lists integers.
type decimalList struct{ pflag.Value }

func (d *decimalList) Set(text string) error {
	for part := range strings.SplitSeq(text, ",") {
		if _, err := strconv.Atoi(part); err != nil {
			return fmt.Errorf("%q is no whole decimal number", part)
		}
	}
	return d.Value.Set(text)
}

// flagError words a flag's error: what was given, and what it must be.
func flagError(_ *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		cause := errors.Unwrap(invalid)
		for _, ours := range []string{"it must be ", "the number is "} {
			if strings.HasPrefix(cause.Error(), ours) {
				err = fmt.Errorf("--%s %s: %w", invalid.GetFlag().Name, invalid.GetValue(), cause)
			}
		}
	}
	return &exit{exitUsage, err}
}

// optionalInt is an integer flag that is nil until it is given, for settings
// whose default is a rule and not a number.
func optionalInt(fs *pflag.FlagSet, to **int, name, usage string) {
	fs.Var(&optional{to}, name, usage)
	atLeast(fs, 0, name)
}

type optional struct{ to **int }

func (o *optional) Type() string { return "int" }

func (o *optional) String() string {
	if o.to == nil || *o.to == nil {
		return ""
	}
	return strconv.Itoa(**o.to)
}

func (o *optional) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err == nil {
		*o.to = &n
	}
	return err
}

// pathsVar registers a flag that lists files. A value that is the name of an
// existing file is taken as it is, commas and quotes included; another is a
// list separated by commas. The flag may be repeated.
func pathsVar(fs *pflag.FlagSet, to *[]string, name string, value []string, usage string) {
	*to = value
	fs.Var(&paths{to: to}, name, usage)
}

type paths struct {
	to    *[]string
	given bool
}

func (p *paths) Type() string { return "stringSlice" }

func (p *paths) String() string {
	if p.to == nil || len(*p.to) == 0 {
		return ""
	}
	return "[" + strings.Join(*p.to, ",") + "]"
}

func (p *paths) Set(text string) error {
	if !p.given {
		*p.to = nil
	}
	p.given = true
	*p.to = slices.Concat(*p.to, splitPaths(text))
	return nil
}

func splitPaths(text string) []string {
	if text == "" {
		return nil
	}
	if _, err := os.Stat(text); err == nil {
		return []string{text}
	}
	r := csv.NewReader(strings.NewReader(text))
	list, err := r.Read()
	if err != nil {
		return []string{text} // the message about a missing file names it whole
	}
	return list
}
