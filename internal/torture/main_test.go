package torture

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"pets/internal/testenv"
)

var (
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
	code := m.Run()
	afterAll()
	os.Exit(code)
}

// afterAll removes what was prepared for all tests.
var afterAll = func() {}

// rounds is how often a test repeats itself: what its flag says, or what fits
// the occasion.
func rounds[N int | int64](asked, inCI, quick, short N) N {
	switch {
	case asked > 0:
		return asked
	case testing.Short() || testenv.Race:
		return short
	case testenv.Long():
		return inCI
	}
	return quick
}
