package replay

import "pets/domain"

// checkCorrection requires that the adjustments of a live portfolio were agreed to by two
// people: an adjustment follows the record of its override at once, and says the same.
//
// Builds that let one admin alone correct the books recorded adjustments without an
// override. They are no problem in a portfolio that such a build opened, up to the first
// request of an adjustment: only a build that asks for two records one. A portfolio that
// was opened by such a build says so in its first event.
func (v *verifier) checkCorrection(event domain.Event) {
	due := v.correction
	v.correction = ""
	e, is := event.(*domain.AdjustmentPosted)
	if due != "" && (!is || e.Override != due) {
		v.problem("override %s is confirmed, but its adjustment does not follow", due)
	}
	if o, confirmed := event.(*domain.OverrideRecorded); confirmed && o.Kind == domain.OverrideAdjustment {
		v.correction = o.Override
	}
	if !is || v.state.Mode != domain.ModeLive {
		return
	}
	switch {
	case e.Override == "" && v.state.CorrectedByTwo:
		v.problem("%s is adjusted by %s %s without an override by two people", e.Account, e.Amount, e.Asset)
	case e.Override == "":
	case e.Override != due:
		v.problem("%s is adjusted by override %s, which is not the record before it", e.Account, e.Override)
	case !v.state.Overrides[due].Adjusts(e):
		v.problem("%s is adjusted otherwise than override %s says", e.Account, e.Override)
	}
}
