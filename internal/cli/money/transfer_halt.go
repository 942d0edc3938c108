package money

import (
	"context"
	"errors"
	"fmt"

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

// waysOf are the lines of what a transfer will wait for, besides people: "the key sits behind
// the breaker". A sweep and an evacuation wait for none of it.
func (a *app) waysOf(ctx context.Context, moment string, t *projections.Transfer) ([]string, error) {
	ways, _, err := a.waysUnder(ctx, moment, t)
	return ways, err
}

// waysUnder also returns the treasury by whose rules it waits.
func (a *app) waysUnder(ctx context.Context, moment string, t *projections.Transfer) ([]string, show.TreasuryView, error) {
	if show.IsOver(t) {
		return nil, show.TreasuryView{}, nil
	}
	rules, err := readView(ctx, a, moment, "/treasury", show.TreasuryOf)
	if err != nil {
		return nil, rules, err
	}
	var lines []string
	for _, n := range rules.Problems {
		if n.Subject == t.Transfer {
			lines = append(lines, "NEEDS A PERSON: "+show.Problem(n))
		}
	}
	if show.Urgent(t) {
		return lines, rules, nil
	}
	halt, err := readView(ctx, a, moment, "/state", haltOf)
	return append(lines, a.inTheWay(&halt, rules.Differences)...), rules, err
}

// warn prints it.
func (a *app) warn(ctx context.Context, p *cli.Printer, t *projections.Transfer) error {
	ways, err := a.waysOf(ctx, "", t)
	for _, l := range ways {
		p.Line("%s", l)
	}
	return errors.Join(err, p.Err)
}

// sayWaysAndNext prints what a transfer waits for, and what comes next.
func (a *app) sayWaysAndNext(ctx context.Context, moment string, p *cli.Printer, t *projections.Transfer) error {
	ways, rules, err := a.waysUnder(ctx, moment, t)
	if err != nil {
		return err
	}
	for _, l := range ways {
		p.Line("%s", l)
	}
	a.sayNextStep(p, t, ways)
	a.sayCap(p, t, rules.Policy.MaxTransferFee)
	return p.Err
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
