package portfolio

import (
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

const usdcContract = "0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359"

// "Known token contracts as recipients refused": in the book, as a wallet, and in a transfer
// to an entry that was made before.
func TestNoMoneyGoesToATokensContract(t *testing.T) {
	h := funded(t)
	require.ErrorContains(t, h.refused(domain.CodeInvalid, func(d *Decision) error {
		return d.AddAddress(&domain.AddressAdded{Chain: polygon, Address: usdcContract, Label: "exchange"})
	}), "is the contract of the token USDC")
	w := walletOf("cold-9", domain.WalletCold)
	w.Address = usdcContract
	require.ErrorContains(t, h.refused(domain.CodeInvalid, func(d *Decision) error { return d.RegisterWallet(w) }), "is the contract of the token USDC")
	h.apply(&domain.AddressAdded{Chain: polygon, Address: usdcContract, Label: "exchange", User: "ann"})
	require.ErrorContains(t, h.refused(domain.CodeInvalid, func(d *Decision) error {
		return d.RequestTransfer(TransferRequest{From: "hot", To: usdcContract, Amount: dec("5"), Reason: "test"})
	}), "is the contract of the token USDC")
}

// "Look-alike wallet names": of a place, of another wallet, of a label in the book.
func TestNoWalletNameReadsLikeAnother(t *testing.T) {
	h := funded(t)
	h.must(func(d *Decision) error {
		return d.AddAddress(&domain.AddressAdded{Chain: polygon, Address: stranger, Label: "exchange"})
	})
	for name, why := range map[string]string{"H0T": "hot or cold", "c0ld": "hot or cold", "Cold": "hot or cold", "hot1": "wallet hot-1", "HOT-l": "wallet hot-1", "Exchange": "the label of"} {
		d := h.s.Clone().Begin(h.now, h.caller)
		require.ErrorContains(t, d.RegisterWallet(walletOf(name, domain.WalletHot)), why, name)
	}
	h.wallet(walletOf("hot-3", domain.WalletHot))
	for _, label := range []string{"exchangé", "èxchange", "EXCHÄNGE", "exchange\u0301"} {
		require.ErrorContains(t, h.refused(domain.CodeConflict, func(d *Decision) error {
			return d.AddAddress(&domain.AddressAdded{Chain: polygon, Address: "0x3333333333333333333333333333333333333333", Label: label})
		}), "reads like, the label of another address", label)
	}
}

// "Amounts with more decimals than the asset has are refused for movements": no transaction
// can have moved them, and the difference would halt every transfer.
func TestAMovementHasTheDecimalsOfItsAsset(t *testing.T) {
	h := funded(t)
	for _, move := range []func(d *Decision) error{
		func(d *Decision) error {
			return d.Deposit(&domain.DepositRecorded{Wallet: domain.WalletHot, Amount: dec("0.0000001")})
		},
		func(d *Decision) error {
			return d.Withdraw(&domain.WithdrawalRecorded{Wallet: domain.WalletHot, Amount: dec("1.0000001"), Asset: "USDC"})
		},
	} {
		require.ErrorContains(t, h.refused(domain.CodeInvalid, move), "has more than the 6 decimals of USDC")
	}
	h.deposit("0.000001")
	h.depositIn(domain.WalletHot, "POL", "0.0000001")
	h.adjust("hot:treasury", "-0.0000001") // what an older build has booked can be corrected
}

// "Names trimmed/refused": an asset that reads like one that the portfolio has is not another.
func TestNoAssetReadsLikeAnother(t *testing.T) {
	h := funded(t)
	for name, why := range map[string]string{"USDC ": "begins or ends with a space", " USDC": "begins or ends with a space", "usdc": "reads like USDC", "P0L": "reads like POL"} {
		for _, book := range []func(d *Decision) error{
			func(d *Decision) error {
				return d.Deposit(&domain.DepositRecorded{Wallet: domain.WalletHot, Amount: dec("1"), Asset: name})
			},
			func(d *Decision) error {
				return d.RecordFee(&domain.FeeRecorded{Kind: domain.FeeGas, Amount: dec("1"), Asset: name})
			},
		} {
			require.ErrorContains(t, h.refused(domain.CodeInvalid, book), why, name)
		}
	}
	h.depositIn(domain.WalletHot, "ETH", "1")
	h.apply(&domain.DepositRecorded{Wallet: domain.WalletHot, Amount: dec("1"), Asset: "usdc"})
	h.adjust("hot:treasury", "-1", "usdc") // what an older build has booked can be corrected
}
