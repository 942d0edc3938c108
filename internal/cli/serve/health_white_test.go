package serve

import (
	"testing"

	"github.com/stretchr/testify/require"

	"pets/commands"
)

// "Below PETS_DISK_RESERVE only stops and facts; below a quarter of it only stops."
func TestTheReserveHasTwoParts(t *testing.T) {
	t.Parallel()
	for free, taken := range map[int64][3]bool{ // others, facts, stops
		100: {true, true, true}, 99: {false, true, true}, 25: {false, true, true}, 24: {false, false, true}, 0: {false, false, true},
	} {
		for i, class := range []commands.Class{commands.ClassOther, commands.ClassFact, commands.ClassStop} {
			require.Equal(t, taken[i], scarceFor(class, free, 100) == nil, "%d bytes, class %d", free, class)
		}
	}
	require.NoError(t, scarceFor(commands.ClassOther, 0, 0), "no reserve")
}
