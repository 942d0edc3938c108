package replay

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"pets/domain"
)

// describeMarket describes the events of markets as a whole, and the records that
// stand for several events.
func describeMarket(event domain.Event) string {
	switch e := event.(type) {
	case *domain.MarketPaidOut:
		return fmt.Sprintf("%s %s for %s%s", e.Market, paid(e.Payouts, e.Void), outcomeHolders(e.Holders), list("; released ", e.PermitsReleased)+strayed(e.CancelOrders))
	case *domain.MarketCorrected:
		return fmt.Sprintf("%s corrected: %s: %s%s%s", e.Market, paid(e.Payouts, e.Void), e.Reason, rest(e.Holders), list("; released ", e.PermitsReleased))
	case *domain.MarketArchived:
		return fmt.Sprintf("%s is settled and closed: archived, %d bytes", e.Market, len(e.Content))
	case *domain.MarketRestored:
		return fmt.Sprintf("%s is restored from its archive at revision %d", e.Market, e.Archived)
	case *domain.SetsChanged:
		if e.Action == domain.MergeSets {
			return fmt.Sprintf("%s merged %s sets of %s, fee %s", e.Bot, e.Quantity, e.Market, e.Fee) + list("; to cancel ", e.CancelOrders)
		}
		return fmt.Sprintf("%s split %s into sets of %s, fee %s", e.Bot, e.Quantity, e.Market, e.Fee) + list("; to cancel ", e.CancelOrders)
	case *domain.FundingRecorded:
		return fmt.Sprintf("%s funding %s of %s", e.Bot, Signed(e.Amount), Short(e.Instrument))
	case *domain.MarkConfirmed:
		return describeConfirmed(e)
	case *domain.FillReinstated:
		return "a voided fill lives again: " + Describe(&e.FillRecorded)
	default:
		return describeMany(event)
	}
}

func describeConfirmed(e *domain.MarkConfirmed) string {
	text, what := cmp.Or(e.Asset, Short(e.Instrument))+" is priced at "+e.Price.String(), "mark that waited is"
	for _, m := range e.With {
		text += ", " + cmp.Or(m.Asset, Short(domain.Instrument{Market: m.Market, Outcome: m.Outcome})) + " at " + m.Price.String()
		what = "marks that waited are"
	}
	return text + ": the " + what + " confirmed"
}

func describeMany(event domain.Event) string {
	all := domain.Flatten(event)
	if len(all) == 0 || all[0] == event {
		return describeRisk(event)
	}
	lines := make([]string, len(all))
	for i, e := range all {
		lines[i] = Describe(e)
	}
	return strings.Join(lines, "\n")
}

func paid(payouts map[string]domain.Decimal, void bool) string {
	if void {
		return "is void: every holder gets the cost back"
	}
	parts := make([]string, 0, len(payouts))
	for _, outcome := range slices.Sorted(maps.Keys(payouts)) {
		parts = append(parts, outcome+" "+payouts[outcome].String())
	}
	return "pays " + strings.Join(parts, ", ")
}

// rest names the holders of what a correction settled.
func rest(holders []domain.OutcomeHolder) string {
	if len(holders) == 0 {
		return ""
	}
	return "; settled for " + outcomeHolders(holders)
}

func outcomeHolders(all []domain.OutcomeHolder) string {
	if len(all) == 0 {
		return "no bot"
	}
	const most = 10
	parts := make([]string, 0, most+1)
	for i, h := range all {
		if i == most {
			parts = append(parts, fmt.Sprintf("%d more", len(all)-most))
			break
		}
		parts = append(parts, fmt.Sprintf("%s %s × %s", h.Bot, h.Quantity, h.Outcome))
	}
	return strings.Join(parts, ", ")
}

// rebasedTo says what a breaker measures from after a rebase.
func rebasedTo(e *domain.BreakerReset) string {
	if e.RebasedTo == nil {
		return ""
	}
	return fmt.Sprintf(", measured from %s", *e.RebasedTo)
}

// correctedFlow says which record an adjustment corrects, if it does.
func correctedFlow(e *domain.AdjustmentPosted) string {
	if !e.Flow || e.Of == nil {
		return ""
	}
	return fmt.Sprintf(", which corrects revision %d", *e.Of)
}

func refusedMarks(all []domain.RefusedMark) string {
	if len(all) == 0 {
		return ""
	}
	return fmt.Sprintf("; %d refused", len(all))
}

// feeOf is the fee of a fill, with the asset if that is not the base asset.
func feeOf(e *domain.FillRecorded) string {
	if e.FeeAsset == "" {
		return e.Fee.String()
	}
	return e.Fee.String() + " " + e.FeeAsset
}

func inMarket(market string) string {
	if market == "" {
		return ""
	}
	return " in " + market
}

// funded is the funding of a trade, if it has any.
func funded(amount domain.Decimal) string {
	if amount.IsZero() {
		return ""
	}
	return ", funding " + Signed(amount)
}

// registered says what a market is, and what a late registration changes of equity.
func registered(e *domain.MarketRegistered) string {
	text := fmt.Sprintf("market %s is of kind %s", e.Market, e.Kind)
	if e.Exclusive {
		text += ", exclusive: one of " + strings.Join(e.Outcomes, ", ")
	}
	for i, c := range e.Changes {
		separator := ", "
		if i == 0 {
			separator = "; valued together, that changes equity as a flow: "
		}
		text += separator + cmp.Or(c.Bot, "portfolio") + " " + Signed(c.Amount)
	}
	return text + strayed(e.CancelOrders)
}

// strayed lists the orders that bots have to cancel.
func strayed(orders []domain.BotOrders) string {
	var permits []string
	for _, o := range orders {
		permits = append(permits, o.Permits...)
	}
	return list("; to cancel ", permits)
}

// partOf names the result of a trade that is not a result of its own.
func partOf(e *domain.TradeClosed) string {
	switch {
	case e.ResultID == "":
		return ""
	case e.Deferred:
		return ", part of result " + e.ResultID + ", which waits for the next of the market"
	}
	return ", part of result " + e.ResultID
}
