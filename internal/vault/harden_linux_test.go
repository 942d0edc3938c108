package vault

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// childHardenLinux says whether this process can be dumped.
func childHardenLinux() error {
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	fmt.Println("dumpable", dumpable)
	return err
}

// "Harden(): prctl PR_SET_DUMPABLE=0, RLIMIT_CORE=0 on linux."
func TestHarden(t *testing.T) {
	command := child(os.Args[0], "harden", "", "", "")
	out, err := command.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, "core 0 0\ndumpable 0\n", string(out))
	require.ErrorContains(t, hardenError("why", unix.EPERM), "why: operation not permitted")
}
