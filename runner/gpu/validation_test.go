package gpu

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"headprof/fixtures/reference"
	"headprof/runner/gpu/driver"
)

// validated is set in the process that runs under the validation layer.
const validated = "HEADPROF_TEST_VALIDATED"

// Khronos' validation layer has nothing to say of all that the other tests do:
// they run again in a process under it. That it listens is shown by a mistake
// made on purpose at the end.
func TestValidationLayerIsSilent(t *testing.T) {
	if os.Getenv(validated) != "" {
		t.Skip("this is the process under the layer")
	}
	if testing.Short() {
		t.Skip("repeats other tests")
	}
	t.Run("Vulkan", func(t *testing.T) { DeviceOf(t) })
	layer := ""
	for _, dir := range []string{"/usr/share/vulkan/explicit_layer.d", "/usr/local/share/vulkan/explicit_layer.d", "/etc/vulkan/explicit_layer.d"} {
		if found, _ := filepath.Glob(filepath.Join(dir, "VkLayer_khronos_validation*.json")); len(found) > 0 {
			layer = found[0]
		}
	}
	if layer == "" {
		reference.Missing(t, "no VK_LAYER_KHRONOS_validation (Debian: apt install vulkan-validationlayers)")
	}
	dir := t.TempDir()
	log := filepath.Join(dir, "log.txt")
	settings := "khronos_validation.debug_action = VK_DBG_LAYER_ACTION_LOG_MSG\n" +
		"khronos_validation.report_flags = error,warn,perf\n" +
		"khronos_validation.enables = VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT\n" +
		"khronos_validation.log_filename = " + log + "\n"
	if err := os.WriteFile(filepath.Join(dir, "vk_layer_settings.txt"), []byte(settings), 0o644); err != nil {
		t.Fatal(err)
	}
	run := func(tests string) string {
		cmd := exec.Command(os.Args[0], "-test.v", "-test.run", tests)
		cmd.Env = append(os.Environ(), validated+"=1", "VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation", "VK_LAYER_SETTINGS_PATH="+dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		said, err := os.ReadFile(log)
		if err != nil {
			t.Fatalf("the layer wrote no log: %v", err)
		}
		return strings.TrimSpace(string(said))
	}
	if said := run("^(TestCachesAgreeWithPlain|TestElementsAgreeWithPlain|TestExpertsAgreeWithPlain|TestWeightsInParts|TestMutedHeads|TestAbandonedStep|TestBytes|TestStagedWeights|TestOutOfMemory|TestAllKindsPassThrough|TestLargestWeightsOfWatchedRows|TestTinyModelsTrials)$/^Vulkan$"); said != "" {
		t.Errorf("the validation layer says:\n%s", said)
	}
	if said := run("^TestDeliberateMistake$"); !strings.Contains(said, "VUID-vkCmdCopyBuffer-size-00116") {
		t.Errorf("the validation layer did not object to a copy beyond the end of a buffer; it said %q", said)
	}
}

// Records a copy beyond the end of a buffer, which the layer must report. It
// never runs.
func TestDeliberateMistake(t *testing.T) {
	if os.Getenv(validated) == "" {
		t.Skip("runs under the validation layer only")
	}
	t.Run("Vulkan", func(t *testing.T) {
		v := onDevice(t, Options{}).v
		block := func() *driver.Block {
			b, err := v.Alloc(driver.Local, 256, false)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { v.Device.Free(driver.Local, &b) })
			return &b
		}
		from, to := block(), block()
		q, err := v.NewQueue()
		if err != nil {
			t.Fatal(err)
		}
		defer q.Close()
		if err := q.Copy(to, 128, from, 0, 256); err != nil {
			t.Fatal(err)
		}
		if err := q.Wait(true); err != nil {
			t.Fatal(err)
		}
	})
}
