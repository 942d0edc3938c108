package money_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/internal/cli"
	"pets/internal/cli/clitest"
	"pets/internal/open"
	"pets/internal/pets"
	"pets/internal/pets/petstest"
	"pets/internal/vault"
)

// A key that cannot be opened is reported when the server starts, not when a transfer gets stuck.
// Here it is sealed under a different encryption key.
func TestKeysAreOpenedAtTheStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	(&canary{t: t, dir: dir}).sealKey()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	log := &clitest.Buffer{}
	a := &cli.App{Place: open.Place{Err: log}, Out: &clitest.Buffer{}, Dir: dir, Environ: []string{
		"PETS_STORE=embedded:" + filepath.Join(dir, "store"), "PETS_KEYSTORE=" + filepath.Join(dir, "keys"), "ENCRYPTION_KEY=" + vault.GenerateKey(),
	}}
	done := make(chan int, 1)
	go func() {
		done <- pets.Run(ctx, a, []string{"serve", "--listen", "127.0.0.1:0", "--metrics-listen", "off"})
	}()
	require.Eventually(t, func() bool { return strings.Contains(log.String(), `"msg":"ready"`) }, 15*time.Second, 5*time.Millisecond, "%s", log)
	require.Contains(t, log.String(), "a key cannot be used: wallet hot-1")
	stop()
	require.Zero(t, <-done)
}

// A fee of 0 that was typed does not mean the default.
func TestAFeeOfNothingIsRefused(t *testing.T) {
	t.Parallel()
	petstest.New(t).Fails(2, []string{"--highest-fee must be above 0"}, "transfer", "--from", "hot", "--to", "cold", "--amount", "5", "--highest-fee", "0", "--reason", "x")
}
