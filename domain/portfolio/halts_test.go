package portfolio

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// The table of halts, row by row: what a bot and an operator may still do.
func TestHaltsLeaveAWayOut(t *testing.T) {
	trip := func(h *harness) { h.lose("a", "300") } // bot_drawdown at 0.3, limit 0.25
	stop := func(kind string) func(*harness) { return func(h *harness) { h.engage(kind) } }
	closes := func(p *domain.Policy) { p.ClosePositionsOnTrip = true }
	while := func(what string) func(*domain.Policy) {
		return func(p *domain.Policy) { p.WhileTripped = what }
	}
	for _, tc := range []struct {
		name          string
		policy        []func(*domain.Policy)
		halt          func(*harness)
		bot, operator Leave
	}{
		{"nothing halts", nil, func(*harness) {}, LeaveAll, LeaveAll},
		{"breaker, reduce", []func(*domain.Policy){while(domain.WhileReduce)}, trip, LeaveReduce, LeaveReduce},
		{"breaker, nothing", []func(*domain.Policy){while(domain.WhileNothing)}, trip, LeaveNothing, LeaveReduce},
		{"breaker, nothing, although bots are told to close", []func(*domain.Policy){while(domain.WhileNothing), closes}, trip, LeaveNothing, LeaveReduce},
		{"stopped by a person", nil, func(h *harness) { h.must(func(d *Decision) error { return d.StopBot("a", "x") }) }, LeaveReduce, LeaveReduce},
		{"stopped fully", nil, func(h *harness) { h.must(func(d *Decision) error { return d.StopBotFully("a", "x") }) }, LeaveNothing, LeaveReduce},
		{"manual", nil, stop(domain.StopManual), LeaveNothing, LeaveReduce},
		{"manual, closing", []func(*domain.Policy){closes}, stop(domain.StopManual), LeaveReduce, LeaveReduce},
		{"breach", []func(*domain.Policy){closes}, stop(domain.StopSecurityBreach), LeaveNothing, LeaveNothing},
		{"system error", []func(*domain.Policy){closes}, stop(domain.StopSystemError), LeaveNothing, LeaveNothing},
		{"of several rows the strictest holds", []func(*domain.Policy){while(domain.WhileReduce)}, func(h *harness) { trip(h); h.engage(domain.StopManual) }, LeaveNothing, LeaveReduce},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := second(t, "1000", append([]func(*domain.Policy){func(p *domain.Policy) {
				p.MaxDailyLossPct, p.MaxPortfolioDrawdownPct = dec("0.9"), dec("0.9")
			}}, tc.policy...)...)
			h.fill("a", "m", "YES", buy, "100", "0.30")
			tc.halt(h)
			require.Equal(t, tc.bot, h.s.Leaves("a", false))
			require.Equal(t, tc.operator, h.s.Leaves("a", true))
			for caller, leave := range map[domain.Role]Leave{domain.RoleBot: tc.bot, domain.RoleOperator: tc.operator} {
				h.as(caller, map[domain.Role]string{domain.RoleBot: "a", domain.RoleOperator: "olga"}[caller])
				h.after(2 * time.Second) // identical denials within a second share a record
				h.ask(order("a", "m", "YES", sell, "40", "0.30"))
				require.Equal(t, leave != LeaveNothing, len(h.reasons()) == 0, "reduce as %s: %v", caller, h.reasons())
				h.ask(order("a", "m", "YES", buy, "1", "0.30"))
				require.Equal(t, leave == LeaveAll, len(h.reasons()) == 0, "open as %s: %v", caller, h.reasons())
			}
		})
	}
}

// "Every halt directs bots to cancel_orders (the opening ones that rest, by permit)".
func TestAHaltNamesTheOrdersToCancel(t *testing.T) {
	for name, halt := range map[string]func(*harness){
		"trip":      func(h *harness) { h.lose("a", "300") },
		"stop":      func(h *harness) { h.must(func(d *Decision) error { return d.StopBot("a", "x") }) },
		"emergency": func(h *harness) { h.engage(domain.StopManual) },
	} {
		h := second(t, "1000", func(p *domain.Policy) { p.MaxDailyLossPct, p.MaxPortfolioDrawdownPct = dec("0.9"), dec("0.9") })
		h.fill("a", "m", "YES", buy, "100", "0.30")
		opens := h.permit("a", "m", "YES", buy, "10", "0.30")
		reduces := h.permit("a", "m", "YES", sell, "10", "0.30")
		unplaced := h.permit("a", "m", "YES", buy, "11", "0.30")
		for _, p := range []string{opens, reduces} {
			h.must(func(d *Decision) error { return d.PlacePermit(p, nil) })
		}
		halt(h)
		require.Contains(t, fmt.Sprintf("%+v", cancelled(h.step)), opens, name)
		require.Equal(t, []string{opens}, cancelled(h.step), "%s: %s only reduces, %s was not placed", name, reduces, unplaced)
	}
}

func cancelled(events []domain.Event) []string {
	for _, e := range events {
		switch e := e.(type) {
		case *domain.BreakerTripped:
			return e.CancelOrders
		case *domain.EmergencyStopEngaged:
			return e.CancelOrders
		case *domain.BotStopped:
			return e.CancelOrders
		}
	}
	return nil
}

// "`close_positions` is said only where closing is permitted": of complete sets no order
// reduces anything, and dust is no open position.
func TestOnlyWhatAnOrderReducesIsToldToClose(t *testing.T) {
	pair := func(market, yes string) func(*harness) {
		return func(h *harness) {
			h.fill("a", market, "YES", buy, yes, "0.30")
			h.fill("a", market, "NO", buy, "100", "0.30")
		}
	}
	for _, tc := range []struct {
		name string
		hold func(*harness)
		told bool
	}{
		{"one half", func(h *harness) { h.fill("a", "m", "YES", buy, "100", "0.30") }, true},
		{"complete sets", pair("m", "100"), false},
		{"one more than complete sets", pair("m", "101"), true},
		{"an outcome and its complement", func(h *harness) {
			h.fill("a", "cup", "A", buy, "100", "0.30")
			h.fill("a", "cup", "!A", buy, "100", "0.60")
		}, false},
		{"complete sets, and a half elsewhere", func(h *harness) {
			pair("m", "100")(h)
			h.fill("a", "cup", "A", buy, "100", "0.30")
		}, true},
		{"a pair that is not registered", pair("x", "100"), true},
		{"dust of .09", func(h *harness) { h.fill("a", "m", "YES", buy, "0.3", "0.30") }, false},
		{"no dust, at .10", func(h *harness) { h.fill("a", "m", "YES", buy, "0.2", "0.50") }, true},
		{"nothing", func(*harness) {}, false},
	} {
		h := second(t, "1000", func(p *domain.Policy) { p.ClosePositionsOnTrip, p.PositionDustUSD = true, dec("0.1") })
		h.exclusive("m", "YES", "NO")
		h.exclusive("cup", "A", "B", "C")
		tc.hold(h)
		require.False(t, h.s.ToldToClose("a"), "%s: nothing halts it", tc.name)
		h.engage(domain.StopManual)
		require.Equal(t, tc.told, h.s.ToldToClose("a"), tc.name)
	}
}
