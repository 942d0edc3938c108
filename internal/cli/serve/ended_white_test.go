package serve

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/internal/cli"
	"pets/internal/cli/clitest"
	"pets/internal/config"
	"pets/internal/open"
)

// A server that is told to end before it is ready ends without an error: a supervisor must not
// take that for a crash.
func TestAServerThatIsToldToEndBeforeItIsReady(t *testing.T) {
	c, err := config.Load(t.TempDir(), []string{"PETS_STORE=embedded:" + filepath.Join(t.TempDir(), "store"), "PETS_LISTEN=127.0.0.1:0", "PETS_METRICS_LISTEN=off"})
	require.NoError(t, err)
	var errs, out clitest.Buffer
	a := &cli.App{Place: open.Place{Err: &errs, Config: c}, Out: &out, Dir: t.TempDir()}
	ctx, stop := context.WithCancel(t.Context())
	s, err := New(ctx, a, time.Now)
	require.NoError(t, err)
	stop()
	require.NoError(t, s.Run(ctx, func(context.Context) error {
		t.Error("it became ready")
		return nil
	}))
}
