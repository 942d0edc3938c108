package show

import (
	"fmt"
	"strings"
	"time"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/treasury"
	"pets/internal/cli"
	"pets/projections"
)

// Views of wallets and transfers, as the server answers them.
type (
	ViewHead struct {
		Portfolio string    `json:"portfolio"`
		Revision  uint64    `json:"revision"`
		Time      time.Time `json:"time"`
	}
	TransfersView struct {
		ViewHead
		Transfers []projections.Transfer `json:"transfers"`
	}
	WalletsView struct {
		ViewHead
		Wallets []projections.Wallet `json:"wallets"`
	}
	BookView struct {
		ViewHead
		Addresses []projections.Contact `json:"addresses"`
	}
	TreasuryView struct {
		ViewHead
		projections.Treasury
	}
)

// HeadOf says of which portfolio a view is, and when.
func HeadOf(s *portfolio.State) ViewHead { return ViewHead{s.Portfolio, s.Next - 1, s.Time} }

// TransfersOf are all transfers of a portfolio.
func TransfersOf(s *portfolio.State) TransfersView {
	return TransfersView{HeadOf(s), projections.TransfersOf(s, func(*treasury.Transfer) bool { return true })}
}

// WalletsOf are its wallets.
func WalletsOf(s *portfolio.State) WalletsView {
	return WalletsView{HeadOf(s), projections.WalletsOf(s)}
}

// BookOf is its address book.
func BookOf(s *portfolio.State) BookView { return BookView{HeadOf(s), projections.BookOf(s)} }

// TreasuryOf renders it at the time of the last record: what the past could not know is
// not told of it.
func TreasuryOf(s *portfolio.State) TreasuryView {
	return TreasuryView{HeadOf(s), projections.TreasuryOf(s, s.Time)}
}

// InWords says what a transfer does, in a line.
func InWords(t *projections.Transfer) string {
	to := t.To
	if t.To == domain.PlaceExternal {
		to = t.Payment.To
	}
	return fmt.Sprintf("%s of %s %s from %s to %s", t.Kind, t.Payment.Amount, t.Asset, t.From, to)
}

// LastAttempt is the last transaction of a transfer, nil for none.
func LastAttempt(t *projections.Transfer) *projections.Attempt {
	if len(t.Attempts) == 0 {
		return nil
	}
	return &t.Attempts[len(t.Attempts)-1]
}

// IsOver reports whether nothing more can happen.
func IsOver(t *projections.Transfer) bool {
	switch t.Status {
	case treasury.Rejected, treasury.Expired, treasury.Confirmed, treasury.Failed:
		return true
	default:
		return false
	}
}

// HotShare says what the rule of 20 % makes of the hot wallet. It is judged after every
// record and only where there are two wallets; a transfer from hot to hot is as hot as before
// there, which is not so in the figures.
func HotShare(v *TreasuryView) string {
	share := ShareOf(v.Figures.Hot, v.Figures.Total)
	switch {
	case v.HotAboveSince != nil && v.IncreasesDenied:
		return fmt.Sprintf("ABOVE 20 %% since %s UTC, for 24 h and more: increases are denied", cli.Clock(*v.HotAboveSince))
	case v.HotAboveSince != nil:
		return fmt.Sprintf("ABOVE 20 %% since %s UTC; after 24 h increases are denied", cli.Clock(*v.HotAboveSince))
	case v.Why == portfolio.NoTwoWallets:
		return fmt.Sprintf("%s, and no rule limits it: the limit of 20 %% is for a live portfolio that has a hot and a cold wallet", cli.Percent(share))
	case domain.MaxHotShare.Less(share):
		return fmt.Sprintf("%s by the figures above; the 24 h after which increases are denied are not running", cli.Percent(share))
	}
	return "not above 20 %"
}

// MoreOrLess says what the chain has besides the ledger.
func MoreOrLess(difference domain.Decimal, asset string) string {
	word := "more"
	if difference.Sign() < 0 {
		word = "less"
	}
	return fmt.Sprintf("%s %s %s than the ledger", difference.Abs(), asset, word)
}

// AsOf says when ledger and chain were compared: what was recorded since is not in it.
func AsOf(reconciled *time.Time) string {
	if reconciled == nil {
		return ""
	}
	return fmt.Sprintf(" (as of the last reconciliation, %s UTC)", cli.Clock(*reconciled))
}

// Explains says what most likely explains a difference, and which command records that.
func Explains(d projections.Difference) (says string, command []string) {
	about := []string{d.Difference.Abs().String(), "--asset", d.Asset}
	if d.Place == domain.WalletCold {
		about = append(about, "--wallet", d.Place)
	}
	if d.Difference.Sign() > 0 {
		return "a deposit that has arrived", append([]string{"deposit"}, about...)
	}
	return "a withdrawal that was made (one that nobody made is a theft: docs/runbooks/security-breach.md)", append([]string{"withdraw"}, about...)
}

// SayDifference prints a difference and the way out of it. What has been recorded since the
// last reconciliation is not recorded again.
func SayDifference(a *cli.App, p *cli.Printer, d projections.Difference, reconciled *time.Time) {
	p.Line("DIFFERENCE  in %s the chain has %s%s; outgoing transfers wait until it is explained", d.Place, MoreOrLess(d.Difference, d.Asset), AsOf(reconciled))
	says, command := Explains(d)
	p.Say(2, "If what explains it was recorded since, only reconcile. Else look at the wallet in a block explorer, and record what happened, once. %s:", strings.ToUpper(says[:1])+says[1:])
	a.Command(p, command...)
	p.Say(2, "A fill that a bot has not reported, the bot reports; docs/runbooks/transfers.md has the rest. Then:")
	a.Command(p, "reconcile")
}

// ListedPortfolio is one of a list.
type ListedPortfolio struct {
	Portfolio string      `json:"portfolio"`
	Mode      domain.Mode `json:"mode"`
	Revision  uint64      `json:"revision"`
}

// PortfolioList is what pets portfolio list --json prints.
type PortfolioList struct {
	Portfolios []ListedPortfolio `json:"portfolios"`
}

// ShareOf is a part of a total; 0 of nothing.
func ShareOf(part, total domain.Decimal) domain.Decimal {
	if total.Sign() <= 0 {
		return domain.Zero
	}
	return part.Div(total).Ratio()
}

// Named finds a transfer.
func (v *TransfersView) Named(id string) (*projections.Transfer, error) {
	for i := range v.Transfers {
		if v.Transfers[i].Transfer == id {
			return &v.Transfers[i], nil
		}
	}
	return nil, domain.Errorf(domain.CodeNotFound, "there is no transfer %q in %s among those that are open and the last 1,000 that are over; pets transfers lists them", id, v.Portfolio)
}
