package tradefile

import "pets/domain"

// mostTogether bounds what is gathered of one market: a registered one has 100 outcomes
// at most, each with its complement.
const mostTogether = 200

// gatherer tells each settlement what the other rows of its market at its time say. They
// may stand in several files, with other rows between them.
type gatherer struct {
	plan  *Plan
	nanos int64
	rows  map[settled]map[string]domain.Decimal // of that time; nil: contradictory, or too many
}

// settled are the holders that a row settles.
type settled struct{ bot, market string }

// join completes a settlement, the n-th row of the plan.
func (g *gatherer) join(n int, row *Row) {
	s := row.Settlement
	if s == nil || s.Void {
		return
	}
	if nanos := g.plan.places[n].nanos; g.rows == nil || g.nanos != nanos {
		g.nanos, g.rows = nanos, map[settled]map[string]domain.Decimal{}
		g.gather(n)
	}
	if all := g.rows[settled{s.Bot, s.Market}]; len(all) > 1 {
		s.Together = all
	}
}

// gather reads the settlements of one time, from its first on.
func (g *gatherer) gather(n int) {
	for ; n < len(g.plan.places) && g.plan.places[n].nanos == g.nanos; n++ {
		at := g.plan.places[n]
		f := g.plan.files[at.file]
		if !f.cells.format.settles {
			continue
		}
		s := f.rowAt(at).Settlement
		if s == nil || s.Void { // nil with --as-trades
			continue
		}
		of := settled{s.Bot, s.Market}
		all, seen := g.rows[of]
		switch payout, twice := all[s.Outcome]; {
		case !seen:
			g.rows[of] = map[string]domain.Decimal{s.Outcome: s.Payout}
		case all == nil:
		case twice && payout != s.Payout, !twice && len(all) == mostTogether:
			g.rows[of] = nil
		default:
			all[s.Outcome] = s.Payout
		}
	}
}
