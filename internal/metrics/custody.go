package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"pets/domain/portfolio"
	"pets/domain/treasury"
)

// The series of wallets and transfers, for portfolios with wallets.
var (
	hotShare     = desc("hot_share_ratio", "Share of the total that the hot wallet holds, positions at cost included; at most 0.2 for long.", "portfolio")
	coldUSD      = desc("cold_usd", "Base asset in the cold wallet, for display.", "portfolio")
	transitUSD   = desc("transit_usd", "Base asset on its way, for display.", "portfolio")
	hotAbove     = desc("hot_share_above_since_timestamp_seconds", "Since when the hot wallet holds more than 0.2 of the total; 0 for not.", "portfolio")
	openMoves    = desc("transfers_open", "Transfers to which something can still happen.", "portfolio")
	approvals    = desc("transfers_waiting_for_approval", "Transfers that wait for a second person.", "portfolio")
	differences  = desc("reconciliation_differences", "Differences between ledger and chain that are not explained yet.", "portfolio")
	reconciled   = desc("reconciled_timestamp_seconds", "When the ledger was last reconciled with the chain; 0 for never.", "portfolio")
	unreconciled = desc("unreconciled", "1 while two reconciliations in a row have found base asset missing on the chain: nothing is opened.", "portfolio")
)

var custodySeries = []*prometheus.Desc{hotShare, coldUSD, transitUSD, hotAbove, openMoves, approvals, differences, reconciled, unreconciled}

func ofCustody(s *portfolio.State) []prometheus.Metric {
	c, p := &s.Custody, s.Portfolio
	if len(c.Wallets) == 0 {
		return nil
	}
	open, waiting := 0, 0
	for _, t := range c.OpenTransfers() {
		open++
		if t.Pending(s.Time) != nil || t.Status == treasury.Requested {
			waiting++
		}
	}
	above, checked := 0.0, 0.0
	if !c.HotAbove.IsZero() {
		above = float64(c.HotAbove.UnixMilli()) / 1000
	}
	if !c.Reconciled.IsZero() {
		checked = float64(c.Reconciled.UnixMilli()) / 1000
	}
	return []prometheus.Metric{
		metric(hotShare, treasury.Figures(s.Holdings(), &c.Policy).Share.Float(), p),
		metric(coldUSD, c.Cold.Float(), p),
		metric(transitUSD, c.Transit.Float(), p),
		metric(hotAbove, above, p),
		metric(openMoves, float64(open), p),
		metric(approvals, float64(waiting), p),
		metric(differences, float64(len(c.Differences)), p),
		metric(reconciled, checked, p),
		metric(unreconciled, truth(c.Unreconciled()), p),
	}
}
