package replay

import (
	"bytes"

	"pets/domain"
)

// checkArchive requires that a market is archived as the state has it, that it is restored as it
// was archived, and that no other record is about one that is archived.
func (v *verifier) checkArchive(event domain.Event) {
	switch e := event.(type) {
	case *domain.MarketArchived:
		content, err := v.state.Archived(e.Market)
		switch {
		case err != nil || content == nil:
			v.problem("%s is archived, and is not settled, or something in it is open", e.Market)
		case !bytes.Equal(content, e.Content):
			v.problem("%s is archived as something else than the records before say of it", e.Market)
		}
	case *domain.MarketRestored:
		archive, at, archived := v.state.Past.Archived(e.Market)
		switch {
		case !archived:
			v.problem("%s is restored, and was not archived", e.Market)
		case at != e.Archived || !bytes.Equal(archive.Content, e.Content):
			v.problem("%s is restored as something else than it was archived as, at revision %d", e.Market, at)
		}
	default:
		for _, row := range domain.Flatten(event) {
			for _, market := range marketsOf(row) {
				if _, at, archived := v.state.Past.Archived(market); archived {
					v.problem("this is about %s, which was archived at revision %d and is not restored", market, at)
				}
			}
		}
	}
}

// marketsOf returns the markets of which an event changes something in the state.
func marketsOf(event domain.Event) []string {
	switch e := event.(type) {
	case *domain.MarketRegistered:
		return []string{e.Market}
	case *domain.PermitGranted:
		return []string{e.Market}
	case *domain.FillRecorded:
		return []string{e.Market}
	case *domain.FillReinstated:
		return []string{e.Market}
	case *domain.SetsChanged:
		return []string{e.Market}
	case *domain.FundingRecorded:
		return []string{e.Market}
	case *domain.MarketSettled:
		return []string{e.Market}
	case *domain.MarketPaidOut:
		return []string{e.Market}
	case *domain.MarketCorrected:
		return []string{e.Market}
	case *domain.MarkConfirmed:
		return []string{e.Market}
	case *domain.TradeRevised:
		return []string{e.Market}
	case *domain.PriceMarked:
		markets := make([]string, 0, len(e.Marks))
		for _, m := range e.Marks {
			markets = append(markets, m.Market)
		}
		return markets
	}
	return nil
}
