package show

import (
	"fmt"
	"strings"
	"time"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/treasury"
	"pets/internal/cli"
	"pets/internal/notice"
	"pets/projections"
)

// Views of wallets and transfers, as in the server's answers.
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
		// Problems are what needs a person now, as the server's log has it; only a server knows.
		Problems []notice.Standing `json:"problems,omitempty"`
	}
)

// HeadOf returns the portfolio, revision and time of a view.
func HeadOf(s *portfolio.State) ViewHead { return ViewHead{s.Portfolio, s.Next - 1, s.Time} }

// TransfersOf returns all transfers of a portfolio.
func TransfersOf(s *portfolio.State) TransfersView {
	return TransfersView{HeadOf(s), projections.TransfersOf(s, func(*treasury.Transfer) bool { return true })}
}

// WalletsOf returns the wallets of a portfolio.
func WalletsOf(s *portfolio.State) WalletsView {
	return WalletsView{HeadOf(s), projections.WalletsOf(s)}
}

// BookOf returns the address book of a portfolio.
func BookOf(s *portfolio.State) BookView { return BookView{HeadOf(s), projections.BookOf(s)} }

// TreasuryOf returns the treasury as of the last record, so that a past state shows nothing that
// was not known then.
func TreasuryOf(s *portfolio.State) TreasuryView {
	return TreasuryView{ViewHead: HeadOf(s), Treasury: projections.TreasuryOf(s, s.Time)}
}

// InWords describes a transfer in one line.
func InWords(t *projections.Transfer) string {
	to := t.To
	if t.To == domain.PlaceExternal {
		to = t.Payment.To
	}
	return fmt.Sprintf("%s of %s %s from %s to %s", t.Kind, t.Payment.Amount, t.Asset, t.From, to)
}

// Urgent reports whether a transfer saves money from a leaked key, and waits for no stop,
// breaker or difference.
func Urgent(t *projections.Transfer) bool {
	return t.Kind == domain.TransferSweep || t.Kind == domain.TransferEvacuation
}

// LastAttempt returns the last transaction of a transfer; nil if there is none.
func LastAttempt(t *projections.Transfer) *projections.Attempt {
	if len(t.Attempts) == 0 {
		return nil
	}
	return &t.Attempts[len(t.Attempts)-1]
}

// WayOf is the command that leads on where a transaction must not be signed now.
func WayOf(t *projections.Transfer) []string {
	switch {
	case t.ToSign.Way != portfolio.WayEnd: // it says the steps
		return []string{"transfers", t.Transfer}
	case t.Status == treasury.Prepared:
		return []string{"reject", t.Transfer, "--reason", cli.Unsaid}
	}
	return []string{"transfer", "cancel", t.Transfer, "--reason", cli.Unsaid}
}

// IsOver reports whether a transfer has reached a final status.
func IsOver(t *projections.Transfer) bool {
	switch t.Status {
	case treasury.Rejected, treasury.Expired, treasury.Confirmed, treasury.Failed:
		return true
	default:
		return false
	}
}

// HotShare describes the hot wallet's share under the limit of 20 %. The limit is evaluated after
// every record, and only if there are a hot and a cold wallet. It counts a transfer between hot
// wallets as hot; the figures of the view do not.
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

// MoreOrLess says how the chain differs from the ledger.
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

// Explains says what most likely explains a difference, and which command records that. Its key
// follows from what it books, so that it happens once, however often and by however many people
// the command is asked for and run. The day of the reconciliation is part of it, and not its
// moment: a later one may have skipped the asset, and still show a difference that is booked.
func Explains(portfolio string, d projections.Difference, reconciled *time.Time) (says string, command []string) {
	about := []string{d.Difference.Abs().String(), "--asset", d.Asset}
	if d.Place == domain.WalletCold {
		about = append(about, "--wallet", d.Place)
	}
	day := ""
	if reconciled != nil {
		day = reconciled.UTC().Format(time.DateOnly)
	}
	about = append(about, "--key", commands.SuggestedKey("difference", portfolio, d.Place, d.Asset, d.Difference.String(), day))
	if d.Difference.Sign() > 0 {
		return "a deposit that has arrived", append([]string{"deposit"}, about...)
	}
	return "a withdrawal that was made (one that nobody made is a theft: docs/runbooks/security-breach.md)", append([]string{"withdraw"}, about...)
}

// SayDifference prints a difference and the way out of it. What has been recorded since the
// last reconciliation is not recorded again.
func SayDifference(a *cli.App, p *cli.Printer, d projections.Difference, reconciled *time.Time) {
	p.Line("DIFFERENCE  in %s the chain has %s%s; outgoing transfers wait until it is explained", d.Place, MoreOrLess(d.Difference, d.Asset), AsOf(reconciled))
	if d.Unsure != "" {
		p.Say(2, "Book nothing for it now: %s. What is not over yet, %s shows; then:", d.Unsure, a.Advise("transfers"))
		a.Command(p, "reconcile")
		return
	}
	says, command := Explains(a.Config.Portfolio, d, reconciled)
	p.Say(2, "If what explains it was recorded since, only reconcile. Else look at the wallet in a block explorer, and record what happened, once. %s:", strings.ToUpper(says[:1])+says[1:])
	a.Command(p, command...)
	p.Say(2, "A fill that a bot has not reported, the bot reports; docs/runbooks/transfers.md has the rest. Then:")
	a.Command(p, "reconcile")
}

// Problem describes what needs a person, with its cause.
func Problem(n notice.Standing) string {
	text := n.What
	if n.Cause != "" {
		text += ": " + n.Cause
	}
	return fmt.Sprintf("%s (since %s UTC)", text, cli.Clock(n.Since))
}

// ListedPortfolio is one of a list.
type ListedPortfolio struct {
	Portfolio string      `json:"portfolio"`
	Mode      domain.Mode `json:"mode"`
	Revision  uint64      `json:"revision"`
}

// PortfolioList is the answer of pets portfolio list --json.
type PortfolioList struct {
	Portfolios []ListedPortfolio `json:"portfolios"`
}

// ShareOf returns a part as a share of a total; 0 if the total is not above 0.
func ShareOf(part, total domain.Decimal) domain.Decimal {
	if total.Sign() <= 0 {
		return domain.Zero
	}
	return part.Div(total).Ratio()
}

// Named returns the transfer with an id.
func (v *TransfersView) Named(a *cli.App, id string) (*projections.Transfer, error) {
	for i := range v.Transfers {
		if v.Transfers[i].Transfer == id {
			return &v.Transfers[i], nil
		}
	}
	return nil, domain.Errorf(domain.CodeNotFound, "there is no transfer %q in %s among those that are open and the last 1,000 that are over; %s lists them", id, v.Portfolio, a.AdviseIn(v.Portfolio, "transfers"))
}
