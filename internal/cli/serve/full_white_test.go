package serve

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A start that a full disk prevents says what to do, and that the stops hold.
func TestAStartOnAFullDisk(t *testing.T) {
	t.Parallel()
	full := fmt.Errorf("open event store: set torn bytes aside: %w", &fs.PathError{Op: "write", Path: "torn-1.bin", Err: syscall.ENOSPC})
	err := startError(errors.Join(full, nil))
	require.ErrorIs(t, err, syscall.ENOSPC)
	for _, words := range []string{"no space left", "free some space, and start again", "hold"} {
		require.ErrorContains(t, err, words)
	}
	other := errors.New("another problem")
	require.Equal(t, other, startError(other))
	require.NoError(t, startError(nil))
}

// What is accepted is logged when it changes: as a warning when it gets less, and as
// information when everything is accepted again.
func TestTheLogSaysWhatIsAccepted(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	log := slog.New(slog.NewTextHandler(&b, nil))
	var w spaceWatch
	look := func(free int64) string {
		b.Reset()
		w.look(log, free, 100)
		require.LessOrEqual(t, strings.Count(b.String(), "\n"), 1)
		return b.String()
	}
	require.Empty(t, look(100))
	for _, step := range []struct {
		free  int64
		words []string
	}{
		{99, []string{"level=WARN", `accepted="stops and facts"`}},
		{24, []string{"level=WARN", `accepted="only stops"`}},
		{30, []string{"level=WARN", `accepted="stops and facts"`}},
		{100, []string{"level=INFO", "enough free space again", "accepted=everything"}},
	} {
		line := look(step.free)
		for _, words := range step.words {
			require.Contains(t, line, words)
		}
		require.Empty(t, look(step.free), "once")
	}
}

func TestTheLogSaysThatTheClockHasCaughtUp(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	log := slog.New(slog.NewTextHandler(&b, nil))
	tellClock(log, time.Minute, 2)
	require.Contains(t, b.String(), "level=WARN")
	require.Contains(t, b.String(), "portfolios=2")
	b.Reset()
	tellClock(log, 0, 0)
	require.Contains(t, b.String(), "level=INFO")
	require.Contains(t, b.String(), "caught up")
}
