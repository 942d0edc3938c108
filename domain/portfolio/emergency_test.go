package portfolio

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/approval"
	"pets/domain/approval/approvaltest"
	"pets/domain/risk"
)

func (h *harness) engage(kind string) {
	h.t.Helper()
	h.must(func(d *Decision) error { return d.EngageStop(kind, "fire") })
}

// requestClear asks as a user, and returns the name of the request.
func (h *harness) requestClear(role domain.Role, user string) string {
	h.t.Helper()
	h.as(role, user).must(func(d *Decision) error { return d.RequestClear("it is out") })
	return lastOf[*domain.EmergencyStopClearRequested](h).Request
}

func confirmClear(request string) func(*Decision) error {
	return func(d *Decision) error { return d.ConfirmClear(request) }
}

// "Emergency stop: portfolio drawdown; manual, system_error, security_breach …
// Stops bots, revokes permits".
func TestEmergencyStops(t *testing.T) {
	for _, kind := range []string{domain.StopManual, domain.StopSystemError, domain.StopSecurityBreach} {
		h := halts(t)
		h.engage(kind)
		e := lastOf[*domain.EmergencyStopEngaged](h)
		require.Equal(t, []string{"a", "b"}, e.BotsStopped)
		require.Len(t, e.PermitsRevoked, 2)
		require.Equal(t, []string{"2"}, h.livePermits(), "a working order still rests at its venue")
		require.Equal(t, Stop{Engaged: true, Kind: kind, Reason: "fire", Since: h.now}, h.s.Stop)
		h.ask(order("a", "m", "YES", buy, "1", "0.5"))
		require.Equal(t, []domain.ReasonCode{domain.ReasonEmergencyStop, domain.ReasonBotStopped}, h.reasons())
		h.refused(domain.CodeHalted, func(d *Decision) error { return d.StartBot("a") })
		h.must(func(d *Decision) error { return d.RegisterBot(&domain.BotRegistered{Bot: "e"}, domain.Zero, true) })
		require.Equal(t, Registered, h.botOf("e").Status)
	}
	h := halts(t)
	for _, kind := range []string{"", "other", domain.StopPortfolioDrawdown} {
		h.refused(domain.CodeInvalid, func(d *Decision) error { return d.EngageStop(kind, "fire") })
	}
	h.refused(domain.CodeInvalid, func(d *Decision) error { return d.EngageStop(domain.StopManual, "") })
}

// "portfolio_drawdown | portfolio → emergency stop", in the same append.
func TestPortfolioDrawdownIsAnEmergency(t *testing.T) {
	h := paper(t, "100", only(domain.PortfolioDrawdown, "0.4"))
	id := h.permit("a", "m", "YES", buy, "1", "0.5")
	h.lose("a", "40")
	require.Equal(t, []string{"adjustment.posted", "breaker.tripped", "emergency_stop.engaged"}, h.types())
	require.Equal(t, domain.StopPortfolioDrawdown, h.s.Stop.Kind)
	trip := lastOf[*domain.BreakerTripped](h)
	require.Equal(t, []any{"portfolio", []string{"a"}, []string{id}}, []any{trip.Scope, trip.BotsStopped, trip.PermitsRevoked})
	require.Empty(t, lastOf[*domain.EmergencyStopEngaged](h).BotsStopped, "the trip stopped them")
}

// "Clearing needs two people (one requests, another user confirms), … and leaves
// bots stopped."
func TestClearingTakesTwoPeople(t *testing.T) {
	h := halts(t)
	h.refused(domain.CodeConflict, func(d *Decision) error { return d.RequestClear("nothing is engaged") })
	h.engage(domain.StopManual)
	h.refused(domain.CodeNotFound, confirmClear(""))
	h.refused(domain.CodeNotFound, confirmClear("c1"))
	h.as(domain.RoleBot, "a").refused(domain.CodeDenied, func(d *Decision) error { return d.RequestClear("let me") })
	h.operator().refused(domain.CodeInvalid, func(d *Decision) error { return d.RequestClear("") })

	request := h.requestClear(domain.RoleOperator, "olga")
	require.True(t, h.s.Stop.Engaged, "one person is not enough")
	for _, role := range []domain.Role{domain.RoleOperator, domain.RoleApprover, domain.RoleAdmin} {
		h.as(role, "olga").refused(domain.CodeDenied, confirmClear(request))
	}
	h.as(domain.RoleBot, "olga").refused(domain.CodeDenied, confirmClear(request))
	h.as(domain.RoleApprover, "paul").refused(domain.CodeNotFound, confirmClear(request+"0"))
	h.must(confirmClear(request))
	require.Equal(t, Stop{}, h.s.Stop)
	for _, b := range []string{"a", "b", "d"} {
		require.Equal(t, Stopped, h.botOf(b).Status, "bots stay stopped")
	}
	h.operator().start("a")
	h.refused(domain.CodeConflict, confirmClear(request))
}

// "A clear request ends after 24 h like overrides": to the nanosecond; then it is asked again.
func TestARequestToClearEnds(t *testing.T) {
	h := halts(t)
	h.engage(domain.StopManual)
	request := h.requestClear(domain.RoleOperator, "olga")
	asked := h.now
	require.Equal(t, asked.Add(24*time.Hour), lastOf[*domain.EmergencyStopClearRequested](h).ExpiresAt)
	h.now = asked.Add(24 * time.Hour)
	require.Empty(t, h.s.Approvals("ledger-1", h.now), "it waits for nobody any more")
	h.as(domain.RoleApprover, "paul").refused(domain.CodeNotFound, confirmClear(request))
	clone := h.s.Clone()
	require.NoError(t, confirmClear(request)(clone.Begin(h.now.Add(-1), h.caller)), "a nanosecond before it may")
	request = h.requestClear(domain.RoleOperator, "olga")
	h.as(domain.RoleApprover, "paul").must(confirmClear(request))
}

// "A clear's signature is replayed from a restored copy of the ledger": the copy has the ledger's
// id, and gives a request of the same revision the same name. What is signed differs by the time
// of the request. What older builds asked has the lines that were signed.
func TestASignatureOfACopyClearsNothing(t *testing.T) {
	h := halts(t)
	h.engage(domain.StopManual)
	ask := func(s *State, after time.Duration) *State {
		d := s.Clone().Begin(h.now.Add(after), h.caller)
		require.NoError(t, d.RequestClear("no fire"))
		return d.s
	}
	drill, real := ask(h.s, time.Minute), ask(h.s, time.Hour)
	require.Equal(t, drill.Stop.Request, real.Stop.Request)
	wants := func(s *State) approval.Subject {
		a, waits := s.ApprovalOf("ledger-1", approval.KindClear, s.Stop.Request)
		require.True(t, waits)
		return a.Subject
	}
	real.SignedApprovals = true
	confirm := func(signed approval.Subject) error {
		d := real.Clone().Begin(h.now.Add(2*time.Hour), domain.Caller{User: "bob", Role: domain.RoleApprover})
		d.Approvers(signers(h))
		d.SignedWith(approvaltest.Sign(t, signed, "bob"))
		return d.ConfirmClear(real.Stop.Request)
	}
	require.ErrorContains(t, confirm(wants(drill)), "does not fit")
	require.NoError(t, confirm(wants(real)))
	lines := wants(real).Lines
	require.Contains(t, lines, "requested: "+h.now.Add(time.Hour).Format(time.RFC3339Nano))
	require.Contains(t, lines, "expires: "+h.now.Add(25*time.Hour).Format(time.RFC3339Nano))

	old := h.s.Clone()
	old.Apply(domain.Stamp{Revision: old.Next, Time: h.now}, &domain.EmergencyStopClearRequested{Request: real.Stop.Request, Reason: "no fire", User: "olga"})
	require.Equal(t, lines[:len(lines)-2], wants(old).Lines)
}

// A later request replaces the open one, whoever made it.
func TestOneOpenRequestAtATime(t *testing.T) {
	h := halts(t)
	h.engage(domain.StopManual)
	olgas := h.requestClear(domain.RoleOperator, "olga")
	pauls := h.requestClear(domain.RoleApprover, "paul")
	require.NotEqual(t, olgas, pauls)
	h.refused(domain.CodeNotFound, confirmClear(olgas))
	h.refused(domain.CodeDenied, confirmClear(pauls))
	h.operator().must(confirmClear(pauls))
	require.False(t, h.s.Stop.Engaged)
}

// A stop that is engaged again asks for two people again: the open request knew
// nothing of it. The first time stands; the last kind says why.
func TestEngagingAgainWithdrawsTheRequest(t *testing.T) {
	h := halts(t)
	h.engage(domain.StopManual)
	since := h.now
	request := h.requestClear(domain.RoleOperator, "olga")
	h.operator().after(time.Minute).engage(domain.StopSecurityBreach)
	require.Equal(t, []any{domain.StopSecurityBreach, since}, []any{h.s.Stop.Kind, h.s.Stop.Since})
	h.as(domain.RoleApprover, "paul").refused(domain.CodeNotFound, confirmClear(request))
}

// "is refused while portfolio_drawdown is tripped"; a request made before that
// trip does not outlive it.
func TestClearingWaitsForThePortfolioDrawdown(t *testing.T) {
	h := paper(t, "100", only(domain.PortfolioDrawdown, "0.4"))
	h.engage(domain.StopManual)
	request := h.requestClear(domain.RoleOperator, "olga")
	h.operator().lose("a", "40")
	require.Equal(t, []string{"portfolio_drawdown"}, h.tripped())
	require.Equal(t, domain.StopPortfolioDrawdown, h.s.Stop.Kind, "a trip is graver than a stop by hand")
	h.as(domain.RoleApprover, "paul").refused(domain.CodeHalted, confirmClear(request))
	h.operator().refused(domain.CodeHalted, func(d *Decision) error { return d.RequestClear("it is out") })
	h.reset(domain.PortfolioDrawdown, "", true)
	require.True(t, h.s.Stop.Engaged, "a reset clears no emergency stop")
	h.refused(domain.CodeHalted, func(d *Decision) error { return d.StartBot("a") })
	h.as(domain.RoleApprover, "paul").refused(domain.CodeNotFound, confirmClear(request))
	request = h.requestClear(domain.RoleOperator, "olga")
	h.as(domain.RoleApprover, "paul").must(confirmClear(request))
	require.Equal(t, Stopped, h.botOf("a").Status)
	h.operator().start("a")
}

// Clearing resets no breaker, and a trip after it engages it anew.
func TestStopAndBreakersAreApart(t *testing.T) {
	h := paper(t, "100", func(p *domain.Policy) { p.MaxDailyLossPct, p.MaxBotDrawdownPct = dec("0.9"), dec("0.9") })
	for range 3 {
		h.trade("a", "-1")
	}
	h.engage(domain.StopManual)
	request := h.requestClear(domain.RoleOperator, "olga")
	h.as(domain.RoleApprover, "paul").must(confirmClear(request))
	require.Equal(t, risk.Tripped, h.status(domain.ConsecutiveLosses, "a"))
	h.refused(domain.CodeHalted, func(d *Decision) error { return d.StartBot("a") })
	h.lose("a", "37")
	require.Equal(t, domain.StopPortfolioDrawdown, h.s.Stop.Kind)
	require.NotContains(t, h.tripped(), "consecutive_losses of a")
}

// The first command of a day may be the request: its name is its own revision.
func TestClearOnTheMorningAfter(t *testing.T) {
	h := halts(t)
	h.engage(domain.StopManual)
	h.after(24 * time.Hour)
	request := h.requestClear(domain.RoleOperator, "olga")
	require.Equal(t, []string{"day.opened", "emergency_stop.clear_requested"}, h.types())
	require.Equal(t, "c"+domain.PermitName(h.s.Next - 1)[1:], request)
	h.after(23*time.Hour).as(domain.RoleApprover, "paul").must(confirmClear(request))
	require.Equal(t, []string{"day.opened", "emergency_stop.cleared"}, h.types())
}

// "The event carries the effective kind and `requested_kind`; manual <
// portfolio_drawdown < system_error < security_breach": the gravest kind stays in force
// with its reason, whatever is asked for afterwards, until two people clear it.
func TestALesserStopReplacesNoGraverOne(t *testing.T) {
	asked := []string{domain.StopManual, domain.StopSystemError, domain.StopSecurityBreach}
	for _, standing := range asked {
		for _, kind := range asked {
			h := halts(t)
			h.must(func(d *Decision) error { return d.EngageStop(standing, "first") })
			h.must(func(d *Decision) error { return d.EngageStop(kind, "second") })
			e, want, reason := lastOf[*domain.EmergencyStopEngaged](h), domain.GraverStop(standing, kind), "second"
			require.Equal(t, []string{want, kind, "second"}, []string{e.Kind, e.Requested(), e.Reason})
			if want != kind {
				reason = "first"
			} else {
				require.Empty(t, e.RequestedKind, "it says nothing that kind does not")
			}
			require.Equal(t, []string{want, reason}, []string{h.s.Stop.Kind, h.s.Stop.Reason})
			request := h.requestClear(domain.RoleOperator, "olga")
			h.as(domain.RoleApprover, "paul").must(confirmClear(request))
			h.operator().must(func(d *Decision) error { return d.EngageStop(domain.StopManual, "third") })
			require.Equal(t, domain.StopManual, h.s.Stop.Kind, "what was cleared is over")
		}
	}
}

// A trip of portfolio_drawdown makes a manual stop graver, and leaves graver ones as
// they are; a stop by hand after the trip is a person's word all the same.
func TestPortfolioDrawdownAmongStops(t *testing.T) {
	for standing, want := range map[string]string{
		domain.StopManual: domain.StopPortfolioDrawdown, domain.StopSystemError: domain.StopSystemError, domain.StopSecurityBreach: domain.StopSecurityBreach,
	} {
		h := paper(t, "100", only(domain.PortfolioDrawdown, "0.4"))
		h.engage(standing)
		h.lose("a", "40")
		require.Equal(t, []string{"portfolio_drawdown"}, h.tripped())
		require.Equal(t, want, h.s.Stop.Kind)
	}
	h := paper(t, "100", only(domain.PortfolioDrawdown, "0.4"))
	h.lose("a", "40")
	require.True(t, h.botOf("a").Halted)
	h.engage(domain.StopManual)
	require.Equal(t, domain.StopPortfolioDrawdown, h.s.Stop.Kind)
	require.False(t, h.botOf("a").Halted, "a person stopped it, so it closes nothing by itself")
}

// In the streams of earlier builds the last kind is the one in force, without
// requested_kind: they fold as they did.
func TestOldStopsFoldAsTheyDid(t *testing.T) {
	h := halts(t)
	h.engage(domain.StopSecurityBreach)
	h.apply(&domain.EmergencyStopEngaged{Kind: domain.StopManual, Reason: "an earlier build"})
	require.Equal(t, []string{domain.StopManual, "an earlier build"}, []string{h.s.Stop.Kind, h.s.Stop.Reason})
}

// "A clear needs a requester whose key still lives."
func TestClearingNeedsALivingRequester(t *testing.T) {
	confirm := func(living []string, request string) func(*Decision) error {
		return func(d *Decision) error { d.Living(living, nil, nil); return d.ConfirmClear(request) }
	}
	h := halts(t)
	h.engage(domain.StopManual)
	request := h.requestClear(domain.RoleOperator, "olga")
	h.as(domain.RoleApprover, "paul")
	h.refused(domain.CodeDenied, confirm([]string{"paul", "olg", "olga2"}, request))
	h.refused(domain.CodeDenied, confirm(nil, request))
	h.must(confirm([]string{"paul", "Olga"}, request))
	for _, local := range []string{"os:alice", domain.ServerUser} { // they have no key that could be revoked
		h.operator().engage(domain.StopManual)
		request := h.requestClear(domain.RoleOperator, local)
		h.as(domain.RoleApprover, "paul").refused(domain.CodeDenied, func(d *Decision) error {
			d.Living([]string{"paul"}, []string{local}, nil) // but had one, of an earlier build
			return d.ConfirmClear(request)
		})
		h.must(confirm([]string{"paul"}, request))
	}
}

// "Users are compared case-folded everywhere": Olga is no second person to olga.
func TestCaseMakesNoSecondPerson(t *testing.T) {
	h := halts(t)
	h.engage(domain.StopManual)
	request := h.requestClear(domain.RoleOperator, "olga")
	for _, same := range []string{"olga", "Olga", "OLGA"} {
		h.as(domain.RoleApprover, same).refused(domain.CodeDenied, confirmClear(request))
	}
	h.as(domain.RoleApprover, "paul").must(confirmClear(request))
}
