package torture

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// requireTools is set where a test that cannot run must fail: in CI, which
// installs all tools.
var requireTools = os.Getenv("PETS_REQUIRE_TOOLS") == "1"

var (
	thorough   = flag.Bool("torture", requireTools, "as many rounds as CI does")
	killLoops  = flag.Int("torture.kills", 0, "kill -9 this often")
	cutLoops   = flag.Int("torture.cuts", 0, "cut the power this often on each file system")
	soakEvents = flag.Int("torture.events", 0, "append this many events in the soak")
	stopFor    = flag.Duration("torture.stop", 0, "stop the writer for this long")
)

// TestMain makes the test binary a worker when it was started as one.
func TestMain(m *testing.M) {
	if role := os.Getenv(roleEnv); role != "" {
		if err := roles[role](os.Getenv(folderEnv)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(exitOf(err))
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// rounds is how often a test repeats itself: what its flag says, or what fits
// the occasion.
func rounds[N int | int64](asked, inCI, quick, short N) N {
	switch {
	case asked > 0:
		return asked
	case testing.Short():
		return short
	case *thorough:
		return inCI
	}
	return quick
}

// need skips a test whose tool is missing, or fails it where all must be there.
func need(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, "%s is not installed", tool)
		}
	}
}

func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if requireTools {
		t.Fatalf(format+", and PETS_REQUIRE_TOOLS=1", args...)
	}
	t.Skipf(format, args...)
}
