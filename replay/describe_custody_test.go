package replay

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// One line for each event of custody, in plain words.
func TestCustodyDescriptions(t *testing.T) {
	n := domain.MustDecimal
	until := time.Date(2026, 3, 1, 12, 5, 0, 0, time.UTC)
	payment := domain.Payment{Chain: "eip155:137", To: "0x1111", Amount: n("500"), HighestFee: n("0.5")}
	tokens := []domain.WalletAsset{{Asset: "USDC"}, {Asset: "POL"}}
	for want, e := range map[string]domain.Event{
		"wallet hot-1 is the hot one: 0x98 on eip155:137, holding USDC, POL":          &domain.WalletRegistered{Wallet: "hot-1", Place: "hot", Chain: "eip155:137", Address: "0x98", Assets: tokens},
		"wallet w is the cold one: 0x98 on eip155:137, holding USDC, POL, USDC, …":    &domain.WalletRegistered{Wallet: "w", Place: "cold", Chain: "eip155:137", Address: "0x98", Assets: append(append([]domain.WalletAsset{}, tokens...), tokens...)},
		"the key of wallet hot-1 gives its address, which holds 5 USDC at block 7":    &domain.WalletLoaded{Wallet: "hot-1", Block: 7, Balances: []domain.WalletBalance{{Asset: "USDC", Amount: n("5")}}},
		"the words of wallet cold-1 were typed and give its address":                  &domain.WalletRecoveryTested{Wallet: "cold-1"},
		"a key for wallet hot-1 was generated, sealed under 5b0c7a3f":                 &domain.KeyCreated{Wallet: "hot-1", KeyID: "5b0c7a3f"},
		"the key of wallet hot-1 was recovered from its words, sealed under 5b0c7a3f": &domain.KeyImported{Wallet: "hot-1", KeyID: "5b0c7a3f"},
		"the key of wallet hot-1 was opened: verify":                                  &domain.KeyUsed{Wallet: "hot-1", Purpose: "verify"},
		"ada put 0x11 on eip155:137 into the address book: exchange":                  &domain.AddressAdded{Chain: "eip155:137", Address: "0x11", Label: "exchange", User: "ada"},
		"0x11 on eip155:137 was removed from the address book: closed":                &domain.AddressRemoved{Chain: "eip155:137", Address: "0x11", Reason: "closed"},
		"wallet hot-1 signed an order of a under p7, until 2026-03-01 12:05:00Z":      &domain.SignatureMade{Purpose: domain.PurposeOrder, Bot: "a", Permit: "p7", Wallet: "hot-1", ExpiresAt: &until},
		"wallet hot-1 signed an order of a under p7, until it is cancelled":           &domain.SignatureMade{Purpose: domain.PurposeOrder, Bot: "a", Permit: "p7", Wallet: "hot-1"},
		"wallet hot-1 signed transfer x7":                                             &domain.SignatureMade{Purpose: domain.PurposeTransfer, Transfer: "x7", Wallet: "hot-1"},
		"NOT SIGNED for a under p7: price, fee":                                       &domain.SignatureRefused{Purpose: domain.PurposeOrder, Bot: "a", Permit: "p7", Reasons: []domain.SignatureObstacle{{Code: domain.SignPrice}, {Code: domain.SignFee}}},
		"olga requests withdrawal x7: 500 USDC from hot-1 to 0x1111 (rent); a second person has to approve it: it leaves the portfolio": &domain.TransferRequested{
			Transfer: "x7", Kind: domain.TransferWithdrawal, Wallet: "hot-1", FromPlace: "hot", ToPlace: domain.PlaceExternal, Asset: "USDC", Payment: payment, Reason: "rent", User: "olga", ApprovalFor: []string{"it leaves the portfolio"},
		},
		"olga requests internal x7: 500 USDC from hot-1 to hot (move); it needs no approval": &domain.TransferRequested{
			Transfer: "x7", Kind: domain.TransferInternal, Wallet: "hot-1", FromPlace: "hot", ToPlace: "hot", Asset: "USDC", Payment: payment, Reason: "move", User: "olga",
		},
		"olga requests override o7 (treasury_policy {\"approval_ttl\":\"48h\"}): holidays": &domain.OverrideRequested{
			Override: "o7", Kind: domain.OverrideTreasury, Limits: []byte(`{"approval_ttl":"48h"}`), Reason: "holidays", User: "olga",
		},
		"paul approves transfer x7":                     &domain.TransferApproved{Transfer: "x7", User: "paul"},
		"paul rejects transfer x7: not now":             &domain.TransferRejected{Transfer: "x7", User: "paul", Reason: "not now"},
		"transfer x7 waited too long and expired":       &domain.TransferExpired{Transfer: "x7"},
		"transfer x7 became a transaction with nonce 4": &domain.TransferPrepared{Transfer: "x7", Nonce: 4},
		"transfer x7 is signed: 0xab":                   &domain.TransferSigned{Transfer: "x7", TxHash: "0xab"},
		"transfer x7 is on its way: 0xab":               &domain.TransferBroadcast{Transfer: "x7", TxHash: "0xab"},
		"TRANSFER x7 IS OPEN AGAIN, because the chain does not have its recorded end (nonce_unused): nonce 4 is unused": &domain.TransferReopened{Transfer: "x7", Code: domain.ReopenedUnused, Detail: "nonce 4 is unused"},
		"olga asks for a highest fee of 1 for transfer x7; a second person has to approve it: stuck":                    &domain.TransferRaiseRequested{Transfer: "x7", HighestFee: n("1"), User: "olga", Reason: "stuck"},
		"olga cancels transfer x7, for at most 1: unwanted":                                                             &domain.TransferCancelRequested{Transfer: "x7", HighestFee: n("1"), User: "olga", Reason: "unwanted"},
		"transfer x7 gets a transaction that cancels it at nonce 4":                                                     &domain.TransferRepriced{Transfer: "x7", Nonce: 4, Cancel: true},
		"olga rejects transfer x7, and says that it was never signed: late":                                             &domain.TransferRejected{Transfer: "x7", User: "olga", Reason: "late", NotSigned: true},
		"transfer x7 is stuck and gets another fee at nonce 4":                                                          &domain.TransferRepriced{Transfer: "x7", Nonce: 4},
		"transfer x7 arrived in block 9, fee 0.01: 0xab":                                                                &domain.TransferConfirmed{Transfer: "x7", TxHash: "0xab", Block: 9, Fee: n("0.01")},
		"transfer x7 failed (reverted), fee 0.01: out of gas":                                                           &domain.TransferFailed{Transfer: "x7", Code: domain.FailedReverted, Detail: "out of gas", Fee: n("0.01")},
		"transfer x7 failed (refused), fee 0":                                                                           &domain.TransferFailed{Transfer: "x7", Code: domain.FailedRefused},
		"ledger and chain compared at block 7: they agree":                                                              &domain.BalanceReconciled{Block: 7, Lines: []domain.ReconciliationLine{{Place: "hot", Asset: "USDC"}}},
		"treasury policy changed: smaller moves":                                                                        &domain.TreasuryPolicyChanged{Reason: "smaller moves"},
		"ledger and chain compared at block 7: DIFFERENCE of -5 USDC in hot, POL in hot not compared": &domain.BalanceReconciled{Block: 7, Lines: []domain.ReconciliationLine{
			{Place: "cold", Asset: "USDC"}, {Place: "hot", Asset: "USDC", Difference: n("-5")}, {Place: "hot", Asset: "POL", Skipped: "a transfer is under way", Difference: n("1")},
		}},
	} {
		require.Equal(t, want, Describe(e))
	}
}
