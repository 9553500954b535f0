package chat

import (
	"errors"
	"strings"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/exec"
)

// turns is the list of messages. It counts from the end where an index is
// negative; the engine's own lists get the first of them wrong.
type turns []any

// GetItem gives messages[key].
func (l turns) GetItem(key any) (*exec.Value, bool) {
	i, ok := key.(int)
	if i < 0 {
		i += len(l)
	}
	if !ok || i < 0 || i >= len(l) {
		return exec.AsValue(nil), false
	}
	return exec.ToValue(l[i]), true
}

// strMethods are the engine's methods of strings, with Python's replace and
// split in place of its own, which ask for arguments that Python does not.
func strMethods() *exec.MethodSet[string] {
	all := map[string]exec.Method[string]{}
	for _, name := range strings.Fields(`capitalize capwords casefold center count endswith expandtabs find format
		isalnum isalpha isascii isdecimal isdigit islower isnumeric isprintable isspace istitle isupper join ljust lower
		lstrip partition removeprefix removesuffix rfind rjust rpartition rsplit rstrip splitlines startswith strip
		swapcase title upper zfill`) {
		if m, ok := builtins.Methods.Str.Get(name); ok {
			all[name] = m
		}
	}
	all["replace"] = func(self string, _ *exec.Value, args *exec.VarArgs) (any, error) {
		if len(args.Args) < 2 {
			return nil, errors.New("it calls replace with less than two arguments")
		}
		n := -1
		if len(args.Args) > 2 {
			n = args.Args[2].Integer()
		}
		return strings.Replace(self, args.Args[0].String(), args.Args[1].String(), n), nil
	}
	all["split"] = func(self string, _ *exec.Value, args *exec.VarArgs) (any, error) {
		n := -1
		if len(args.Args) > 1 && args.Args[1].Integer() >= 0 {
			n = args.Args[1].Integer() + 1
		}
		var parts []string
		switch {
		case len(args.Args) == 0 || args.Args[0].IsNil():
			parts = strings.Fields(self)
		case args.Args[0].String() == "":
			return nil, errors.New("it calls split with an empty separator")
		default:
			parts = strings.SplitN(self, args.Args[0].String(), n)
		}
		out := make(turns, len(parts))
		for i, p := range parts {
			out[i] = p
		}
		return out, nil
	}
	return exec.NewMethodSet(all)
}
