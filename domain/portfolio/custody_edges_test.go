package portfolio

import (
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/treasury"
)

// “every transfer > approval_threshold_usd”: of another asset at its mark, and added up
// with those of the base asset.
func TestThresholdAtTheMark(t *testing.T) {
	dai := domain.WalletAsset{Asset: "DAI", ID: polygon + "/erc20:0xda1", Decimals: 18}
	h := funded(t)
	for _, name := range []string{"hot-2", "hot-1"} {
		h.wallet(walletOf(name, domain.WalletHot, dai))
	}
	h.depositIn(domain.WalletHot, "DAI", "5000")
	needs := func(asset, amount string) bool {
		h.t.Helper()
		return h.transfer(TransferRequest{From: "hot-1", To: "hot-2", Asset: asset, Amount: dec(amount)}).NeedsApproval()
	}
	require.True(t, needs("DAI", "1"), "without a mark nobody knows")
	mark := func(price string) {
		h.as(domain.RoleFeed, "oracle").markAsset("DAI", price)
		h.operator()
	}
	mark("0")
	require.True(t, needs("DAI", "1"), "a mark of 0 says as little: no amount of it would ever be too much")
	mark("0.5")
	require.False(t, needs("DAI", "1200"), "600")
	require.False(t, needs("", "400"), "and 400")
	require.True(t, needs("DAI", "0.000000000000000002"))
	mark("0.4") // the sum is of what they are worth now: 480 and 400
	require.False(t, needs("", "120"))
	require.True(t, needs("", "0.000001"))
}

// What leaves in another asset is a flow at its mark, and equity has to cover it.
func TestOtherAssetsLeave(t *testing.T) {
	h := funded(t)
	h.depositIn(domain.WalletHot, "POL", "100")
	h.markAsset("POL", "2")
	h.equal("10200", h.s.Equity())
	x := h.transfer(TransferRequest{From: "hot", To: friend, Asset: "POL", Amount: dec("40"), HighestFee: dec("0.5")})
	_, hash := h.upTo(treasury.Broadcast, x, 1)
	h.equal("10200", h.s.Equity(), "on its way it counts")
	h.lies("2500", "7500", "0")
	h.arrive(x, hash, "0.25")
	h.equal("10119.5", h.s.Equity(), "80 left, and 0.25 POL were paid")
	require.Equal(t, []Flow{{Amount: dec("-80")}}, h.s.Effects().Flows)
	h.equal("59.75", h.balanceIn("POL", "hot:treasury"))
	h.equal("0.25", h.balanceIn("POL", "expense:gas"))
	h.equal("-60", h.balanceIn("POL", "external"))
}

// A coin of fewer decimals bounds the fee that a transfer can name.
func TestFeeDecimals(t *testing.T) {
	h := newHarness(t)
	h.open(domain.ModeLive, quietPolicy)
	for name, place := range map[string]string{"hot-1": domain.WalletHot, "cold-1": domain.WalletCold} {
		w := walletOf(name, place)
		w.Assets[1].Decimals = 9
		h.wallet(w)
	}
	h.deposit("10")
	ask := func(fee string) func(*Decision) error {
		return func(d *Decision) error {
			return d.RequestTransfer(TransferRequest{From: "hot", To: "cold", Amount: dec("1"), HighestFee: dec(fee), Reason: "x"})
		}
	}
	h.refused(domain.CodeInvalid, ask("0.0000000001"))
	h.must(ask("0.000000001"))
}

func TestArrivalRefusals(t *testing.T) {
	h := funded(t)
	x := h.send("hot", "cold", "100")
	_, hash := h.upTo(treasury.Broadcast, x, 1)
	h.refused(domain.CodeInvalid, func(d *Decision) error {
		return d.ConfirmTransfer(&domain.TransferConfirmed{Transfer: x.Transfer, TxHash: hash, Fee: dec("-0.01")})
	})
	h.refused(domain.CodeInvalid, func(d *Decision) error {
		return d.ConfirmTransfer(&domain.TransferConfirmed{Transfer: x.Transfer, TxHash: hashOf("another")})
	})
	h.refused(domain.CodeNotFound, func(d *Decision) error {
		return d.ConfirmTransfer(&domain.TransferConfirmed{Transfer: "x999", TxHash: hash})
	})
	for _, e := range []domain.TransferFailed{{Detail: "\x00"}, {TxHash: "\x00"}, {Code: ""}} {
		e.Transfer = x.Transfer
		h.refused(domain.CodeInvalid, func(d *Decision) error { return d.FailTransfer(&e) })
	}
	h.refused(domain.CodeNotFound, func(d *Decision) error { return d.FailTransfer(&domain.TransferFailed{Transfer: "x999"}) })
}

// What a fee takes is bounded like every amount: nothing is recorded that could not be
// read again.
func TestFeeThatIsNoAmount(t *testing.T) {
	h := funded(t)
	x := h.send("hot", "cold", "100")
	_, hash := h.upTo(treasury.Broadcast, x, 1)
	huge := dec("999999999999999")
	h.refused(domain.CodeInvalid, func(d *Decision) error {
		return d.ConfirmTransfer(&domain.TransferConfirmed{Transfer: x.Transfer, TxHash: hash, Fee: huge.Add(domain.One)})
	})
	h.arrive(x, hash, huge.String())
	// A difference that would reach 10^15 is refused as well: it takes more than there is.
	h.reconcile(but(h.readings(), "cold-1", "900000000000000"))
	h.as(domain.RoleAdmin, "ada").refused(domain.CodeConflict, askToAdjust(Adjustment{Account: "cold:treasury", Amount: dec("-900000000000000")}))
}

// No wallet can be made of an address that a transfer is going to as to somebody
// outside: what arrives there would be counted as gone.
func TestWalletOfARecipient(t *testing.T) {
	h := funded(t)
	w := walletOf("hot-3", domain.WalletHot)
	h.contact(w.Address)
	x := h.send("hot", w.Address, "10")
	require.Equal(t, domain.PlaceExternal, x.ToPlace)
	h.refused(domain.CodeConflict, func(d *Decision) error { return d.RegisterWallet(w) })
	h.must(func(d *Decision) error { return d.RejectTransfer(x.Transfer, "it is ours") })
	h.wallet(w)
	require.Equal(t, domain.WalletHot, h.send("cold", w.Address, "10").ToPlace, "from now on it is a wallet")
}

// Contacts are shown by label, then chain, then address.
func TestSortedBook(t *testing.T) {
	h := funded(t)
	for _, a := range []domain.AddressAdded{
		{Chain: polygon, Address: stranger, Label: "b"}, {Chain: "eip155:1", Address: stranger, Label: "b"}, {Chain: "eip155:1", Address: friend, Label: "c"},
	} {
		h.must(func(d *Decision) error { return d.AddAddress(&a) })
	}
	var got []string
	for _, c := range h.s.Custody.SortedBook() {
		got = append(got, c.Label+" "+c.Chain+" "+c.Address[:4])
	}
	require.Equal(t, []string{"address 1111 eip155:137 0x11", "b eip155:1 0x22", "b eip155:137 0x22", "c eip155:1 0x11"}, got)
}

// A paper portfolio whose stream says something of wallets keeps no share.
func TestNoShareOnPaper(t *testing.T) {
	h := trading(t)
	h.apply(walletOf("hot-1", domain.WalletHot), walletOf("cold-1", domain.WalletCold))
	require.True(t, h.s.Custody.HotAbove.IsZero())
}

// Events of transfers, wallets and keys that nobody registered do nothing.
func TestNothingIsKnownOf(t *testing.T) {
	h := funded(t)
	before := h.s.Custody
	h.apply(
		&domain.KeyCreated{Wallet: "warm"}, &domain.KeyImported{Wallet: "warm"}, &domain.WalletLoaded{Wallet: "warm"}, &domain.WalletRecoveryTested{Wallet: "warm"},
		&domain.TransferApproved{Transfer: "x9"}, &domain.TransferRejected{Transfer: "x9"}, &domain.TransferExpired{Transfer: "x9"}, &domain.TransferPrepared{Transfer: "x9"},
		&domain.TransferSigned{Transfer: "x9"}, &domain.TransferBroadcast{Transfer: "x9"}, &domain.TransferRepriced{Transfer: "x9"}, &domain.TransferConfirmed{Transfer: "x9"},
		&domain.TransferFailed{Transfer: "x9"}, &domain.SignatureMade{Permit: "p9"}, &domain.SignatureRefused{Bot: "z"}, &domain.KeyUsed{Wallet: "warm"},
	)
	require.Equal(t, before, h.s.Custody)
	// One that is over stays over: its money does not move again, and nothing is paid twice.
	x := h.send("hot", "cold", "100")
	_, hash := h.upTo(treasury.Confirmed, x, 1)
	h.apply(&domain.TransferConfirmed{Transfer: x.Transfer, TxHash: hash, Fee: dec("5")}, &domain.TransferFailed{Transfer: x.Transfer, Fee: dec("5")}, &domain.TransferBroadcast{Transfer: x.Transfer, TxHash: hash})
	h.lies("2400", "7600", "0")
	h.equal("0.01", h.balanceIn("POL", "expense:gas"))
}

// A bot without capital takes nothing, also where less than nothing is free.
func TestBotWithoutCapital(t *testing.T) {
	h := funded(t)
	h.send("hot", "cold", "1500")
	h.withdraw("100")
	h.equal("-100", h.s.Holdings().FreeHot)
	h.refused(domain.CodeInvalid, func(d *Decision) error { return d.RegisterBot(&domain.BotRegistered{Bot: "b"}, dec("0.000001"), true) })
	h.bot("b", "0")
}
