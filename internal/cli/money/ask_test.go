package money

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/internal/cli/show"
	"pets/projections"
)

// asking lists the command lines of the commands that ask, their server's answers, and what they
// send after a yes.
var asking = map[string]struct {
	args    []string
	answers map[string]any
	sends   string
}{
	"approve": {[]string{"approve", "x7"}, map[string]any{
		"/transfers": show.TransfersView{Transfers: []projections.Transfer{shownTransfer()}}, "/wallets": show.WalletsView{}, "/address-book": show.BookView{},
		"/state": map[string]any{}, "/treasury": map[string]any{}, "/transfers/x7/approve": map[string]any{"revision": 8},
	}, "/transfers/x7/approve"},
	"cold evacuate": {[]string{"cold", "evacuate", "--wallet", "hot-1", "--to", "0x1", "--reason", "the safe was opened"}, map[string]any{
		"/state":     map[string]any{"emergency_stop": map[string]any{"engaged": false}},
		"/wallets":   show.WalletsView{Wallets: oneCold()},
		"/treasury":  map[string]any{"policy": domain.DefaultTreasuryPolicy()},
		"/reconcile": map[string]any{"revision": 7, "events": []any{map[string]any{"revision": 7, "type": domain.BalanceReconciledType}}},
		"/events": map[string]any{"events": []any{map[string]any{
			"revision": 7, "type": domain.BalanceReconciledType, "data": inCold(balances(held{"hot-1": {"POL": "10", "USDC": "1000"}}, nil)),
		}}},
		"GET /transfers": show.TransfersView{Transfers: []projections.Transfer{{Transfer: "x8"}}}, "POST /transfers": map[string]any{"revision": 8, "id": "x8"},
	}, "/transfers {"},
	"wallet retire": {[]string{"wallet", "retire", "hot-1", "--reason", "a key leaked"}, map[string]any{"/wallets/hot-1/retire": map[string]any{"revision": 8}}, "/wallets/hot-1/retire"},
	"wallet sweep": {[]string{"wallet", "sweep", "--to", "cold", "--reason", "a key leaked"}, map[string]any{
		"/state":     map[string]any{"emergency_stop": map[string]any{"engaged": true}},
		"/wallets":   show.WalletsView{Wallets: oneHot},
		"/treasury":  map[string]any{"policy": domain.DefaultTreasuryPolicy()},
		"/reconcile": map[string]any{"revision": 7, "events": []any{map[string]any{"revision": 7, "type": domain.BalanceReconciledType}}},
		"/events": map[string]any{"events": []any{map[string]any{
			"revision": 7, "type": domain.BalanceReconciledType, "data": balances(held{"hot-1": {"POL": "10", "USDC": "1000"}}, nil),
		}}},
		"GET /transfers": show.TransfersView{Transfers: []projections.Transfer{{Transfer: "x8"}}}, "POST /transfers": map[string]any{"revision": 8, "id": "x8"},
	}, "/transfers {"},
}

// oneCold is the wallet of the sweeps, kept elsewhere.
func oneCold() []projections.Wallet {
	w := slices.Clone(oneHot[:1])
	w[0].Place = domain.WalletCold
	return w
}

// inCold turns balances of hot wallets into those of cold ones.
func inCold(e *domain.BalanceReconciled) *domain.BalanceReconciled {
	for i := range e.Lines {
		e.Lines[i].Place = domain.WalletCold
	}
	return e
}

// commandsThatAsk returns the commands with --yes from cli.AskFirst.
func commandsThatAsk(all []*cobra.Command, above string) []string {
	var names []string
	for _, c := range all {
		name := strings.TrimSpace(above + " " + c.Name())
		if c.Annotations["asks"] != "" {
			names = append(names, name)
		}
		names = append(names, commandsThatAsk(c.Commands(), name)...)
	}
	slices.Sort(names)
	return names
}

// "One way to ask for a yes": each command that asks does it in the same words, sends nothing
// after a no, after an answer that is neither, and where there is nobody to ask, and takes
// --yes for a yes.
func TestEveryCommandThatAsks(t *testing.T) {
	t.Parallel()
	room, _, _, _ := fakeServer(t, nil)
	found := commandsThatAsk(Commands(room.App), "")
	require.Len(t, found, len(asking))
	for _, name := range found {
		c, known := asking[name]
		require.True(t, known, "%s asks and is not tested", name)
		run := func(t *testing.T, ask func(string) (bool, bool), more ...string) (code int, errs *bytes.Buffer, sent bool) {
			t.Helper()
			a, _, errs, posts := fakeServer(t, c.answers)
			a.Ask = ask
			code = a.RunCommands(t.Context(), append(slices.Clone(c.args), more...), Commands(a.App)...)
			return code, errs, slices.ContainsFunc(*posts, func(p string) bool { return strings.HasPrefix(p, c.sends) })
		}
		t.Run(name, func(t *testing.T) {
			code, errs, sent := run(t, nil)
			require.Equal(t, 2, code, errs.String())
			require.Contains(t, errs.String(), "there is no terminal to ask at: add --")
			require.False(t, sent)
			code, _, sent = run(t, func(string) (bool, bool) { return true, true }, "--json")
			require.Equal(t, 2, code, "nobody is asked with --json")
			require.False(t, sent)
			var question string
			code, errs, sent = run(t, func(q string) (bool, bool) { question = q; return false, true })
			require.Equal(t, 1, code)
			require.Contains(t, errs.String(), "not agreed to; nothing was sent")
			require.False(t, sent)
			require.True(t, strings.HasSuffix(question, "?"), question)
			code, errs, sent = run(t, func(string) (bool, bool) { return true, true })
			require.Equal(t, 0, code, errs.String())
			require.True(t, sent)
			never := func(string) (bool, bool) { t.Error("--yes, and it asked"); return false, true }
			yes := []string{"--yes"}
			if name == "approve" { // --yes needs --hash
				yes = append(yes, "--hash", shownTransfer().Hash)
			}
			code, errs, sent = run(t, never, yes...)
			require.Equal(t, 0, code, errs.String())
			require.True(t, sent)
		})
	}
}
