package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"headprof": main})
}

// TestScripts runs testdata/*.txtar: each shows a command as a user types it
// and what comes back.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("HEADPROF_KERNELS", os.Getenv("HEADPROF_KERNELS"))
			return nil
		},
	})
}

// required is set in CI: what cannot be found fails instead of skipping.
func required() bool { return os.Getenv("HEADPROF_REQUIRE_SHARED") == "1" }

// shared gives a file of the reference data beside the checkout.
func shared(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join("..", "..", "..", "shared", name)
	if _, err := os.Stat(path); err != nil {
		missing(t, "the reference data is not beside this checkout: "+err.Error())
	}
	return path
}

// realModel gives a downloaded model's path.
func realModel(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("HEADPROF_MODELS")
	if dir == "" {
		missing(t, "HEADPROF_MODELS does not name a folder with "+name)
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		missing(t, err.Error())
	}
	return path
}

func missing(t *testing.T, why string) {
	t.Helper()
	if required() {
		t.Fatal(why)
	}
	t.Skip(why)
}
