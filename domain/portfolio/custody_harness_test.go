package portfolio

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/ledger"
	"pets/domain/treasury"
)

const (
	polygon  = "eip155:137"
	usdcID   = "eip155:137/erc20:0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359"
	polID    = "eip155:137/slip44:966"
	friend   = "0x1111111111111111111111111111111111111111"
	stranger = "0x2222222222222222222222222222222222222222"
)

// walletOf is a wallet whose address is made of its name.
func walletOf(name, place string, more ...domain.WalletAsset) *domain.WalletRegistered {
	sum := sha256.Sum256([]byte(name))
	return &domain.WalletRegistered{
		Wallet: name, Place: place, Chain: polygon, Address: "0x" + hex.EncodeToString(sum[:20]),
		Assets: append([]domain.WalletAsset{{Asset: "USDC", ID: usdcID, Decimals: 6}, {Asset: "POL", ID: polID, Decimals: 18, Native: true}}, more...),
	}
}

func (h *harness) wallet(w *domain.WalletRegistered) {
	h.t.Helper()
	h.must(func(d *Decision) error { return d.RegisterWallet(w) })
}

// load says that the key of a wallet is in the keystore.
func (h *harness) load(name string) {
	h.t.Helper()
	h.must(func(d *Decision) error {
		return d.LoadWallet(&domain.WalletLoaded{Wallet: name, Address: h.s.Custody.Wallets[name].Address})
	})
}

func (h *harness) contact(address string) {
	h.t.Helper()
	h.must(func(d *Decision) error {
		return d.AddAddress(&domain.AddressAdded{Chain: polygon, Address: address, Label: "address " + address[2:6]})
	})
}

// funded is a live portfolio that nothing trips, with two hot wallets and a cold one,
// a friend in the address book, and 10,000 USDC: 2,500 in hot, of it 1,000 of bot a,
// and 7,500 in cold.
func funded(t testingT) *harness {
	h := newHarness(t)
	h.open(domain.ModeLive, quietPolicy)
	h.wallet(walletOf("hot-2", domain.WalletHot))
	h.wallet(walletOf("hot-1", domain.WalletHot))
	h.wallet(walletOf("cold-1", domain.WalletCold))
	h.load("hot-1")
	h.load("hot-2")
	h.contact(friend)
	h.now = h.now.Add(treasury.NewFor) // to a new address it takes two approvers
	h.deposit("2500")
	h.depositIn(domain.WalletCold, "", "7500")
	h.bot("a", "1000")
	return h.after(1)
}

// transfer requests one that has to be taken, and returns it.
func (h *harness) transfer(r TransferRequest) *treasury.Transfer {
	h.t.Helper()
	if r.Reason == "" {
		r.Reason = "test"
	}
	h.must(func(d *Decision) error { return d.RequestTransfer(r) })
	return h.s.Custody.Transfers[lastOf[*domain.TransferRequested](h).Transfer]
}

// send asks for a transfer of USDC.
func (h *harness) send(from, to, amount string) *treasury.Transfer {
	h.t.Helper()
	return h.transfer(TransferRequest{From: from, To: to, Amount: dec(amount)})
}

// approve is paul's word, where one is needed, and petra's where two are.
func (h *harness) approve(t *treasury.Transfer) *treasury.Transfer {
	h.t.Helper()
	before := h.caller
	for _, user := range []string{"paul", "petra"} {
		if now := h.now1(t); now.Status == treasury.Requested {
			h.as(domain.RoleApprover, user).must(func(d *Decision) error { return d.ApproveTransfer(t.Transfer, t.Hash) })
		}
	}
	h.caller = before
	return h.now1(t)
}

// now1 is the transfer as it stands now: a refusal may have folded the state again.
func (h *harness) now1(t *treasury.Transfer) *treasury.Transfer {
	h.t.Helper()
	now := h.s.Custody.Transfers[t.Transfer]
	require.NotNil(h.t, now, "%s is forgotten", t.Transfer)
	return now
}

// transactionOf is a transfer's transaction with a nonce, as the chain's side would
// make it; the same makes the same.
func transactionOf(t *treasury.Transfer, nonce uint64, fee string) PreparedTransaction {
	says := t.Payment
	says.HighestFee = dec(fee)
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %s %s %d %s", says.From, says.To, says.AssetID, says.Amount, nonce, fee))
	return PreparedTransaction{
		Transaction: json.RawMessage(fmt.Sprintf(`{"nonce":%d,"fee":%q}`, nonce, fee)), Nonce: nonce, Digest: hex.EncodeToString(sum[:]), Says: says,
	}
}

// hashOf is the hash that the signature of a digest makes.
func hashOf(digest string) string {
	sum := sha256.Sum256([]byte("signed " + digest))
	return "0x" + hex.EncodeToString(sum[:])
}

func (h *harness) prepare(t *treasury.Transfer, nonce uint64) PreparedTransaction {
	h.t.Helper()
	p := transactionOf(t, nonce, "0.1")
	h.must(func(d *Decision) error { return d.PrepareTransfer(t.Transfer, p) })
	return p
}

func (h *harness) sign(t *treasury.Transfer, p PreparedTransaction) string {
	h.t.Helper()
	h.must(func(d *Decision) error {
		return d.SignTransfer(&domain.TransferSigned{Transfer: t.Transfer, Digest: p.Digest, TxHash: hashOf(p.Digest)})
	})
	return hashOf(p.Digest)
}

func (h *harness) broadcast(t *treasury.Transfer, hash string) {
	h.t.Helper()
	h.must(func(d *Decision) error { return d.BroadcastTransfer(t.Transfer, hash) })
}

func (h *harness) arrive(t *treasury.Transfer, hash, fee string) {
	h.t.Helper()
	h.must(func(d *Decision) error {
		return d.ConfirmTransfer(&domain.TransferConfirmed{Transfer: t.Transfer, TxHash: hash, Block: 7, Fee: dec(fee)})
	})
}

// upTo takes a transfer to a status on its way to confirmed, with a nonce.
func (h *harness) upTo(status treasury.Status, t *treasury.Transfer, nonce uint64) (p PreparedTransaction, hash string) {
	h.t.Helper()
	for _, step := range []struct {
		to   treasury.Status
		take func()
	}{
		{treasury.Requested, func() {}},
		{treasury.Approved, func() { h.approve(t) }},
		{treasury.Prepared, func() { p = h.prepare(t, nonce) }},
		{treasury.Signed, func() { hash = h.sign(t, p) }},
		{treasury.Broadcast, func() { h.broadcast(t, hash) }},
		{treasury.Confirmed, func() { h.arrive(t, hash, "0.01") }},
	} {
		if step.take(); step.to == status {
			break
		}
	}
	require.Equal(h.t, status, h.now1(t).Status)
	return p, hash
}

// places are the base asset's whereabouts, as the book alone has them.
func (h *harness) places() (hot, cold, transit string) {
	sums := map[string]domain.Decimal{}
	for account, balance := range h.s.Book {
		if account.Asset == h.s.BaseAsset {
			sums[account.Place] = sums[account.Place].Add(balance)
		}
	}
	return sums[ledger.PlaceHot].String(), sums[ledger.PlaceCold].String(), sums[ledger.PlaceTransit].String()
}

func (h *harness) lies(hot, cold, transit string) {
	h.t.Helper()
	gotHot, gotCold, gotTransit := h.places()
	require.Equal(h.t, [3]string{hot, cold, transit}, [3]string{gotHot, gotCold, gotTransit}, "hot, cold and transit")
	require.Equal(h.t, [2]string{cold, transit}, [2]string{h.s.Custody.Cold.String(), h.s.Custody.Transit.String()}, "the sums that are kept")
}

// trips trips a breaker by its event, without moving money.
func (h *harness) trips(breaker, bot string) {
	h.t.Helper()
	h.apply(&domain.BreakerTripped{Breaker: breaker, Scope: "test", Bot: bot, Stops: domain.StopAll, Value: dec("1"), Limit: dec("0.5")})
}

func (h *harness) stop() {
	h.t.Helper()
	h.must(func(d *Decision) error { return d.EngageStop(domain.StopSecurityBreach, "test") })
}

func (h *harness) clearStop() {
	h.t.Helper()
	h.must(func(d *Decision) error { return d.RequestClear("test") })
	h.as(domain.RoleApprover, "paul").must(func(d *Decision) error { return d.ConfirmClear(h.s.Stop.Request) })
	h.operator()
}

// readings are what the chain says when it agrees with the ledger: all of a place lies
// in its main wallet.
func (h *harness) readings() []Reading {
	var out []Reading
	for _, w := range h.s.Custody.SortedWallets() {
		for _, a := range w.Assets {
			r := Reading{Wallet: w.Wallet, Asset: a.Asset}
			if h.s.Custody.Main(w.Place) == w {
				r.Amount = h.s.placeBalance(w.Place, a.Asset).Max(domain.Zero)
			}
			out = append(out, r)
		}
	}
	return out
}

// but says that a wallet holds another amount of USDC than its readings say.
func but(readings []Reading, wallet, more string) []Reading {
	for i := range readings {
		if readings[i].Wallet == wallet && readings[i].Asset == "USDC" {
			readings[i].Amount = readings[i].Amount.Add(dec(more))
		}
	}
	return readings
}

func (h *harness) reconcile(readings []Reading) *domain.BalanceReconciled {
	h.t.Helper()
	h.must(func(d *Decision) error { return d.Reconcile(7, h.now, readings) })
	return lastOf[*domain.BalanceReconciled](h)
}

// adjust corrects the books: by one person on paper, by ada and paul in a live portfolio.
func (h *harness) adjust(account, amount string, asset ...string) {
	h.t.Helper()
	a := Adjustment{Account: account, Amount: dec(amount)}
	if len(asset) > 0 {
		a.Asset = asset[0]
	}
	if h.s.Mode == domain.ModePaper {
		h.must(func(d *Decision) error {
			return d.Adjust(&domain.AdjustmentPosted{Account: a.Account, Asset: a.Asset, Amount: a.Amount, Reason: "test"})
		})
		return
	}
	before := h.caller
	h.as(domain.RoleAdmin, "ada").must(askToAdjust(a))
	id := lastOf[*domain.OverrideRequested](h).Override
	h.as(domain.RoleApprover, "paul").must(func(d *Decision) error { return d.ConfirmOverride(id) })
	h.caller = before
}

// askToAdjust requests an adjustment of a live portfolio.
func askToAdjust(a Adjustment) func(*Decision) error {
	content, err := json.Marshal(a)
	return func(d *Decision) error {
		if err != nil {
			return err
		}
		return d.RequestOverride(domain.OverrideAdjustment, "", content, "test")
	}
}
