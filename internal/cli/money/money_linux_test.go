package money_test

import (
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/treasury"
	"pets/internal/cli/money"
	"pets/internal/pets/petstest"
)

// opened puts money where the ledger says it is, and registers the wallets.
func (w *moneyWorld) opened() *moneyWorld {
	w.t.Helper()
	w.fund(w.hot, 1600, 10)
	w.fund(w.cold, 8400, 5)
	for _, d := range []map[string]any{
		{"wallet": "hot", "amount": "1600"},
		{"wallet": "cold", "amount": "8400"},
		{"wallet": "hot", "asset": "COIN", "amount": "10"},
		{"wallet": "cold", "asset": "COIN", "amount": "5"},
	} {
		w.post("olga", "/v1/portfolios/main/deposits", d, nil)
	}
	w.ok("admin", "wallet", "register", "hot-1", "--place", "hot", "--address", w.hot)
	// The server reconciles by itself once there is a wallet, and then once a day. Waiting for the
	// first time gives what follows the same revisions in every run.
	require.Eventually(w.t, func() bool {
		var v money.TreasuryView
		w.get("/treasury", &v)
		return v.ReconciledAt != nil
	}, 20*time.Second, 20*time.Millisecond, "%s", w.log)
	w.ok("admin", "wallet", "register", "vault-1", "--place", "cold", "--address", w.cold)
	return w
}

// The whole way of money on a real chain: it is reconciled, moved with the approval of a second
// person, proposed back, signed by the cold wallet elsewhere, withdrawn to an address of the book,
// and swept after a breach.
func TestMoneyEndToEnd(t *testing.T) {
	t.Parallel()
	w := newMoneyWorld(t).opened()
	require.Contains(t, w.ok("olga", "reconcile"), "agrees")
	w.movesToCold()
	w.comesBackFromCold()
	w.withdraws()
	w.breachDrill()
}

// movesToCold: "approval is needed for every transfer that touches the cold wallet"; by
// another user, and bound to the hash.
func (w *moneyWorld) movesToCold() {
	t := w.t
	out := w.ok("olga", "transfer", "--from", "hot", "--to", "cold", "--amount", "500", "--highest-fee", "0.5", "--reason", "more than the bots need")
	id := asked(t, out)
	for _, words := range []string{"internal of 500 USDC from hot to cold", "because it touches the cold wallet", "our cold wallet vault-1", "0.5 COIN", "pets approve " + id + " --hash "} {
		require.Contains(t, out, words)
	}
	hash := w.transfer(id).Hash
	w.refused("bob", 2, "add --hash", "approve", id)
	w.refused("bob", 2, "--yes", "approve", id, "--yes")
	w.refused("bob", 1, "not the one given", "approve", id, "--hash", strings.Repeat("0", 64))
	w.refused("olga-approver", 1, "takes two people", "approve", id, "--hash", hash)
	w.refused("olga", 1, "may not do this", "approve", id, "--hash", hash)
	require.Contains(t, w.ok("bob", "approvals"), id+"  internal of 500 USDC from hot to cold, asked for by olga")
	question := ""
	r := w.petsAsked("bob", func(_ io.Writer, q string) (bool, bool) { question = q; return false, true }, "approve", id)
	require.Equal(t, 1, r.Code, r.Out)
	require.Contains(t, r.Err, "nothing was sent")
	require.Equal(t, "requested", w.transfer(id).Status)
	r = w.petsAsked("bob", func(io.Writer, string) (bool, bool) { return true, true }, "approve", id)
	require.Equal(t, 0, r.Code, r.Err)
	require.Equal(t, "Approve "+id+"?", question)
	require.Contains(t, r.Out, hash)
	require.Contains(t, r.Out, "is approved")
	w.mined(w.until(id, string(treasury.Broadcast)))
	require.Contains(t, w.ok("bob", "transfers", id, "--follow"), "confirmed in block")
	w.refused("bob", 1, "nothing to approve", "approve", id, "--hash", hash)
	w.refused("olga", 1, "cannot be rejected", "reject", id, "--reason", "too late")
	require.Contains(t, w.ok("olga", "treasury"), "11.00 %")
	w.ok("olga", "reconcile")
}

// comesBackFromCold: the server proposes the move, with every number; the cold wallet's key is on
// another machine.
func (w *moneyWorld) comesBackFromCold() {
	t := w.t
	id := w.proposed()
	out := w.ok("olga", "rebalance")
	for _, words := range []string{
		id + "  rebalance of 400 USDC from cold to hot", "hot        1100 = 1100 cash", "target     1500 = hot_wallet_percentage 0.15 × total 10000",
		"low        1200 = 0.8 × target", "amount     400 = the difference of hot 1100 and 1500", "available  8900",
	} {
		require.Contains(t, out, words)
	}
	file, signed := filepath.Join(w.dir, "out.json"), filepath.Join(w.dir, "signed.json")
	w.refused("olga", 1, "is not approved yet", "cold", "export", id, "--out", file)
	w.ok("bob", "approve", id, "--hash", w.transfer(id).Hash)
	w.until(id, string(treasury.Prepared))
	require.Contains(t, w.ok("olga", "transfers", id), "pets cold export "+id)
	require.Contains(t, w.ok("olga", "cold", "export", id, "--out", file), "written to "+file)
	w.refused("olga", 1, "is there already, with exactly this in it", "cold", "export", id, "--out", file)
	w.refused("olga", 1, "it is the unsigned one", "cold", "import", file)
	require.Contains(t, w.signCold("cold", "sign", file, "--registry", w.registry, "--out", signed), "400 USDC")
	require.Contains(t, w.ok("olga", "cold", "import", signed), "the server sends it")
	w.confirmed(id)
	require.Contains(t, w.ok("olga", "treasury"), "15.00 %")
	require.Contains(t, w.ok("olga", "rebalance"), "nothing new is proposed: the hot wallet is within its bounds")
	w.ok("olga", "reconcile")
}

// withdraws: "recipients outside the address book are refused".
func (w *moneyWorld) withdraws() {
	t := w.t
	const exchange = "0xA4b0D03c2a6cB0A5aD0D2C7C1DB6aC5eE6C7e8b0"
	to := w.checksummed(exchange)
	w.refused("olga", 1, "not in the address book", "transfer", "--from", "hot", "--to", to, "--amount", "100", "--reason", "pay out")
	w.refused("olga", 1, "may not do this", "address-book", "add", "--address", to, "--label", "exchange")
	w.refused("admin", 1, "EIP-55", "address-book", "add", "--address", strings.ToLower(to), "--label", "exchange")
	w.ok("admin", "address-book", "add", "--address", to, "--label", "exchange")
	require.Contains(t, w.ok("olga", "address-book"), to)
	id := asked(t, w.ok("olga", "transfer", "--from", "hot", "--to", to, "--amount", "100", "--reason", "pay out"))
	out := w.ok("bob", "approve", id, "--hash", w.transfer(id).Hash)
	require.Contains(t, out, `"exchange" in the address book, since 2026-03-01 `)
	require.Contains(t, strings.Join(strings.Fields(out), " "), "put there by admin")
	// "To a new address money goes within its first 24 h only with two approvers."
	require.Contains(t, out, "0 of 2 approvals; by two people other than olga")
	require.Contains(t, out, id+" has 1 of 2 approvals, by bob")
	require.Contains(t, w.ok("bob", "transfers", id), "requested: 1 of 2 approvals, by bob")
	require.Contains(t, w.ok("bob", "approve", id, "--hash", w.transfer(id).Hash), id+" has 1 of 2 approvals, by bob", "one person twice is one")
	w.carol()
	require.Contains(t, w.ok("carol", "approvals"), "1 of 2 approvals, by bob")
	require.Contains(t, w.ok("carol", "approve", id, "--hash", w.transfer(id).Hash), id+" is approved; next:")
	require.Contains(t, w.ok("carol", "transfers", id), "by bob and carol")
	w.confirmed(id)
	w.readsAreTheSame()
	w.ok("admin", "address-book", "remove", "--address", to, "--reason", "account closed")
	require.Contains(t, w.ok("bob", "transfers", id), "NOT ONE OF OURS")
	w.ok("olga", "reconcile")
}

// breachDrill: "nothing is signed but a sweep to an address that was in the book before
// the stop, approved by a second person".
func (w *moneyWorld) breachDrill() {
	t := w.t
	w.refused("olga", 1, "needs an engaged emergency stop", "wallet", "sweep", "--to", "cold", "--reason", "drill", "--yes")
	cold := asked(t, w.ok("olga", "transfer", "--from", "cold", "--to", "hot", "--amount", "1", "--reason", "signed by hand"))
	w.ok("bob", "approve", cold, "--hash", w.transfer(cold).Hash)
	w.until(cold, "prepared")
	ordinary := asked(t, w.ok("olga", "transfer", "--from", "hot", "--to", "cold", "--amount", "1", "--reason", "an ordinary one"))
	w.ok("olga", "stop", "--emergency", "--kind", "security_breach", "--reason", "a key leaked")
	require.Equal(t, "rejected", w.transfer(ordinary).Status, "the stop ends what is not signed")
	w.refused("olga", 1, "only a sweep or an evacuation", "transfer", "--from", "hot", "--to", "cold", "--amount", "1", "--reason", "another one")
	w.refused("olga", 2, "add --yes", "wallet", "sweep", "--to", "cold", "--reason", "a key leaked")
	// A recipient that was mistyped is refused before anything is planned and asked.
	w.refused("olga", 1, "--to must be cold, or one of these, and is none of them: vault-1", "wallet", "sweep", "--to", "cld", "--reason", "a key leaked")
	// "What to do next" in a breach is the sweep; and a stop without a reason leaves the reason.
	require.Contains(w.t, w.ok("olga", "state"), "pets wallet sweep --to cold --reason ")
	w.ok("bob", "stop", "--emergency", "--kind", "security_breach")
	require.Contains(w.t, w.ok("olga", "state"), "a key leaked")
	out := w.ok("olga", "wallet", "sweep", "--to", "cold", "--reason", "a key leaked", "--yes")
	require.Contains(t, out, "sweep of 1400 USDC from hot to cold")
	swept := unique(transferPattern.FindAllString(out[strings.Index(out, "sweep of 1400")-10:], -1))
	require.Len(t, swept, 2, out)
	w.refused("olga", 1, "there is nothing to sweep", "wallet", "sweep", "--to", "cold", "--reason", "again", "--yes")
	for _, id := range swept {
		w.refused("olga-approver", 1, "takes two people", "approve", id, "--hash", w.transfer(id).Hash)
		w.ok("bob", "approve", id, "--hash", w.transfer(id).Hash)
	}
	for _, id := range swept {
		w.confirmed(id)
	}
	out = w.ok("olga", "reconcile")
	require.NotContains(t, out, "DIFFERS")
	require.NotContains(t, out, "not compared")
	out = w.ok("olga", "treasury")
	require.Regexp(t, `hot together +0 `, out)
	require.Contains(t, w.ok("bob", "transfers", ordinary), "rejected: the emergency stop was engaged")
	w.refused("bob", 1, "did not arrive: it is rejected", "transfers", ordinary, "--follow")
	var lines domain.BalanceReconciled
	petstest.ReadJSON(t, w.ok("olga", "reconcile", "--json"), &lines)
	require.Len(t, lines.Lines, 4)
	w.clearListsWhatGoesOn(cold)
}

// clearListsWhatGoesOn: "clear lists what will go on", to both people.
func (w *moneyWorld) clearListsWhatGoesOn(id string) {
	w.t.Helper()
	goesOn := "once the stop is cleared, these go on, or may be on their way:\n  " + id + "  prepared, internal of 1 USDC from cold to hot\n"
	out := w.ok("olga", "clear", "--reason", "over")
	require.Contains(w.t, out, goesOn)
	request := regexp.MustCompile(`\bc\d+\b`).FindString(out)
	require.Contains(w.t, w.ok("bob", "clear", "--confirm", request), goesOn)
	require.Equal(w.t, "prepared", w.transfer(id).Status, "as it was said")
}

func unique(all []string) []string {
	var out []string
	for _, s := range all {
		if len(out) == 0 || !strings.Contains(" "+strings.Join(out, " ")+" ", " "+s+" ") {
			out = append(out, s)
		}
	}
	return out
}

// proposed waits until the server has requested a move by itself.
func (w *moneyWorld) proposed() string {
	w.t.Helper()
	var list money.TransfersView
	require.Eventually(w.t, func() bool {
		w.get("/approvals", &list)
		return len(list.Transfers) > 0
	}, 20*time.Second, 20*time.Millisecond, "%s", w.log)
	return list.Transfers[0].Transfer
}

// beside returns the flag that names the folder; it takes precedence over PETS_SERVER.
func (w *moneyWorld) beside() string { return "--store=embedded:" + filepath.Join(w.dir, "store") }

// readsAreTheSame: reads may also open the store read-only beside the server, without a key, and
// give the same answers as the server; --at shows the past.
func (w *moneyWorld) readsAreTheSame() {
	for _, view := range []string{"transfers", "approvals", "treasury", "address-book"} {
		require.JSONEq(w.t, w.ok("bob", view, "--json"), w.ok("nobody", w.beside(), view, "--json"), view)
		require.JSONEq(w.t, w.ok("bob", view, "--json", "--at", "9"), w.ok("nobody", w.beside(), view, "--json", "--at", "9"), view)
		w.refused("nobody", 2, "PETS_KEY is needed", view)
	}
	require.Contains(w.t, w.ok("nobody", w.beside(), "transfers", "x9"), "our cold wallet vault-1")
	require.Contains(w.t, w.ok("bob", "transfers", "x9", "--at", "9"), "waits for a second person")
	require.Contains(w.t, w.ok("nobody", w.beside(), "treasury", "--at", "9"), "16.00 %")
	require.Contains(w.t, w.ok("nobody", w.beside(), "approvals", "--at", "9"), "x9  internal")
	require.Contains(w.t, w.ok("nobody", w.beside(), "transfers", "--open"), "no transfers")
	w.refused("nobody", 1, "there is no transfer", w.beside(), "transfers", "x9", "--at", "8")
}
