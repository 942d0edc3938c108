package serve_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/internal/open"
	"pets/internal/pets/petstest"
)

// "`serve` hardens the process with or without a keystore": it leaves no core dump. (That it
// cannot be traced is tested in internal/vault, by the same call.)
func TestEveryServerIsHardened(t *testing.T) {
	p := petstest.ServeFolder(t, filepath.Join(t.TempDir(), "store"), "ENCRYPTION_KEY=")
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", p.Cmd.Process.Pid))
	require.NoError(t, err)
	require.Regexp(t, regexp.MustCompile(`(?m)^Max core file size +0 +0 `), string(limits))
}

// "A live server built without runtimesecret says so", and one of paper has no reason to.
func TestALiveServerSaysWhatItsBuildLeavesInMemory(t *testing.T) {
	const words = "does not erase the copies of secrets"
	paper := petstest.ServeFolder(t, filepath.Join(t.TempDir(), "store"))
	folder := filepath.Join(t.TempDir(), "live")
	petstest.LiveStore(t, folder)
	live := petstest.ServeFolder(t, folder)
	if open.ErasesMemory {
		require.NotContains(t, live.Errs.String(), words)
		return
	}
	require.Eventually(t, func() bool { return regexp.MustCompile(words).MatchString(live.Errs.String()) }, 10*time.Second, 5*time.Millisecond)
	require.NotContains(t, paper.Errs.String(), words)
}
