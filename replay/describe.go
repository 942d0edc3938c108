package replay

import (
	"fmt"
	"strings"
	"time"

	"pets/domain"
)

// DescribeBy is Describe, and adds who did it if a person decided it and the text
// does not name them already. An empty user is unknown, or is not shown.
func DescribeBy(event domain.Event, user string) string {
	text := Describe(event)
	if user == "" || !decidedByPerson(event) {
		return text
	}
	return text + "; by " + user
}

// decidedByPerson reports whether a person decided the event: an operator's stop,
// for example, but not the stop that came with a trip, which carries the user of
// the fill. A settlement is one: who made it is asked when it was wrong.
func decidedByPerson(event domain.Event) bool {
	switch event.(type) {
	case *domain.EmergencyStopEngaged, *domain.BreakerReset, *domain.BotStarted, *domain.BotStopped, *domain.BotRegistered,
		*domain.PortfolioOpened, *domain.LimitsChanged, *domain.BotCapitalAllocated, *domain.DepositRecorded, *domain.WithdrawalRecorded,
		*domain.FeeRecorded, *domain.AdjustmentPosted, *domain.MarketRegistered, *domain.FillVoided, *domain.TreasuryPolicyChanged,
		*domain.AddressRemoved, *domain.WalletRegistered, *domain.WalletRetired, *domain.RollbackAccepted, *domain.APIKeyIssued, *domain.APIKeyRevoked,
		*domain.KeyRotationStarted, *domain.MarketSettled, *domain.MarketPaidOut, *domain.MarketCorrected:
		return true
	}
	return false
}

// Describe describes an event in one line.
func Describe(event domain.Event) string {
	switch e := event.(type) {
	case *domain.PortfolioOpened:
		return fmt.Sprintf("%s portfolio %s opened, in %s, clock %s", e.Mode, e.Portfolio, e.BaseAsset, e.Clock)
	case *domain.LimitsChanged:
		return "limits changed: " + e.Reason
	case *domain.CommandNoted:
		return e.Note
	case *domain.MarketRegistered:
		return registered(e)
	case *domain.BotRegistered:
		return e.Bot + " registered"
	case *domain.BotCapitalAllocated:
		return allocation(e)
	case *domain.BotStarted:
		return e.Bot + " started"
	case *domain.BotStopped:
		how := " stopped"
		if e.Full {
			how = " stopped fully"
		}
		return strings.TrimSuffix(e.Bot+how+": "+e.Reason, ": ") + list("; to cancel ", e.CancelOrders)
	case *domain.DepositRecorded:
		return fmt.Sprintf("%s %s came into the %s wallet", e.Amount, e.Asset, e.Wallet)
	case *domain.WithdrawalRecorded:
		return fmt.Sprintf("%s %s left the %s wallet", e.Amount, e.Asset, e.Wallet)
	case *domain.FeeRecorded:
		return strings.TrimSpace(fmt.Sprintf("%s of %s %s %s", e.Kind, e.Amount, e.Asset, e.Bot))
	case *domain.AdjustmentPosted:
		return fmt.Sprintf("%s adjusted by %s %s%s: %s", e.Account, e.Amount, e.Asset, correctedFlow(e), e.Reason)
	default:
		return describeTrading(event)
	}
}

func describeTrading(event domain.Event) string {
	switch e := event.(type) {
	case *domain.FillRecorded:
		return fmt.Sprintf("%s %s %s × %s at %s, fee %s%s", e.Bot, verb(e.Side), e.Quantity, Short(e.Instrument), e.Price, feeOf(e), flags(e.Flags)) + shrunk(e.Shrunk) + list("; to cancel ", e.CancelOrders)
	case *domain.FillConfirmed:
		return "fill " + e.FillID.String() + inMarket(e.Market) + " confirmed"
	case *domain.FillVoided:
		if e.Unknown {
			return "fill " + e.FillID.String() + inMarket(e.Market) + " voided, of which nothing is known: one that comes later is ignored"
		}
		return "fill " + e.FillID.String() + inMarket(e.Market) + " voided" + list("; to cancel ", e.CancelOrders)
	case *domain.MarketSettled:
		return fmt.Sprintf("%s settled at %s for %s%s", Short(e.Instrument), e.Payout, holders(e), list("; released ", e.PermitsReleased)+flags(e.Flags))
	case *domain.PriceMarked:
		return fmt.Sprintf("%d marked by %s: %s%s", len(e.Marks), e.Source, marks(e.Marks), refusedMarks(e.Refused))
	case *domain.TradeClosed:
		return fmt.Sprintf("%s closed %s of %s: %s of %s, fee %s%s", e.Bot, e.Trade, Short(e.Instrument), e.Result, Signed(e.PnL), e.Fee, funded(e.Funding)+partOf(e)+flags(e.Flags))
	case *domain.TradeRevised:
		return fmt.Sprintf("%s: trade %s of %s revised to %s", e.Bot, e.Trade, Signed(e.Before.PnL), revision(e))
	default:
		return describeMarket(event)
	}
}

func describeRisk(event domain.Event) string {
	switch e := event.(type) {
	case *domain.PermitGranted:
		return fmt.Sprintf("%s may %s %s × %s at %s (%s, %s reserved)", e.Bot, e.Side, e.Quantity, Short(e.Instrument), e.LimitPrice, e.Permit, e.Reserved) + list("; to cancel ", e.CancelOrders)
	case *domain.PermitDenied:
		return fmt.Sprintf("%s may not %s %s × %s at %s: %s", e.Bot, e.Side, e.Quantity, Short(e.Instrument), e.LimitPrice, reasons(e.Reasons))
	case *domain.PermitPlaced:
		return e.Permit + " placed"
	case *domain.PermitReleased:
		return strings.TrimSuffix(e.Permit+" released: "+e.Reason, ": ")
	case *domain.DayOpened:
		return fmt.Sprintf("day %s opened at equity %s", e.Date, e.Equity)
	case *domain.BreakerWarned:
		return fmt.Sprintf("WARNING %s at %s, limit %s", scope(e.Breaker, e.Bot), e.Value.Ratio(), e.Limit)
	case *domain.BreakerTripped:
		return fmt.Sprintf("TRIPPED %s at %s, limit %s, by revision %d%s%s", scope(e.Breaker, e.Bot), e.Value.Ratio(), e.Limit, e.Cause,
			list("; stopped ", e.BotsStopped), list("; revoked ", e.PermitsRevoked)+list("; to cancel ", e.CancelOrders))
	case *domain.BreakerReset:
		return fmt.Sprintf("%s reset (%s → %s)%s: %s", scope(e.Breaker, e.Bot), e.Before.Ratio(), e.After.Ratio(), rebasedTo(e), e.Reason)
	case *domain.EmergencyStopEngaged:
		return fmt.Sprintf("EMERGENCY STOP %s: %s%s%s", stopKind(e), e.Reason, list("; stopped ", e.BotsStopped), list("; revoked ", e.PermitsRevoked)+list("; ended ", e.TransfersEnded)+list("; to cancel ", e.CancelOrders))
	case *domain.EmergencyStopClearRequested:
		return fmt.Sprintf("%s requests to clear the emergency stop (%s): %s", e.User, e.Request, e.Reason)
	case *domain.EmergencyStopCleared:
		return fmt.Sprintf("emergency stop cleared (%s): requested by %s, confirmed by %s%s", e.Request, e.RequestedBy, e.ConfirmedBy, list("; ended ", e.TransfersEnded))
	case *domain.OverrideRequested:
		return fmt.Sprintf("%s requests override %s (%s): %s", e.User, e.Override, what(e.Kind, e.Portfolio, e.Limits, e.Offset), e.Reason)
	case *domain.OverrideRecorded:
		return fmt.Sprintf("override %s by %s and %s (%s): %s", e.Override, e.RequestedBy, e.ConfirmedBy, what(e.Kind, e.Portfolio, e.Limits, e.Offset), e.Reason)
	default:
		return describeCustody(event)
	}
}

func describeSystem(event domain.Event) string {
	switch e := event.(type) {
	case *domain.ArbitragePermitted:
		return fmt.Sprintf("%s may place %s of %s together: they cost %s and pay at least %s", e.Bot, strings.Join(e.Permits, ", "), e.Arbitrage, e.Cost, e.SurePayout)
	case *domain.ArbitrageDenied:
		return fmt.Sprintf("%s may not place %d legs together, at a cost of %s for %s: %s", e.Bot, len(e.Legs), e.Cost, e.SurePayout, reasons(e.Reasons))
	case *domain.ArbitrageTimedOut:
		return fmt.Sprintf("the legs of %s of %s were not all filled in time%s%s", e.Arbitrage, e.Bot, openLegs(e.Open), list("; still resting ", e.Resting))
	case *domain.ClockJumped:
		if e.By == 0 {
			return "the monotonic clock ended permits" + list(": expired ", e.PermitsExpired)
		}
		return fmt.Sprintf("the clock jumped by %s%s", e.By, list("; expired ", e.PermitsExpired)+list("; still resting ", e.OrdersKept))
	case *domain.APIKeyIssued:
		return describeKey(e)
	case *domain.APIKeyRevoked:
		return strings.TrimSuffix("API key "+e.Key+" revoked: "+e.Reason, ": ")
	case *domain.ApproverRegistered, *domain.ApproverVouched, *domain.ApproverRevoked:
		return describeApprovers(event)
	case *domain.AccessDenied:
		return fmt.Sprintf("%d requests from %s refused (%s), last %s", e.Count, strings.TrimSuffix(e.Source+" with "+e.Key, " with "), e.Code, e.Route)
	case *domain.RollbackAccepted:
		return describeRollback(e)
	default:
		return describeKeys(event)
	}
}

// stopKind is the kind in force, and the requested kind if that is less severe.
// shrunk says what a fill leaves of the other orders of its group.
func shrunk(orders []domain.ShrunkOrder) string {
	left := make([]string, len(orders))
	for i, o := range orders {
		left[i] = fmt.Sprintf("%s of %s", o.Left, o.Permit)
	}
	return list("; leaves ", left)
}

func stopKind(e *domain.EmergencyStopEngaged) string {
	if e.RequestedKind == "" {
		return e.Kind
	}
	return e.Kind + " stays in force, " + e.RequestedKind + " was requested"
}

// what describes the override itself: what it allows.
func what(kind, portfolio string, limits []byte, offset domain.Duration) string {
	switch kind {
	case domain.OverrideGoLive:
		return "open live portfolio " + portfolio
	case domain.OverrideClock:
		return fmt.Sprintf("time continues from the last record, %s ahead of the wall clock", offset)
	}
	return kind + " " + string(limits)
}

func allocation(e *domain.BotCapitalAllocated) string {
	if e.Amount.Sign() < 0 {
		return fmt.Sprintf("%s gave %s back to treasury", e.Bot, e.Amount.Neg())
	}
	return fmt.Sprintf("%s given %s from treasury", e.Bot, e.Amount)
}

func verb(s domain.Side) string {
	if s == domain.Buy {
		return "bought"
	}
	return "sold"
}

// Short names an instrument. It shortens an outcome that is a 77-digit token id, to
// keep the line readable.
func Short(i domain.Instrument) string {
	outcome := i.Outcome
	if len(outcome) > 20 {
		outcome = outcome[:6] + "…" + outcome[len(outcome)-4:]
	}
	if outcome == "" {
		return i.Market
	}
	return i.Market + "/" + outcome
}

// Signed writes an amount with its sign, a plus as well.
func Signed(d domain.Decimal) string {
	if d.Sign() > 0 {
		return "+" + d.String()
	}
	return d.String()
}

func flags(f []string) string {
	if len(f) == 0 {
		return ""
	}
	return " [" + strings.Join(f, ", ") + "]"
}

func holders(e *domain.MarketSettled) string {
	if len(e.Holders) == 0 {
		return "nobody: a finding"
	}
	names := make([]string, len(e.Holders))
	for i, h := range e.Holders {
		names[i] = fmt.Sprintf("%s (%s)", h.Bot, h.Quantity)
	}
	all := strings.Join(names, ", ")
	if e.Finding {
		all += ": a finding, because another quantity was reported"
	}
	return all
}

func marks(all []domain.Mark) string {
	const most = 3
	parts := make([]string, 0, most+1)
	for i, m := range all {
		if i == most {
			parts = append(parts, "…")
			break
		}
		name := m.Asset
		if name == "" {
			name = Short(domain.Instrument{Market: m.Market, Outcome: m.Outcome})
		}
		if m.Waits {
			name += " waits at"
		}
		parts = append(parts, name+" "+m.Price.String())
	}
	return strings.Join(parts, ", ")
}

func revision(e *domain.TradeRevised) string {
	switch {
	case e.Joins != "" && e.After != nil:
		return Signed(e.After.PnL) + ", part of result " + e.Joins
	case e.After != nil:
		return Signed(e.After.PnL)
	case e.Open:
		return "open"
	default:
		return "void"
	}
}

func reasons(all []domain.Reason) string {
	parts := make([]string, len(all))
	for i, r := range all {
		parts[i] = string(r.Code)
	}
	return strings.Join(parts, ", ")
}

func scope(breaker, bot string) string {
	if bot == "" {
		return breaker
	}
	return breaker + " of " + bot
}

// openLegs lists what no other leg covers.
func openLegs(open []domain.OpenLeg) string {
	parts := make([]string, len(open))
	for i, o := range open {
		parts[i] = o.Quantity.String() + " × " + Short(o.Instrument)
	}
	return list("; directional now: ", parts)
}

// list says who was stopped, or what was revoked. It returns "" for an empty
// list.
func list(what string, names []string) string {
	if len(names) == 0 {
		return ""
	}
	return what + strings.Join(names, ", ")
}

func describeKey(e *domain.APIKeyIssued) string {
	text := strings.TrimSpace(fmt.Sprintf("API key %s issued to %s, role %s %s", e.Key, e.User, e.Role, strings.Trim(e.Portfolio+"/"+e.Bot, "/")))
	if e.Replaces != "" {
		text += ", in place of " + e.Replaces
	}
	if e.FormerUntil != nil {
		text += ", which ends at " + e.FormerUntil.UTC().Format(time.RFC3339)
	}
	if e.ExpiresAt != nil {
		text += "; expires at " + e.ExpiresAt.UTC().Format(time.RFC3339)
	}
	return text
}
