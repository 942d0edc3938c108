package look_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/internal/cli"
	"pets/internal/pets/petstest"
)

// A view of a folder that takes long says what it folds, and how far it is, on standard error. A
// short one says nothing.
func TestALongFoldIsTold(t *testing.T) {
	t.Parallel()
	s := petstest.Small(t)
	for _, view := range [][]string{{"state", "--at", "2"}, {"stats", "--at", "2"}, {"equity", "--at", "2"}} {
		view = append(view, "--json")
		quiet := s.RunWith(func(a *cli.App) { a.FoldsSilently = time.Hour }, view...)
		require.Zero(t, quiet.Code, quiet.Err)
		require.NotContains(t, quiet.Err, "folding")
		told := s.RunWith(func(a *cli.App) { a.FoldsSilently = 1 }, view...)
		require.Zero(t, told.Code, told.Err)
		require.Contains(t, told.Err, "pets: folding main: 0 of 3 events\n", view)
		require.Equal(t, quiet.Out, told.Out)
	}
}
