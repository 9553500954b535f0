package plots

import (
	"os"
	"path/filepath"
	"testing"
)

// TestLook writes the gallery to the folder PLOTS_LOOK, for a person to look
// at.
func TestLook(t *testing.T) {
	dir := os.Getenv("PLOTS_LOOK")
	if dir == "" {
		t.Skip("set PLOTS_LOOK to a folder to get every kind of figure for looking at")
	}
	for _, e := range gallery(t) {
		for _, ending := range Formats() {
			if err := e.Save(filepath.Join(dir, e.name+"."+ending)); err != nil {
				t.Fatal(err)
			}
		}
	}
}
