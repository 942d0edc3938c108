package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/eventstore/embedded"
)

// liveStore makes a store in which portfolio real is live: two people have overridden
// the gate in a paper portfolio.
func liveStore(t *testing.T, dir string) {
	t.Helper()
	store, err := embedded.Open(dir, embedded.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	e := commands.NewEngine(store, commands.EngineOptions{})
	defer e.Close()
	do := func(user string, role domain.Role, portfolio string, c commands.Command) commands.Answer {
		a, err := e.Do(t.Context(), portfolio, commands.Request{Caller: domain.Caller{User: user, Role: role}, Key: uuid.NewString(), Command: c})
		require.NoError(t, err)
		return a
	}
	open := commands.OpenPortfolio{ID: "main", Mode: domain.ModePaper, BaseAsset: "USDC", BaseDecimals: 6, Defaults: domain.DefaultPolicy(domain.ModePaper)}
	do("olga", domain.RoleOperator, "main", open)
	asked := do("olga", domain.RoleOperator, "main", commands.RequestOverride{Kind: domain.OverrideGoLive, Portfolio: "real", Reason: "a month on paper"})
	agreed := do("bob", domain.RoleApprover, "main", commands.ConfirmOverride{Override: asked.ID})
	gate := domain.Gate{Portfolio: "main", Revision: agreed.Revision}
	evidence, err := commands.ReadEvidence(t.Context(), store, gate)
	require.NoError(t, err)
	open.ID, open.Mode, open.Gate, open.Evidence, open.Defaults = "real", domain.ModeLive, &gate, evidence, domain.DefaultPolicy(domain.ModeLive)
	do("olga", domain.RoleOperator, "real", open)
}

// "A .env that others can read (not 600) is refused in live mode." Without a live
// portfolio it is a warning.
func TestEnvFileOfOthersIsRefusedLive(t *testing.T) {
	serve := func(dir string) ran {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		out, errs := &syncBuffer{}, &syncBuffer{}
		a := &app{out: out, err: errs, dir: dir, environ: []string{"PETS_STORE=embedded:" + filepath.Join(dir, "store")}}
		done := make(chan int, 1)
		go func() {
			done <- a.run(ctx, []string{"serve", "--listen", "127.0.0.1:0", "--metrics-listen", "off"})
		}()
		deadline := time.Now().Add(20 * time.Second)
		for {
			select {
			case code := <-done:
				return ran{code, out.String(), errs.String()}
			case <-time.After(10 * time.Millisecond):
			}
			if strings.Contains(errs.String(), `"msg":"ready"`) || time.Now().After(deadline) {
				stop()
			}
		}
	}
	write := func(dir string, mode os.FileMode) {
		path := filepath.Join(dir, ".env")
		require.NoError(t, os.WriteFile(path, []byte("PETS_PORTFOLIO=real\n"), 0o600))
		require.NoError(t, os.Chmod(path, mode))
	}
	dir := t.TempDir()
	write(dir, 0o644)
	r := serve(dir)
	require.Equal(t, 0, r.code, "nothing is live: %s", r.err)
	require.Contains(t, r.err, "would be refused for a live portfolio")

	dir = t.TempDir()
	liveStore(t, filepath.Join(dir, "store"))
	for _, mode := range []os.FileMode{0o644, 0o640, 0o620, 0o604, 0o602} {
		write(dir, mode)
		r = serve(dir)
		require.Equal(t, 1, r.code, "%o: %s", mode, r.err)
		require.Contains(t, r.err, "portfolio real is live")
		require.Contains(t, r.err, "chmod 600")
		require.NotContains(t, r.err, `"msg":"ready"`)
	}
	for _, mode := range []os.FileMode{0o600, 0o400} {
		write(dir, mode)
		r = serve(dir)
		require.Equal(t, 0, r.code, "%o: %s", mode, r.err)
		require.Contains(t, r.err, `"msg":"ready"`)
	}
}

// A mistake in a file of settings must not keep anybody from stopping: whatever stopping
// does not need is passed over, and said.
func TestStopWithBadSettings(t *testing.T) {
	for _, bad := range []string{"ENCRYPTION_KEY='abc'", "PETS_RPC_URLS=ftp://x", "FOO BAR", "PETS_ASSET_REGISTRY=/nonexist", "MAX_DAILY_LOSS_PCT=5"} {
		dir := t.TempDir()
		liveStore(t, filepath.Join(dir, "store"))
		require.NoError(t, os.WriteFile(filepath.Join(dir, ".env"), []byte("PETS_PORTFOLIO=real\n"+bad+"\n"), 0o600))
		s := &shell{t: t, dir: dir, ctx: t.Context(), env: []string{"PETS_STORE=embedded:" + filepath.Join(dir, "store")}}
		require.Equal(t, 1, s.run("state").code, "anything else is refused")
		r := s.run("stop", "--emergency", "--reason", "drill")
		require.Equal(t, 0, r.code, "%s: %s", bad, r.err)
		require.Contains(t, r.out, "EMERGENCY STOP engaged in real")
		require.Contains(t, r.err, "stopping all the same")
		require.NotContains(t, r.err, "abc")
	}
}

// . and .. are no names: in the path of a request they would mean another portfolio, or
// all of them.
func TestDotsAreNoPortfolio(t *testing.T) {
	s := newShell(t)
	for _, name := range []string{".", "..", ".hidden"} {
		s.fails(2, []string{"must not begin with a dot"}, "-p", name, "stop", "--emergency", "--reason", "x")
	}
}
