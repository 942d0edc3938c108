package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/eventstore"
	"pets/eventstore/embedded"
)

// logLine is a line of the server's log.
type logLine struct {
	Level, Msg, Type, Portfolio, User string
}

// notables are the lines of a log that tell an event.
func notables(t *testing.T, text string) []logLine {
	t.Helper()
	var all []logLine
	for line := range strings.Lines(text) {
		var l logLine
		if json.Unmarshal([]byte(line), &l) == nil && l.Type != "" {
			all = append(all, l)
		}
	}
	return all
}

// "One log line for each stop, start, clear, revocation as it becomes durable (who, which
// portfolio, why), never for what was folded from before the start."
func TestTheLogTellsWhatWasStopped(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "store")
	p := serveFolder(t, folder)
	boss := p.client(adminKey)
	ctx := t.Context()
	require.NoError(t, boss.Send(ctx, http.MethodPost, "/v1/portfolios", "open", map[string]any{"id": "main", "mode": "paper"}, nil))
	require.NoError(t, boss.Portfolio("main").Post(ctx, "/deposits", "deposit", map[string]any{"wallet": "hot", "amount": "1000"}, nil))
	require.NoError(t, boss.Portfolio("main").Post(ctx, "/bots", "bot", map[string]any{"id": "alpha", "capital": "500"}, nil))
	r := p.pets(folder, adminKey, "apikey", "issue", "--user", "olga", "--role", "operator")
	require.Equal(t, 0, r.code, r.err)
	secret := secretPattern.FindString(r.out)
	for _, args := range [][]string{
		{"start", "alpha"},
		{"stop", "alpha", "--reason", "odd fills"},
		{"stop", "--emergency", "--kind", "security_breach", "--reason", "a key leaked"},
		{"clear", "--reason", "no fire"},
		{"apikey", "revoke", "k1"},
	} {
		key := secret
		if args[0] == "apikey" {
			key = adminKey
		}
		r := p.pets(folder, key, args...)
		require.Equal(t, 0, r.code, r.err)
	}
	want := []logLine{
		{"INFO", "API key k1 issued to olga, role operator", domain.APIKeyIssuedType, "", "admin"},
		{"INFO", "alpha started", domain.BotStartedType, "main", "olga"},
		{"WARN", "alpha stopped: odd fills", domain.BotStoppedType, "main", "olga"},
		{"WARN", "EMERGENCY STOP security_breach: a key leaked", domain.EmergencyStopEngagedType, "main", "olga"},
		{"INFO", "olga requests to clear the emergency stop (c7): no fire", domain.EmergencyStopClearRequestedType, "main", "olga"},
		{"WARN", "API key k1 revoked", domain.APIKeyRevokedType, "", "admin"},
	}
	told := func() []logLine { return notables(t, p.errs.String())[1:] } // the first key was issued before
	require.Eventually(t, func() bool { return len(told()) >= len(want) }, 10*time.Second, 5*time.Millisecond, "%s", p.errs)
	require.Equal(t, want, told())
	require.NotEmpty(t, secret)
	require.NotContains(t, p.errs.String(), secret)

	require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
	require.NoError(t, p.cmd.Wait())
	p = serveFolder(t, folder)
	require.Equal(t, 0, p.pets(folder, adminKey, "stop", "--emergency", "--reason", "again").code)
	require.Eventually(t, func() bool { return len(notables(t, p.errs.String())) > 0 }, 10*time.Second, 5*time.Millisecond)
	require.Equal(t, "EMERGENCY STOP security_breach stays in force, manual was requested: again", notables(t, p.errs.String())[0].Msg)
}

// balky is a store that takes nothing while it balks.
type balky struct {
	*embedded.Store
	balks atomic.Bool
}

func (b *balky) Append(ctx context.Context, stream string, expected eventstore.Expected, records []eventstore.Proposed) (eventstore.Appended, error) {
	if b.balks.Load() {
		return eventstore.Appended{}, domain.Errorf(domain.CodeUnavailable, "not now")
	}
	return b.Store.Append(ctx, stream, expected, records)
}

// "Also a line when a stop holds but is not recorded, and when it is recorded later."
func TestTheLogTellsWhatIsNotRecorded(t *testing.T) {
	dir := t.TempDir()
	opened, err := embedded.Open(dir, embedded.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, opened.Close()) }()
	store := &balky{Store: opened}
	log := &lockedBuffer{}
	a := &app{}
	a.config.Store = "embedded:" + dir
	engine := commands.NewEngine(store, commands.EngineOptions{Options: commands.Options{Now: time.Now}, Latch: a.latch(nil)})
	defer engine.Close()
	require.NoError(t, engine.Load(t.Context(), nil))
	_, err = engine.Do(t.Context(), "main", a.own(commands.OpenPortfolio{ID: "main", Mode: domain.ModePaper, BaseAsset: "USDC", BaseDecimals: 6, Defaults: domain.DefaultPolicy(domain.ModePaper)}))
	require.NoError(t, err)
	here := &server{app: a, log: slog.New(slog.NewJSONHandler(log, nil)), store: opened, engine: engine}
	ctx, end := context.WithCancel(t.Context())
	defer here.work.Wait()
	defer end()
	here.work.Go(func() { here.tellPending(ctx) })

	store.balks.Store(true)
	_, recorded, err := engine.Stop(ctx, "main", a.own(commands.EngageStop{Kind: domain.StopManual, Reason: "the store balks"}))
	require.NoError(t, err)
	require.False(t, recorded)
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "stops hold that are not recorded yet") }, 20*time.Second, 5*time.Millisecond)
	require.Contains(t, log.String(), "the store balks")
	store.balks.Store(false)
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "every stop that held is recorded") }, 20*time.Second, 5*time.Millisecond)
}
