package portfolio

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/treasury"
)

// unapproved is a request of 100 USDC from hot-1 to hot-2, as the store would have it.
func (h *harness) unapproved(change func(e *domain.TransferRequested)) *treasury.Transfer {
	h.t.Helper()
	hot1, hot2 := h.s.Custody.Wallets["hot-1"], h.s.Custody.Wallets["hot-2"]
	e := &domain.TransferRequested{
		Transfer: domain.TransferName(h.s.Next), Kind: domain.TransferInternal, Wallet: "hot-1", FromPlace: domain.WalletHot, ToPlace: domain.WalletHot,
		Asset: "USDC", GasAsset: "POL", Reason: "x", User: "olga", ExpiresAt: h.now.Add(time.Hour),
		Payment: domain.Payment{Chain: polygon, AssetID: usdcID, From: hot1.Address, To: hot2.Address, Amount: dec("100"), HighestFee: dec("0.2")},
	}
	change(e)
	e.Hash = treasury.Hash(h.s.Portfolio, e)
	h.applied(e)
	return h.s.Custody.Transfers[e.Transfer]
}

// "The approval of another person is needed … above the threshold" and to whatever is not a
// hot wallet whose key is here: whoever can write to the store can leave the reasons out.
// Every step decides again that none was needed, and takes anything else as a breach.
func TestATransferThatNobodyApprovedIsDecidedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		change func(h *harness, e *domain.TransferRequested)
		sound  bool
	}{
		"as the server decides it":    {func(*harness, *domain.TransferRequested) {}, true},
		"to a stranger":               {func(_ *harness, e *domain.TransferRequested) { e.To = stranger }, false},
		"to a friend of the book":     {func(_ *harness, e *domain.TransferRequested) { e.To = friend }, false},
		"to the cold wallet":          {func(h *harness, e *domain.TransferRequested) { e.To = h.s.Custody.Wallets["cold-1"].Address }, false},
		"above the threshold":         {func(_ *harness, e *domain.TransferRequested) { e.Amount = dec("1400") }, false},
		"with a fee above the policy": {func(_ *harness, e *domain.TransferRequested) { e.HighestFee = dec("500") }, false},
		"of another token":            {func(_ *harness, e *domain.TransferRequested) { e.AssetID = polID }, false},
		"to a wallet without a key": {func(h *harness, e *domain.TransferRequested) {
			w := walletOf("hot-3", domain.WalletHot)
			h.applied(w)
			e.Transfer, e.To = domain.TransferName(h.s.Next), w.Address
		}, false},
		"beside others that come above the threshold": {func(h *harness, e *domain.TransferRequested) {
			h.send("hot-1", "hot-2", "950")
			e.Transfer = domain.TransferName(h.s.Next)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := funded(t)
			h.apply(&domain.OverrideRecorded{Override: "o1", Kind: domain.OverrideSigned, RequestedBy: "olga", ConfirmedBy: "bob"})
			x := h.unapproved(func(e *domain.TransferRequested) { c.change(h, e) })
			require.Equal(t, treasury.Approved, x.Status)
			p := transactionOf(x, 4, "0.1")
			step := func(f func(*Decision) error) {
				t.Helper()
				_, err := h.decided(signers(h), "server", nil, f)
				if c.sound {
					require.NoError(t, err)
					return
				}
				require.ErrorIs(t, err, ErrTampered)
			}
			step(func(d *Decision) error { return d.PrepareTransfer(x.Transfer, p) })
			step(func(d *Decision) error { return d.s.Sendable(x.Transfer) })
			h.applied(&domain.TransferPrepared{Transfer: x.Transfer, Transaction: p.Transaction, Nonce: p.Nonce, Digest: p.Digest})
			step(func(d *Decision) error {
				return d.SignTransfer(&domain.TransferSigned{Transfer: x.Transfer, Digest: p.Digest, TxHash: hashOf(p.Digest)})
			})
			h.applied(&domain.TransferSigned{Transfer: x.Transfer, Digest: p.Digest, TxHash: hashOf(p.Digest)})
			step(func(d *Decision) error { return d.BroadcastTransfer(x.Transfer, hashOf(p.Digest)) })
			step(func(d *Decision) error { return d.RequestRaise(x.Transfer, dec("0.5"), "stuck") })
		})
	}
}

// The decision is made again of the state before the record, so that what was sound stays so:
// later transfers, prices and wallets change nothing.
func TestWhatWasSoundStaysSo(t *testing.T) {
	h := funded(t)
	h.apply(&domain.OverrideRecorded{Override: "o1", Kind: domain.OverrideSigned, RequestedBy: "olga", ConfirmedBy: "bob"})
	x := h.send("hot-1", "hot-2", "600")
	y := h.send("hot-1", "hot-2", "600") // above the threshold, together
	require.NotEmpty(t, y.ApprovalFor)
	h.must(func(d *Decision) error {
		return d.ChangeTreasuryPolicy(json.RawMessage(`{"approval_threshold_usd":"1"}`), "test")
	})
	require.False(t, h.now1(x).Unfounded)
	_, err := h.decided(signers(h), "server", nil, func(d *Decision) error { return d.PrepareTransfer(x.Transfer, transactionOf(x, 4, "0.1")) })
	require.NoError(t, err)
}
