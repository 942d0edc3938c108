package replay

import (
	"fmt"
	"strings"

	"pets/domain"
)

// describeCustody describes events of wallets, keys, transfers and signatures.
func describeCustody(event domain.Event) string {
	switch e := event.(type) {
	case *domain.WalletRegistered:
		return fmt.Sprintf("wallet %s is the %s one: %s on %s, holding %s", e.Wallet, e.Place, e.Address, e.Chain, assets(e.Assets))
	case *domain.WalletLoaded:
		return fmt.Sprintf("the key of wallet %s gives its address%s at block %d", e.Wallet, balances(e.Balances), e.Block)
	case *domain.WalletRecoveryTested:
		return fmt.Sprintf("the words of wallet %s were typed and give its address", e.Wallet)
	case *domain.WalletRetired:
		return fmt.Sprintf("wallet %s is retired: %s%s", e.Wallet, e.Reason, list("; ended ", e.TransfersEnded))
	case *domain.WalletKeyMissing:
		return strings.TrimSuffix(fmt.Sprintf("the key of wallet %s is missing: %s", e.Wallet, e.Detail), ": ")
	case *domain.KeyCreated:
		return fmt.Sprintf("a key for wallet %s was generated, sealed under %s", e.Wallet, e.KeyID)
	case *domain.KeyImported:
		return fmt.Sprintf("the key of wallet %s was recovered from its words, sealed under %s", e.Wallet, e.KeyID)
	case *domain.KeyUsed:
		return fmt.Sprintf("the key of wallet %s was opened: %s", e.Wallet, e.Purpose)
	case *domain.AddressAdded:
		return fmt.Sprintf("%s put %s on %s into the address book: %s", e.User, e.Address, e.Chain, e.Label)
	case *domain.AddressRemoved:
		return fmt.Sprintf("%s on %s was removed from the address book: %s", e.Address, e.Chain, e.Reason)
	case *domain.SignatureMade:
		return signatureMade(e)
	case *domain.SignatureRefused:
		return strings.TrimSpace(fmt.Sprintf("NOT SIGNED for %s under %s: %s", e.Bot, e.Permit+e.Transfer, obstacles(e.Reasons)))
	case *domain.BalanceReconciled:
		return fmt.Sprintf("ledger and chain compared at block %d: %s", e.Block, reconciled(e.Lines))
	case *domain.TreasuryPolicyChanged:
		return "treasury policy changed: " + e.Reason
	default:
		return describeTransfer(event)
	}
}

func describeTransfer(event domain.Event) string {
	switch e := event.(type) {
	case *domain.TransferRequested:
		return requested(e)
	case *domain.TransferApproved:
		return fmt.Sprintf("%s approves transfer %s", e.User, e.Transfer)
	case *domain.TransferRejected:
		if e.NotSigned {
			return fmt.Sprintf("%s rejects transfer %s, and says that it was never signed: %s", e.User, e.Transfer, e.Reason)
		}
		return fmt.Sprintf("%s rejects transfer %s: %s", e.User, e.Transfer, e.Reason)
	case *domain.TransferExpired:
		return fmt.Sprintf("transfer %s waited too long and expired", e.Transfer)
	case *domain.TransferPrepared:
		return fmt.Sprintf("transfer %s became a transaction with nonce %d", e.Transfer, e.Nonce)
	case *domain.TransferSigned:
		return fmt.Sprintf("transfer %s is signed: %s", e.Transfer, e.TxHash)
	case *domain.TransferBroadcast:
		return fmt.Sprintf("transfer %s is on its way: %s", e.Transfer, e.TxHash)
	case *domain.TransferRepriced:
		if e.Cancel {
			return fmt.Sprintf("transfer %s gets a transaction that cancels it at nonce %d", e.Transfer, e.Nonce)
		}
		return fmt.Sprintf("transfer %s is stuck and gets another fee at nonce %d", e.Transfer, e.Nonce)
	case *domain.TransferConfirmed:
		return fmt.Sprintf("transfer %s arrived in block %d, fee %s: %s", e.Transfer, e.Block, e.Fee, e.TxHash)
	case *domain.TransferFailed:
		return strings.TrimSuffix(fmt.Sprintf("transfer %s failed (%s), fee %s: %s", e.Transfer, e.Code, e.Fee, e.Detail), ": ")
	default:
		return describeWayOut(event)
	}
}

// describeWayOut describes what frees a transfer that stands still.
func describeWayOut(event domain.Event) string {
	switch e := event.(type) {
	case *domain.TransferReopened:
		return strings.TrimSuffix(fmt.Sprintf("TRANSFER %s IS OPEN AGAIN, because the chain does not have its recorded end (%s): %s", e.Transfer, e.Code, e.Detail), ": ")
	case *domain.TransferRaiseRequested:
		return fmt.Sprintf("%s asks for a highest fee of %s for transfer %s; a second person has to approve it: %s", e.User, e.HighestFee, e.Transfer, e.Reason)
	case *domain.TransferCancelRequested:
		return fmt.Sprintf("%s cancels transfer %s, for at most %s: %s", e.User, e.Transfer, e.HighestFee, e.Reason)
	default:
		return describeSystem(event)
	}
}

func requested(e *domain.TransferRequested) string {
	to := e.ToPlace
	if to == domain.PlaceExternal {
		to = e.To
	}
	approval := "; it needs no approval"
	if len(e.ApprovalFor) > 0 {
		who := "a second person has"
		if e.Approvals > 1 {
			who = fmt.Sprintf("%d other people have", e.Approvals)
		}
		approval = "; " + who + " to approve it: " + strings.Join(e.ApprovalFor, ", ")
	}
	return fmt.Sprintf("%s requests %s %s: %s %s from %s to %s (%s)%s", e.User, e.Kind, e.Transfer, e.Amount, e.Asset, e.Wallet, to, e.Reason, approval)
}

func signatureMade(e *domain.SignatureMade) string {
	if e.Purpose == domain.PurposeTransfer {
		return fmt.Sprintf("wallet %s signed transfer %s", e.Wallet, e.Transfer)
	}
	until := ", until it is cancelled"
	if e.ExpiresAt != nil {
		until = e.ExpiresAt.UTC().Format(", until 2006-01-02 15:04:05Z")
	}
	return fmt.Sprintf("wallet %s signed an order of %s under %s%s", e.Wallet, e.Bot, e.Permit, until)
}

func obstacles(all []domain.SignatureObstacle) string {
	parts := make([]string, len(all))
	for i, o := range all {
		parts[i] = string(o.Code)
	}
	return strings.Join(parts, ", ")
}

func assets(all []domain.WalletAsset) string {
	const most = 3
	parts := make([]string, 0, most+1)
	for i, a := range all {
		if i == most {
			parts = append(parts, "…")
			break
		}
		parts = append(parts, a.Asset)
	}
	return strings.Join(parts, ", ")
}

func balances(all []domain.WalletBalance) string {
	parts := make([]string, 0, len(all))
	for _, b := range all {
		parts = append(parts, b.Amount.String()+" "+b.Asset)
	}
	return list(", which holds ", parts)
}

// reconciled lists the differences, and what could not be compared.
func reconciled(lines []domain.ReconciliationLine) string {
	var parts []string
	for _, l := range lines {
		switch {
		case l.Skipped != "":
			parts = append(parts, fmt.Sprintf("%s in %s not compared", l.Asset, l.Place))
		case !l.Difference.IsZero():
			parts = append(parts, fmt.Sprintf("DIFFERENCE of %s %s in %s", Signed(l.Difference), l.Asset, l.Place))
		}
	}
	if len(parts) == 0 {
		return "they agree"
	}
	return strings.Join(parts, ", ")
}
