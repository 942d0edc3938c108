package operate_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/internal/open"
	"pets/internal/pets/petstest"
)

// "A GET sees everything that was acknowledged before it was asked": the store was poisoned
// under a running server, which holds a stop and says so to everybody who looks.
func TestAHeldStopIsShownOnTheCommandLine(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "store")
	p := petstest.ServeFolder(t, folder)
	c := p.Client(petstest.AdminKey)
	send := func(path, reference string, body, into any) {
		t.Helper()
		require.NoError(t, c.Send(context.Background(), http.MethodPost, "/v1/portfolios"+path, reference, body, into))
	}
	send("", "open", map[string]any{"id": "main", "mode": "paper"}, nil)
	olga := petstest.SecretPattern.FindString(p.Pets(folder, petstest.AdminKey, "apikey", "issue", "--user", "olga", "--role", "operator").Out)
	require.NotEmpty(t, olga)
	send("/main/deposits", "in", map[string]any{"wallet": "hot", "amount": "100"}, nil)
	send("/main/bots", "bot", map[string]any{"id": "alpha", "capital": "50"}, nil)
	send("/main/bots/alpha/start", "start", struct{}{}, nil)
	ask := map[string]any{"bot": "alpha", "market": "m", "outcome": "YES", "side": "buy", "quantity": "1", "limit_price": "0.5"}
	var permit struct {
		Allowed bool
		Status  string
	}
	send("/main/permits", "ask", ask, &permit)
	require.True(t, permit.Allowed)
	require.NoError(t, os.Rename(filepath.Join(folder, "LOCK"), filepath.Join(folder, "LOCK.x")))
	require.Eventually(t, func() bool {
		r, err := http.Get(p.URL + "/readyz")
		return err == nil && r.Body.Close() == nil && r.StatusCode == http.StatusServiceUnavailable
	}, 20*time.Second, 50*time.Millisecond, "it notices")
	var stopped struct{ Recorded, Kept *bool }
	send("/main/emergency-stop", "stop", map[string]any{"kind": "manual", "reason": "the feed is lying"}, &stopped)
	require.False(t, *stopped.Recorded)
	send("/main/permits", "ask", ask, &permit) // the same Idempotency-Key again
	require.False(t, permit.Allowed)
	require.Equal(t, commands.PermitHeld, permit.Status)

	s := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"PETS_SERVER=" + p.URL, "PETS_KEY=" + petstest.AdminKey}}
	for _, command := range []string{"state", "breakers"} {
		r := s.Run("-p", "main", command)
		require.Equal(t, 0, r.Code, r.Err)
		require.Contains(t, r.Out, "EMERGENCY STOP  ")
		require.Contains(t, r.Out, "HOLDS, but is not recorded yet")
	}
	require.Contains(t, s.Run("-p", "main", "state").Out, "stopped, not recorded yet")
	// "Say to stop the server, pets verify, restart": what is not recorded cannot be cleared.
	out := strings.Join(strings.Fields(s.Run("-p", "main", "state").Out), " ")
	require.Contains(t, out, "stop the server, look at its store on its machine, and start it again")
	require.Contains(t, out, "pets verify --store embedded:DIR")
	require.NotContains(t, out, "pets clear")
	require.NotContains(t, out, "pets start")
	require.NotContains(t, s.Run("-p", "main", "permits").Out, "granted")

	// "What is final for now is not retried": the server says so, and it is one answer.
	for _, args := range [][]string{
		{"deposit", "5"},
		{"start", "alpha"},
		{"clear", "--reason", "x"},
	} {
		operator := &petstest.Shell{T: t, Dir: s.Dir, Ctx: t.Context(), Env: []string{"PETS_SERVER=" + p.URL, "PETS_KEY=" + olga}}
		r := operator.Run(args...)
		require.Equal(t, 1, r.Code, r.Out)
		require.Contains(t, r.Err, "refused", args)
		require.NotContains(t, r.Err, "no answer", args)
		require.NotContains(t, r.Err, "waiting for", args)
		require.NotContains(t, r.Err, "look, and send it again", args)
	}
}

// Commands that read a folder without a server warn about a stop that waits in its marker.
func TestAMarkedStopIsTold(t *testing.T) {
	t.Parallel()
	s := servedOnce(t)
	require.NotContains(t, s.Run("-p", "main", "state").Err, "HOLDS")
	require.NoError(t, commands.NewLatchFile(filepath.Join(s.Store(), open.LatchName)).Write([]commands.PendingStop{{Portfolio: "main", Key: "k", Kind: "manual", Reason: "x"}}))
	require.Contains(t, s.Run("-p", "main", "state").Err, "the emergency stop (manual) by  HOLDS and is not recorded yet")
	require.NotContains(t, s.Run("-p", "main", "state", "--at", "0").Err, "HOLDS")
}
