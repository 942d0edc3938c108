package serve_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/internal/pets/petstest"
)

// logLine is a line of the server's log.
type logLine struct {
	Level, Msg, Type, Portfolio, User string
}

// notables returns the lines of a log that report an event.
func notables(t *testing.T, text string) []logLine {
	t.Helper()
	var all []logLine
	for line := range strings.Lines(text) {
		var l logLine
		if json.Unmarshal([]byte(line), &l) == nil && l.Type != "" {
			l.Msg, _, _ = strings.Cut(l.Msg, "; expires at ") // a year from now
			all = append(all, l)
		}
	}
	return all
}

// "One log line for each stop, start, clear, revocation as it becomes durable (who, which
// portfolio, why), never for what was folded from before the start."
func TestTheLogTellsWhatWasStopped(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "store")
	p := petstest.ServeFolder(t, folder)
	boss := p.Client(petstest.AdminKey)
	ctx := t.Context()
	require.NoError(t, boss.Send(ctx, http.MethodPost, "/v1/portfolios", "open", map[string]any{"id": "main", "mode": "paper"}, nil))
	require.NoError(t, boss.Portfolio("main").Post(ctx, "/deposits", "deposit", map[string]any{"wallet": "hot", "amount": "1000"}, nil))
	require.NoError(t, boss.Portfolio("main").Post(ctx, "/bots", "bot", map[string]any{"id": "alpha", "capital": "500"}, nil))
	r := p.Pets(folder, petstest.AdminKey, "apikey", "issue", "--user", "olga", "--role", "operator")
	require.Equal(t, 0, r.Code, r.Err)
	secret := petstest.SecretPattern.FindString(r.Out)
	for _, args := range [][]string{
		{"start", "alpha"},
		{"stop", "alpha", "--reason", "odd fills"},
		{"stop", "--emergency", "--kind", "security_breach", "--reason", "a key leaked"},
		{"clear", "--reason", "no fire"},
		{"apikey", "revoke", "k1"},
	} {
		key := secret
		if args[0] == "apikey" {
			key = petstest.AdminKey
		}
		r := p.Pets(folder, key, args...)
		require.Equal(t, 0, r.Code, r.Err)
	}
	want := []logLine{
		{"INFO", "API key k1 issued to olga, role operator", domain.APIKeyIssuedType, "", "admin"},
		{"INFO", "alpha started", domain.BotStartedType, "main", "olga"},
		{"WARN", "alpha stopped: odd fills", domain.BotStoppedType, "main", "olga"},
		{"WARN", "EMERGENCY STOP security_breach: a key leaked", domain.EmergencyStopEngagedType, "main", "olga"},
		{"INFO", "olga requests to clear the emergency stop (c7): no fire", domain.EmergencyStopClearRequestedType, "main", "olga"},
		{"WARN", "API key k1 revoked", domain.APIKeyRevokedType, "", "admin"},
	}
	told := func() []logLine { return notables(t, p.Errs.String())[1:] } // the first key was issued before
	require.Eventually(t, func() bool { return len(told()) >= len(want) }, 10*time.Second, 5*time.Millisecond, "%s", p.Errs)
	require.Equal(t, want, told())
	require.NotEmpty(t, secret)
	require.NotContains(t, p.Errs.String(), secret)

	require.NoError(t, p.Cmd.Process.Signal(os.Interrupt))
	require.NoError(t, p.Cmd.Wait())
	p = petstest.ServeFolder(t, folder)
	require.Equal(t, 0, p.Pets(folder, petstest.AdminKey, "stop", "--emergency", "--reason", "again").Code)
	require.Eventually(t, func() bool { return len(notables(t, p.Errs.String())) > 0 }, 10*time.Second, 5*time.Millisecond)
	require.Equal(t, "EMERGENCY STOP security_breach stays in force, manual was requested: again", notables(t, p.Errs.String())[0].Msg)
}
