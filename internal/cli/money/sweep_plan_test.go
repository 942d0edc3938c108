package money

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/treasury"
	"pets/internal/cli/show"
	"pets/projections"
)

// hotWallet returns a wallet with two tokens and the coin that pays fees, which comes first.
func hotWallet(name string) projections.Wallet {
	return projections.Wallet{Wallet: name, Place: domain.WalletHot, Chain: "eip155:137", Assets: []domain.WalletAsset{
		{Asset: "POL", Decimals: 18, Native: true}, {Asset: "USDC", Decimals: 6}, {Asset: "pUSD", Decimals: 6},
	}}
}

// balances returns lines of the hot place in which ledger and chain agree, except for the given differences.
func balances(wallets map[string]map[string]string, difference map[string]string) *domain.BalanceReconciled {
	e := &domain.BalanceReconciled{Block: 7}
	for _, asset := range []string{"POL", "USDC", "pUSD"} {
		l := domain.ReconciliationLine{Place: domain.WalletHot, Asset: asset}
		for _, w := range []string{"hot-1", "hot-2"} {
			if amount, ok := wallets[w][asset]; ok {
				l.Wallets = append(l.Wallets, domain.WalletReading{Wallet: w, Amount: dec(amount)})
				l.Chain = l.Chain.Add(dec(amount))
			}
		}
		if d := difference[asset]; d != "" {
			l.Difference = dec(d)
		}
		l.Ledger = l.Chain.Sub(l.Difference)
		e.Lines = append(e.Lines, l)
	}
	return e
}

// planned formats the moves of a plan: wallet, asset, amount, fee.
func planned(p *sweepPlan) string {
	var all []string
	for _, m := range p.moves() {
		all = append(all, strings.Join([]string{m.wallet, m.asset, m.amount.String(), m.fee.String()}, " "))
	}
	return strings.Join(all, "; ")
}

// notes returns all notes of a plan.
func notes(p *sweepPlan) string {
	var all []string
	for _, l := range p.lines {
		all = append(all, l.notes...)
	}
	return strings.Join(all, "; ")
}

// held maps wallets and assets to balances.
type held map[string]map[string]string

var oneHot = []projections.Wallet{hotWallet("hot-1"), {Wallet: "vault-1", Place: domain.WalletCold}}

// sweepCases are balances, and the transfers that a sweep requests.
var sweepCases = map[string]struct {
	wallets     []projections.Wallet
	held        held
	differs     map[string]string
	transfers   []projections.Transfer
	moves, says string
}{
	"all of it": {
		wallets: oneHot, held: held{"hot-1": {"POL": "10", "USDC": "1000", "pUSD": "2.5"}},
		moves: "hot-1 USDC 1000 1; hot-1 pUSD 2.5 1; hot-1 POL 7 1",
	},
	"exactly the fees": {
		wallets: oneHot, held: held{"hot-1": {"POL": "3", "USDC": "1000", "pUSD": "2.5"}},
		moves: "hot-1 USDC 1000 1; hot-1 pUSD 2.5 1",
	},
	"a little less, so that all coins are for fees": {
		wallets: oneHot, held: held{"hot-1": {"POL": "2.9", "USDC": "1000", "pUSD": "2.5"}},
		moves: "hot-1 USDC 1000 1; hot-1 pUSD 2.5 1",
	},
	"few coins": {
		wallets: oneHot, held: held{"hot-1": {"POL": "0.5", "USDC": "1000", "pUSD": "2.5"}},
		moves: "hot-1 USDC 1000 0.25; hot-1 pUSD 2.5 0.25", says: "at most 0.25 a transfer instead of 1",
	},
	"no coins": {
		wallets: oneHot, held: held{"hot-1": {"POL": "0", "USDC": "1000", "pUSD": "0"}},
		says: "NO COIN LEFT FOR FEES",
	},
	"coins alone": {
		wallets: oneHot, held: held{"hot-1": {"POL": "10", "USDC": "0", "pUSD": "0"}},
		moves: "hot-1 POL 9 1",
	},
	"few coins alone": {
		wallets: oneHot, held: held{"hot-1": {"POL": "0.5", "USDC": "0", "pUSD": "0"}},
		moves: "hot-1 POL 0.25 0.25", says: "few coins",
	},
	"no more coins than one fee": {
		wallets: oneHot, held: held{"hot-1": {"POL": "1", "USDC": "0", "pUSD": "0"}},
		moves: "hot-1 POL 0.5 0.5", says: "few coins",
	},
	"nothing": {wallets: oneHot, held: held{"hot-1": {"POL": "0", "USDC": "0", "pUSD": "0"}}},
	"what the chain has counts, not the ledger": {
		wallets: oneHot, held: held{"hot-1": {"POL": "10", "USDC": "400", "pUSD": "0"}}, differs: map[string]string{"USDC": "-600"},
		moves: "hot-1 USDC 400 1; hot-1 POL 8 1", says: "THE CHAIN HAS 600 USDC less than the ledger",
	},
	"two wallets: tokens of both before coins of either": {
		wallets: []projections.Wallet{hotWallet("hot-1"), hotWallet("hot-2")},
		held:    held{"hot-1": {"POL": "10", "USDC": "1", "pUSD": "0"}, "hot-2": {"POL": "5", "USDC": "2", "pUSD": "0"}},
		moves:   "hot-1 USDC 1 1; hot-2 USDC 2 1; hot-1 POL 8 1; hot-2 POL 3 1",
	},
	"asked for before": {
		wallets: oneHot, held: held{"hot-1": {"POL": "10", "USDC": "1000", "pUSD": "0"}},
		transfers: []projections.Transfer{sweepOf("x9", "USDC", "1000", treasury.Requested), sweepOf("x10", "POL", "8", treasury.Approved)},
		says:      "x9 takes 1000 already (requested)",
	},
	"asked for before, and more has arrived": {
		wallets: oneHot, held: held{"hot-1": {"POL": "10", "USDC": "1500", "pUSD": "0"}},
		transfers: []projections.Transfer{sweepOf("x9", "USDC", "1000", treasury.Requested)},
		moves:     "hot-1 USDC 500 1; hot-1 POL 7 1",
	},
	"asked for before, and a thief was faster": {
		wallets: oneHot, held: held{"hot-1": {"POL": "10", "USDC": "900", "pUSD": "0"}},
		transfers: []projections.Transfer{sweepOf("x9", "USDC", "1000", treasury.Approved)},
		moves:     "hot-1 POL 8 1", says: "WHICH IS MORE THAN THERE IS: reject it",
	},
	"rejected, or over": {
		wallets: oneHot, held: held{"hot-1": {"POL": "10", "USDC": "900", "pUSD": "0"}},
		transfers: []projections.Transfer{sweepOf("x9", "USDC", "1000", treasury.Rejected), sweepOf("x10", "USDC", "5", treasury.Confirmed)},
		moves:     "hot-1 USDC 900 1; hot-1 POL 8 1",
	},
	"another's transfer waits, and takes nothing": {
		wallets: oneHot, held: held{"hot-1": {"POL": "10", "USDC": "900", "pUSD": "0"}},
		transfers: []projections.Transfer{{Transfer: "x3", Kind: domain.TransferInternal, Status: treasury.Approved, Wallet: "hot-1", Asset: "USDC", Payment: domain.Payment{Amount: dec("100"), HighestFee: dec("1")}}},
		moves:     "hot-1 USDC 900 1; hot-1 POL 8 1",
	},
	"on its way: it may still be taken off": {
		wallets: oneHot, held: held{"hot-1": {"POL": "10", "USDC": "900", "pUSD": "0"}},
		transfers: []projections.Transfer{{Transfer: "x3", Kind: domain.TransferInternal, Status: treasury.Broadcast, Wallet: "hot-1", Asset: "USDC", Payment: domain.Payment{Amount: dec("100"), HighestFee: dec("1")}}},
		moves:     "hot-1 USDC 800 1; hot-1 POL 7 1", says: "x3 takes 100 already (broadcast)",
	},
}

// "Base asset and other tokens first, the native coin last with the fees kept back."
func TestSweepPlan(t *testing.T) {
	t.Parallel()
	for name, c := range sweepCases {
		t.Run(name, func(t *testing.T) {
			p := newSweepPlan(domain.WalletHot, domain.TransferSweep, c.wallets, balances(c.held, c.differs), c.transfers, dec("1"))
			require.Equal(t, c.moves, planned(p))
			require.Contains(t, notes(p), c.says)
			for _, l := range p.lines { // never move more than the balance
				require.False(t, l.chain.Less(l.amount), l)
				require.GreaterOrEqual(t, l.amount.Sign(), 0)
			}
		})
	}
}

func sweepOf(id, asset, amount string, status treasury.Status) projections.Transfer {
	return projections.Transfer{
		Transfer: id, Kind: domain.TransferSweep, Status: status, Wallet: "hot-1", Asset: asset, Payment: domain.Payment{Amount: dec(amount), HighestFee: dec("1")},
	}
}

// A refused sweep item does not block the others.
func TestSweepGoesOnAfterARefusal(t *testing.T) {
	t.Parallel()
	a, out, errs, sent := fakeServer(t, map[string]any{
		"/state":     map[string]any{"emergency_stop": map[string]any{"engaged": true}},
		"/wallets":   show.WalletsView{Wallets: oneHot},
		"/treasury":  map[string]any{"policy": domain.DefaultTreasuryPolicy()},
		"/reconcile": map[string]any{"revision": 7, "events": []any{map[string]any{"revision": 7, "type": domain.BalanceReconciledType}}},
		"/events": map[string]any{"events": []any{map[string]any{
			"revision": 7, "type": domain.BalanceReconciledType, "data": balances(held{"hot-1": {"POL": "10", "USDC": "1000", "pUSD": "3"}}, nil),
		}}},
		"GET /transfers": show.TransfersView{},
	})
	a.Ask = func(string) (bool, bool) { return true, true }
	require.Equal(t, 1, a.RunCommands(t.Context(), []string{"wallet", "sweep", "--to", "cold", "--reason", "a key leaked"}, Commands(a.App)...))
	for _, asset := range []string{"USDC", "pUSD", "POL"} {
		require.Contains(t, errs.String(), asset+" of wallet hot-1 was not asked for: there is no /transfers")
	}
	require.Len(t, *sent, 4, "the comparison, and all three: %v", *sent)
	require.Contains(t, out.String(), "KEPT FOR FEES")
}

// An evacuation plans what the cold wallets hold, by the same rules: tokens first, then the
// coin less the fees of all. Hot wallets and sweeps are none of its business.
func TestPlanOfAnEvacuation(t *testing.T) {
	wallets := append(oneCold(), hotWallet("hot-2"))
	found := inCold(balances(held{"hot-1": {"POL": "10", "USDC": "1000"}}, nil))
	taken := projections.Transfer{
		Transfer: "x9", Kind: domain.TransferEvacuation, Wallet: "hot-1", Asset: "USDC", Status: treasury.Requested, Payment: domain.Payment{Amount: dec("400"), HighestFee: dec("1")},
	}
	other := taken
	other.Kind = domain.TransferInternal
	p := newSweepPlan(domain.WalletCold, domain.TransferEvacuation, wallets, found, []projections.Transfer{taken, other}, dec("1"))
	require.Equal(t, "hot-1 USDC 600 1; hot-1 POL 7 1", planned(p))
}
