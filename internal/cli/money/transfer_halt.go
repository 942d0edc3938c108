package money

import (
	"context"
	"fmt"

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

// warn prints what a transfer waits for, other than people: an engaged emergency stop, tripped
// breakers, and differences to the chain. A sweep does not wait for any of them.
func (a *app) warn(ctx context.Context, moment string, p *cli.Printer, t *projections.Transfer) error {
	if show.IsOver(t) || t.Kind == domain.TransferSweep {
		return nil
	}
	halt, err := readView(ctx, a, moment, "/state", haltOf)
	if err != nil {
		return err
	}
	rules, err := readView(ctx, a, moment, "/treasury", show.TreasuryOf)
	if err != nil {
		return err
	}
	for _, l := range inTheWay(&halt, rules.Differences) {
		p.Line("%s", l)
	}
	return p.Err
}

// inTheWay returns the lines that warn prints.
func inTheWay(halt *haltView, differences []projections.Difference) []string {
	var lines []string
	if halt.EmergencyStop.Engaged {
		lines = append(lines, "EMERGENCY STOP: it is not signed until two people have cleared that; only pets wallet sweep works")
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
		lines = append(lines, fmt.Sprintf("DIFFERENCE: in %s the chain has %s; it is not signed until that is explained", d.Place, show.MoreOrLess(d.Difference, d.Asset)))
	}
	return lines
}
