package open

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// "What finality a chain has promised is remembered", in the folder of the keystore, and in
// that of the server where there is no keystore; if neither can be written, a person is told.
func TestPromisesOutliveAProcess(t *testing.T) {
	for _, missing := range []string{"", "keys", "server"} {
		dir := t.TempDir()
		keys, server := filepath.Join(dir, "keys"), filepath.Join(dir, "server")
		for _, folder := range []string{keys, server} {
			if filepath.Base(folder) != missing {
				require.NoError(t, os.Mkdir(folder, 0o700))
			}
		}
		var warned []string
		open := func() promises {
			return promises{[]string{keys, server}, func(text string) { warned = append(warned, text) }}
		}
		require.False(t, open().Made("ab"))
		open().Keep("ab")
		open().Keep("ab")
		require.True(t, open().Made("ab"), "without %q", missing)
		require.False(t, open().Made("cd"))
		require.Empty(t, warned)
	}
	none := promises{[]string{filepath.Join(t.TempDir(), "keys")}, func(string) { panic("told") }}
	require.PanicsWithValue(t, "told", func() { none.Keep("ab") })
}
