package bench

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// What Linux tells of the machine, of a folder's filesystem and of a process.
func TestDescribeLinux(t *testing.T) {
	m := Describe(t.TempDir())
	require.Positive(t, m.MemoryMB)
	require.NotEmpty(t, m.Kernel)
	require.NotEmpty(t, m.Filesystem)
	require.Equal(t, "proc", filesystem("/proc/self"))
	require.Empty(t, procValue("/proc/meminfo", "NoSuchLine"))
	now, most, ok := Resident(os.Getpid())
	require.True(t, ok)
	require.Greater(t, now, 1e6)
	require.GreaterOrEqual(t, most, now)
	_, _, ok = Resident(-1)
	require.False(t, ok)
}

// Work takes processor time.
func TestWorked(t *testing.T) {
	before := Worked()
	require.Positive(t, before)
	for sum := 0; Worked() == before; sum++ {
		require.Less(t, sum, 1<<30)
	}
}
