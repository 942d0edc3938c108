package money

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/risk"
	"pets/internal/cli"
	"pets/internal/cli/show"
	"pets/projections"
)

// haltView is the part of a portfolio's state that can hold up transfers.
type haltView struct {
	EmergencyStop projections.EmergencyStop `json:"emergency_stop"`
	Breakers      []projections.Breaker     `json:"breakers"`
}

func haltOf(s *portfolio.State) haltView {
	v := projections.StateOf(s)
	return haltView{v.EmergencyStop, v.Breakers}
}

// standingOf is what the next steps of a transfer depend on. "The key sits behind the breaker":
// a sweep and an evacuation wait for none of what is in the way of others.
func (a *app) standingOf(ctx context.Context, moment string, t *projections.Transfer) (standing, error) {
	var at standing
	if show.IsOver(t) {
		return at, nil
	}
	halt, err := readView(ctx, a, moment, "/state", haltOf)
	if err != nil {
		return at, err
	}
	rules, err := readView(ctx, a, moment, "/treasury", show.TreasuryOf)
	if err != nil {
		return at, err
	}
	at.now, at.stopped, at.mostFee = rules.Time, halt.EmergencyStop.Engaged, rules.Policy.MaxTransferFee
	if now := a.Clock()(); moment == "" && now.After(at.now) { // nothing was recorded since
		at.now = now
	}
	for _, n := range rules.Problems {
		if n.Subject == t.Transfer {
			at.ways = append(at.ways, "NEEDS A PERSON: "+show.Problem(n))
		}
	}
	if t.Cancel != nil { // what cancels it pays nobody, and waits for no difference
		rules.Differences = nil
	}
	if !show.Urgent(t) {
		at.ways = append(at.ways, a.inTheWay(&halt, rules.Differences)...)
	}
	return at, nil
}

// warn prints what a transfer will wait for, besides people.
func (a *app) warn(ctx context.Context, p *cli.Printer, t *projections.Transfer) error {
	at, err := a.standingOf(ctx, "", t)
	for _, l := range at.ways {
		p.Line("%s", l)
	}
	return errors.Join(err, p.Err)
}

// sayWaysAndNext prints what a transfer waits for, and what comes next.
func (a *app) sayWaysAndNext(ctx context.Context, moment string, p *cli.Printer, t *projections.Transfer) error {
	at, err := a.standingOf(ctx, moment, t)
	if err != nil {
		return err
	}
	for _, l := range at.ways {
		p.Line("%s", l)
	}
	rivals, err := a.rivalsOf(ctx, moment, t)
	if err != nil {
		return err
	}
	if len(rivals) > 0 {
		a.sayRivals(p, t, rivals)
		return p.Err
	}
	a.sayNextStep(p, t, at)
	a.sayCap(p, t, at.mostFee)
	return p.Err
}

// rivalsOf are the other transfers under way that have the nonce of a signed cold transfer. The
// server can end it by itself only with what it knows to be signed: where the other one was
// signed and not imported, it cannot tell that transaction from a stranger's.
func (a *app) rivalsOf(ctx context.Context, moment string, t *projections.Transfer) (rivals []string, err error) {
	last := show.LastAttempt(t)
	if t.From != domain.WalletCold || show.IsOver(t) || last == nil || last.TxHash == "" {
		return nil, nil
	}
	all, err := readView(ctx, a, moment, "/transfers", show.TransfersOf)
	for i := range all.Transfers {
		other := &all.Transfers[i]
		its := show.LastAttempt(other)
		if other.Transfer != t.Transfer && other.Wallet == t.Wallet && !show.IsOver(other) && its != nil && its.Nonce == last.Nonce {
			rivals = append(rivals, other.Transfer)
		}
	}
	return rivals, err
}

// sayRivals prints what comes next of a transfer whose nonce another one has, too.
func (a *app) sayRivals(p *cli.Printer, t *projections.Transfer, rivals []string) {
	p.Line("next: the chain takes this one or %s, which has the same nonce of the wallet. The server sees which, and ends both, if both signatures are known here. If %s was signed and sent and is not imported, bring what was signed of it:", strings.Join(rivals, ", "), strings.Join(rivals, ", "))
	a.Command(p, "cold", "import", cli.Unsaid)
	p.Line("where that file is lost, two people say what the transaction did, for each of the two:")
	a.Command(p, "override", "request", "transfer", "transfer="+t.Transfer, "outcome="+cli.Unsaid, "tx_hash="+cli.Unsaid, "block="+cli.Unsaid, "fee="+cli.Unsaid, "--reason", cli.Unsaid)
}

// inTheWay returns the lines that warn prints.
func (a *app) inTheWay(halt *haltView, differences []projections.Difference) []string {
	var lines []string
	if halt.EmergencyStop.Engaged {
		lines = append(lines, "EMERGENCY STOP: it is not signed until two people have cleared that; only a sweep or an evacuation of the wallets works")
	}
	for i := range halt.Breakers {
		b := &halt.Breakers[i]
		if b.Status != risk.Tripped {
			continue
		}
		name := b.Breaker
		if b.Bot != nil {
			name += " of " + *b.Bot
		}
		lines = append(lines, "BREAKER "+name+" is tripped: it is not signed until a person has reset that")
	}
	for _, d := range differences {
		lines = append(lines, fmt.Sprintf("DIFFERENCE: in %s the chain has %s; it is not signed until that is explained (%s says how)", d.Place, show.MoreOrLess(d.Difference, d.Asset), a.Typed("treasury")))
	}
	return lines
}
