package portfolio

import (
	"slices"

	"pets/domain"
)

// Repeats reports that an event books a fact that the state has booked already, and by which
// record: one that no decision would have recorded. A fill that was voided may be recorded
// again. The state has to know the past, as that of [New] does.
func (s *State) Repeats(event domain.Event) (revision uint64, twice bool) {
	find := func(id domain.FillID, market string) (uint64, bool) {
		ref, known := s.Past.Find(id, market)
		return ref.Revision, known
	}
	switch e := event.(type) {
	case *domain.FillRecorded:
		return s.repeatsFill(e)
	case *domain.FillReinstated:
		return s.repeatsFill(&e.FillRecorded)
	case *domain.FundingRecorded:
		return find(fundingID(e), e.Market)
	case *domain.SetsChanged:
		return find(setID(e), "")
	case *domain.TradeClosed:
		if e.ClosedBy == domain.ClosedByReport {
			return find(reportedID(e), e.Market)
		}
	case *domain.DepositRecorded:
		return s.repeatsMovement(e.Asset, e.Wallet, e.Tx, e.Leg)
	case *domain.WithdrawalRecorded:
		return s.repeatsMovement(e.Asset, e.Wallet, e.Tx, e.Leg)
	}
	return 0, false
}

func (s *State) repeatsFill(e *domain.FillRecorded) (revision uint64, twice bool) {
	ref, _, known := s.fill(e.FillID, e.Market)
	return ref.Revision, known && ref.Status != Voided && !slices.Contains(e.Flags, domain.FlagVoided)
}

func (s *State) repeatsMovement(asset, wallet, tx string, leg int) (revision uint64, twice bool) {
	if tx == "" || !s.Policy.Second() {
		return 0, false
	}
	known, twice := s.Booked[movementOf(asset, wallet, tx, leg)]
	return known.Revision, twice
}
