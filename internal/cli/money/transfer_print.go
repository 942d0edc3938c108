package money

import (
	"fmt"
	"slices"
	"strings"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/treasury"
	"pets/internal/cli"
	"pets/internal/cli/show"
	"pets/projections"
)

// showPayment prints everything that an approval is bound to, except the transfer's id.
func showPayment(p *cli.Printer, t *projections.Transfer, n *names) {
	pay := &t.Payment
	p.Line("  chain        %s", n.chainName(pay.Chain))
	p.Line("  asset        %s", n.assetName(t))
	p.Line("               %s", pay.AssetID)
	p.Line("  amount       %s %s", pay.Amount, t.Asset)
	p.Line("  from         %s", pay.From)
	p.Line("               %s", n.whose(pay.Chain, pay.From))
	p.Line("  to           %s", pay.To)
	p.Line("               %s", n.whose(pay.Chain, pay.To))
	p.Line("  highest fee  %s %s", pay.HighestFee, t.GasAsset)
	p.Line("  reason       %s", t.Reason)
	p.Line("  asked for    by %s, %s UTC", t.RequestedBy, cli.Clock(t.RequestedAt))
	p.Line("  hash         %s", t.Hash)
}

// approvalsOf says how many people have approved a transfer, and of how many.
func approvalsOf(t *projections.Transfer) string {
	return fmt.Sprintf("%d of %d approvals", t.Approved, t.Approvals)
}

// showApproval prints whether a second person is needed, why, and until when.
func showApproval(p *cli.Printer, t *projections.Transfer) {
	switch {
	case len(t.ApprovalFor) == 0:
		p.Line("  approval     not needed")
	case t.ApprovedBy != "" && t.FirstApprovedBy != "":
		p.Line("  approval     by %s and %s", t.FirstApprovedBy, t.ApprovedBy)
	case t.ApprovedBy != "":
		p.Line("  approval     by %s", t.ApprovedBy)
	case t.FirstApprovedBy != "":
		p.Line("  approval     %s, by %s; another by someone other than %s and %s, until %s UTC", approvalsOf(t), t.FirstApprovedBy, t.RequestedBy, t.FirstApprovedBy, cli.Clock(t.ExpiresAt))
		for _, why := range t.ApprovalFor {
			p.Line("               because %s", why)
		}
	case t.Approvals > 1:
		p.Line("  approval     %s; by two people other than %s, until %s UTC", approvalsOf(t), t.RequestedBy, cli.Clock(t.ExpiresAt))
		for _, why := range t.ApprovalFor {
			p.Line("               because %s", why)
		}
	default:
		p.Line("  approval     by someone other than %s, until %s UTC", t.RequestedBy, cli.Clock(t.ExpiresAt))
		for _, why := range t.ApprovalFor {
			p.Line("               because %s", why)
		}
	}
}

// showRebalance explains every number of a proposal in the order of the computation.
func showRebalance(p *cli.Printer, t *projections.Transfer) {
	if t.Rebalance == nil {
		return
	}
	p.Line("")
	p.Line("how the proposal came about, in the base asset:")
	for _, l := range explainRebalance(t.Rebalance, &t.Payment.Amount, t.From == domain.WalletCold) {
		p.Line("  %s", l)
	}
}

// explainRebalance returns a line for each number; amount is nil if nothing is moved.
func explainRebalance(r *domain.Rebalance, amount *domain.Decimal, fromCold bool) []string {
	lines := []string{
		fmt.Sprintf("hot        %s = %s cash in the hot wallet + %s positions at cost", r.Hot, r.HotCash, r.Deployed),
		fmt.Sprintf("total      %s = hot %s + cold %s + on its way %s", r.Total, r.Hot, r.Cold, r.Transit),
		fmt.Sprintf("share      %s = hot %s ÷ total %s", cli.Percent(r.Share), r.Hot, r.Total),
		fmt.Sprintf("target     %s = hot_wallet_percentage %s × total %s", r.Target, show.ShareOf(r.Target, r.Total), r.Total),
		fmt.Sprintf("low        %s = 0.8 × target; below it money comes from cold", r.Low),
		fmt.Sprintf("high       %s = min(1.2 × target, 0.20 × total); above it money goes to cold", r.High),
	}
	if amount == nil {
		return lines
	}
	goal, wanted := "the target", r.Hot.Sub(r.GoesTo)
	if r.GoesTo != r.Target {
		goal = "0.95 × target, because high is less than 1.05 × target"
	}
	if fromCold {
		wanted = r.GoesTo.Sub(r.Hot)
	}
	move := fmt.Sprintf("amount     %s = the difference of hot %s and %s", amount, r.Hot, r.GoesTo)
	switch {
	case r.Available.Less(wanted):
		move = fmt.Sprintf("amount     %s = what can be given, as %s would be needed; cut to the decimals of the chain", amount, wanted)
	case *amount != wanted:
		move += ", cut to the decimals of the chain"
	}
	return append(lines,
		fmt.Sprintf("goes to    %s is what hot is to be afterwards: %s", r.GoesTo, goal),
		fmt.Sprintf("available  %s is what the sending wallet can give", r.Available),
		fmt.Sprintf("smallest   %s = min_rebalance_usd; less is not proposed", r.Smallest),
		move,
	)
}

// sayCap says of a transfer whose fee cannot be raised under the rules how two people change them:
// the default fee of a transfer is the most that the rules allow.
func (a *app) sayCap(p *cli.Printer, t *projections.Transfer, most domain.Decimal) {
	if t.Status != treasury.Broadcast || t.Cancel != nil || t.Raise != nil || !most.Less(portfolio.LeastRaise(t.Payment.HighestFee)) {
		return
	}
	p.Say(0, "A higher fee is at least %s %s, and max_transfer_fee is %s: two people allow more first. One asks, another confirms, and then the fee is raised:", portfolio.LeastRaise(t.Payment.HighestFee), t.GasAsset, most)
	a.Command(p, "override", "request", "treasury_policy", "max_transfer_fee="+cli.Unsaid, "--reason", cli.Unsaid)
}

// onItsWay names the transaction that was sent last. A newer one of a cold wallet has no hash
// before it is signed elsewhere.
func onItsWay(t *projections.Transfer) string {
	for i, at := range slices.Backward(t.Attempts) {
		switch {
		case at.TxHash != "" && i == len(t.Attempts)-1:
			return "on its way, " + at.TxHash
		case at.TxHash != "":
			return "on its way, " + at.TxHash + "; a newer transaction waits for its signature"
		}
	}
	return "its transaction waits for its signature"
}

// statusLine describes the status of a transfer.
func statusLine(t *projections.Transfer) string {
	cold := t.From == domain.WalletCold
	switch t.Status {
	case treasury.Requested:
		if t.Approvals > 1 {
			return "requested: " + approvalsOf(t) + byFirst(t)
		}
		return "requested: waits for a second person"
	case treasury.Approved:
		return "approved: the server prepares it when its turn comes"
	case treasury.Prepared:
		if cold {
			if t.ToSign != nil && t.ToSign.Not != "" {
				return "prepared, and not to be signed now"
			}
			return "prepared: waits for its signature, with the key of the cold wallet"
		}
		return "prepared: nonce and fees are recorded, nothing is signed yet"
	case treasury.Signed:
		return "signed: not sent yet"
	case treasury.Broadcast:
		return "broadcast: " + onItsWay(t)
	case treasury.Confirmed:
		return fmt.Sprintf("confirmed in block %d, fee %s %s", t.Block, t.Fee, t.GasAsset)
	case treasury.Failed:
		return strings.TrimRight(fmt.Sprintf("FAILED (%s), fee %s %s. %s", t.Code, t.Fee, t.GasAsset, t.Detail), " ")
	case treasury.Rejected:
		return "rejected: " + t.Detail
	case treasury.Expired:
		return "expired: it was not approved, prepared and signed in time"
	}
	return string(t.Status)
}
