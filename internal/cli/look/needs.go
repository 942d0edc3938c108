package look

import (
	"context"
	"fmt"
	"strings"
	"time"

	"pets/commands/client"
	"pets/domain"
	"pets/domain/approval"
	"pets/domain/portfolio"
	"pets/domain/treasury"
	"pets/internal/cli"
	"pets/internal/cli/show"
	"pets/internal/notice"
	"pets/projections"
)

// transferPatience is how long a transfer may take before a person should look at it.
const transferPatience = time.Hour

// portfolioStatus describes one portfolio in pets status.
type portfolioStatus struct {
	Portfolio string       `json:"portfolio"`
	Mode      domain.Mode  `json:"mode"`
	Clock     domain.Clock `json:"clock"`
	Revision  uint64       `json:"revision"`
	Running   int          `json:"bots_running"`
	Bots      int          `json:"bots"`
	// Rules is the edition of the rules that it lives by.
	Rules int `json:"rules"`
}

func (s *portfolioStatus) describe() string {
	text := fmt.Sprintf("%s, revision %d, %d of %s running, rules %d", s.Mode, s.Revision, s.Running, howMany(s.Bots, "bot", "bots"), s.Rules)
	if s.Clock == domain.ClockImported {
		text += "; imported: it shows what would have happened"
	}
	return text
}

// watched is the part of a state that pets status reads; a bot's key sees its own part of it.
type watched struct {
	Mode          domain.Mode               `json:"mode"`
	Clock         domain.Clock              `json:"clock"`
	EmergencyStop projections.EmergencyStop `json:"emergency_stop"`
	Bots          []projections.Bot         `json:"bots"`
	Breakers      []projections.Breaker     `json:"breakers"`
	Positions     []projections.Position    `json:"positions"`
	BaseAsset     string                    `json:"base_asset"`
	Doubts        []projections.Doubt       `json:"doubts"`
	WaitingMarks  []projections.WaitingMark `json:"waiting_marks"`
	PartlyMarked  []string                  `json:"partly_marked"`
	Unreconciled  bool                      `json:"unreconciled"`
	Policy        domain.Policy             `json:"policy"`
}

// lookAfter looks for what needs a person in the configured portfolio. An imported portfolio
// shows the past, so nothing in it does.
func (a *app) lookAfter(ctx context.Context, s *status, one show.ListedPortfolio) error {
	var v watched
	if err := a.View(ctx, "", "/state", nil, &v); err != nil {
		return err
	}
	about := portfolioStatus{Portfolio: one.Portfolio, Mode: v.Mode, Clock: v.Clock, Revision: one.Revision, Bots: len(v.Bots), Rules: max(v.Policy.Rules, 1)}
	for _, b := range v.Bots {
		if b.Status == portfolio.Running {
			about.Running++
		}
	}
	s.Portfolios = append(s.Portfolios, about)
	if v.Clock == domain.ClockImported {
		return nil
	}
	found := []attention{}
	var failed error
	for _, look := range []func(context.Context, *watched) ([]attention, error){a.needsOfState, a.needsOfPermits, a.needsOfTransfers, a.needsOfTreasury, a.needsOfOverrides} {
		more, err := look(ctx, &v)
		found = append(found, more...)               // also what was seen before the error
		if client.CodeOf(err) == domain.CodeDenied { // the key may not see it
			s.Unseen = append(s.Unseen, fmt.Sprintf("of %s, what the role of the key does not show: %v", one.Portfolio, err))
			continue
		}
		if err != nil {
			failed = err
			break
		}
	}
	for _, n := range found {
		n.Portfolio = one.Portfolio
		s.Needs = append(s.Needs, n)
	}
	return failed
}

func (a *app) needsOfState(ctx context.Context, v *watched) ([]attention, error) {
	var out []attention
	state := a.Advise("state")
	story, err := show.AskStory(ctx, a.App, "", v.EmergencyStop)
	if v.EmergencyStop.Engaged {
		when, before := story.When(v.EmergencyStop)
		n := attention{What: fmt.Sprintf("EMERGENCY STOP, %s, since %s: %s", *v.EmergencyStop.Kind, when, *v.EmergencyStop.Reason), Next: state}
		if before != "" {
			n.What += "; " + before
		}
		if v.EmergencyStop.Pending {
			n.What += "; it HOLDS, and is not recorded yet"
		}
		out = append(out, n)
	}
	for _, b := range show.TrippedOf(v.Breakers) {
		name := "breaker " + b.Breaker
		if b.Bot != nil {
			name += " of " + *b.Bot
		}
		out = append(out, attention{What: name + " is tripped", Next: state})
	}
	for _, b := range v.Bots {
		if b.Pending {
			out = append(out, attention{What: "the stop of " + b.Bot + " HOLDS, and is not recorded yet", Next: state})
		}
	}
	for _, d := range v.Doubts {
		out = append(out, attention{What: show.InDoubt(a.App, d, v.BaseAsset), Next: a.Advise("balances")})
	}
	out = append(out, a.needsOfMarks(v)...)
	for _, p := range v.Positions {
		if !p.OpenLeg.IsZero() {
			out = append(out, attention{What: fmt.Sprintf("%s holds %s %s/%s of an arbitrage whose other legs were not filled", p.Bot, p.OpenLeg, p.Market, p.Outcome), Next: a.Advise("positions")})
		}
		if p.Oversold {
			out = append(out, attention{What: fmt.Sprintf("%s sold more of %s/%s than it had", p.Bot, p.Market, p.Outcome), Next: a.Advise("positions")})
		}
	}
	for _, words := range show.LateSettlements(v.Positions) {
		out = append(out, attention{What: "what is held of a settled market came late; the same payouts again pay it out", Next: a.Advise(words...)})
	}
	if open := story.Clear; err == nil && open.ID != "" && (open.Ends.IsZero() || time.Now().Before(open.Ends)) {
		out = append(out, attention{What: fmt.Sprintf("%s asked to clear the emergency stop; another person confirms, as an approver", open.User), Next: a.Advise("clear", "--confirm", open.ID)})
	}
	return out, err
}

// needsOfMarks lists prices that a person should look at: marks that are too old, and those that
// still wait although their time is over, because nothing is recorded, or because the first mark of
// an asset needs another user.
func (a *app) needsOfMarks(v *watched) []attention {
	var out []attention
	if old := show.Stale(v.Positions); old != "" {
		out = append(out, attention{What: fmt.Sprintf("what is held of %s has had no mark for longer than mark_max_age (%s)", old, v.Policy.MarkMaxAge), Next: a.Advise("positions")})
	}
	after := v.Policy.ConfirmAfter()
	for _, w := range v.WaitingMarks {
		if w.InForce == nil || a.Clock()().Sub(w.Since) > after+time.Minute {
			out = append(out, attention{What: "a mark waits: " + show.Waiting(w, after), Next: a.Advise("state")})
		}
	}
	if len(v.PartlyMarked) > 0 {
		out = append(out, attention{What: show.Partly(v.PartlyMarked) + "; the feed is to send the marks of all outcomes in one command", Next: a.Advise("state")})
	}
	if v.Unreconciled {
		out = append(out, attention{What: fmt.Sprintf("two reconciliations in a row found less %s on the chain than is recorded, and nothing is opened: find what is missing, correct the books, and reconcile", v.BaseAsset), Next: a.Advise("treasury")})
	}
	return out
}

// needsOfPermits lists placed orders that may still be filled although nothing is to be traded,
// or that are past their own expiry, because a clock jumped. Whether they rest at the venue, only
// a person can find out.
func (a *app) needsOfPermits(ctx context.Context, now *watched) ([]attention, error) {
	var v struct{ Permits []projections.Permit }
	if err := a.View(ctx, "", "/permits", nil, &v); err != nil {
		return nil, err
	}
	var out []attention
	resting := show.Resting(v.Permits, now.EmergencyStop, now.Bots)
	if len(resting) > show.MostPrinted {
		out = append(out, attention{What: fmt.Sprintf("%d orders of stopped bots rest and may still be filled: a stop does not reach a venue. Cancel them there, then release their permits", len(resting)), Next: a.Advise("permits")})
		resting = nil
	}
	for _, p := range resting {
		out = append(out, attention{
			What: fmt.Sprintf("the order of permit %s of %s, which is stopped, rests and may still be filled: a stop does not reach a venue. Cancel it there, then release the permit", p.Permit, p.Bot),
			Next: a.Advise("permit", "release", p.Permit),
		})
	}
	for _, p := range v.Permits {
		if p.WayOut && p.Reduces {
			out = append(out, attention{
				What: fmt.Sprintf("by permit %s an operator closes %s × %s for %s, and its fill is not reported: report it, or cancel the order and release the permit", p.Permit, p.Left, cli.Instrument(p.Market, p.Outcome), p.Bot),
				Next: a.Advise("permit", "release", p.Permit),
			})
		}
		if p.ExpiresAt != nil && p.ExpiresAt.Add(time.Minute).Before(a.Clock()()) {
			out = append(out, attention{
				What: fmt.Sprintf("the order of permit %s of %s should have ended at %s UTC. Look at the venue; if it does not rest there", p.Permit, p.Bot, cli.Clock(*p.ExpiresAt)),
				Next: a.Advise("permit", "release", p.Permit),
			})
		}
	}
	return out, nil
}

func (a *app) needsOfTransfers(ctx context.Context, _ *watched) ([]attention, error) {
	var v show.TransfersView
	if err := a.View(ctx, "", "/transfers", nil, &v); err != nil {
		return nil, err
	}
	var out []attention
	for i := range v.Transfers {
		t := &v.Transfers[i]
		switch {
		case show.IsOver(t):
		case t.ToSign != nil && t.ToSign.Way == portfolio.WayEnd:
			out = append(out, a.needOfSignature(t)...)
		case t.Barred != "" && t.Cancel == nil:
			out = append(out, attention{What: fmt.Sprintf("%s is %s, and nothing more of it is signed: %s", t.Transfer, t.Status, t.Barred), Next: a.Advise("transfers", t.Transfer)})
		case t.Status == treasury.Requested:
			others := t.RequestedBy
			switch {
			case t.FirstApprovedBy != "":
				others += " and " + t.FirstApprovedBy
			case t.Approvals > 1:
				others += ", and of another one"
			}
			out = append(out, attention{What: fmt.Sprintf("%s waits for the approval of someone other than %s, until %s UTC: %s", t.Transfer, others, cli.Clock(t.ExpiresAt), show.InWords(t)), Next: a.Advise("approve", t.Transfer)})
		case t.Raise != nil:
			out = append(out, attention{What: fmt.Sprintf("%s has too low a fee, and waits for the approval of a highest fee of %s %s by someone other than %s, until %s UTC", t.Transfer, t.Raise.HighestFee, t.GasAsset, t.Raise.RequestedBy, cli.Clock(t.Raise.ExpiresAt)), Next: a.Advise("approve", t.Transfer)})
		case t.ToSign != nil:
			out = append(out, a.needOfSignature(t)...)
		case t.FeeLapsed:
			out = append(out, attention{What: t.Transfer + " was prepared with a higher fee whose approval has lapsed, and is not signed with it any more", Next: a.Advise("transfers", t.Transfer)})
		case a.Clock()().Sub(t.RequestedAt) > transferPatience:
			out = append(out, attention{What: fmt.Sprintf("%s was asked for at %s UTC and is not over: it is %s", t.Transfer, cli.Clock(t.RequestedAt), t.Status), Next: a.Advise("transfers", t.Transfer)})
		}
	}
	return out, nil
}

// needOfSignature says what is to be signed where the key of a cold wallet is, or what is to be
// done with it instead. What waits by itself, such as for the end of a stop, is said only once it
// has waited for long.
func (a *app) needOfSignature(t *projections.Transfer) []attention {
	n := attention{Next: a.Advise(show.WayOf(t)...)}
	what := show.InWords(t)
	if t.ToSign.What == projections.ToSignCancellation {
		what = "what CANCELS the " + what
	}
	switch {
	case t.ToSign.Not == "":
		n.What, n.Next = t.Transfer+" waits to be signed where the key of the cold wallet is: "+what, a.Advise("cold", "export", t.Transfer)
	case t.ToSign.Way == portfolio.WayEnd:
		n.What = fmt.Sprintf("%s must not be signed any more (%s): %s", t.Transfer, t.ToSign.Not, what)
		if t.Status == treasury.Prepared { // what is signed already can only be cancelled
			n.What += fmt.Sprintf(". Reject it if it was never signed; if it was, cancel it (%s)", a.Advise("transfer", "cancel", t.Transfer, "--reason", cli.Unsaid))
		}
	case t.ToSign.Way != portfolio.WayWait:
		n.What = fmt.Sprintf("%s must not be signed (%s): %s", t.Transfer, t.ToSign.Not, what)
	case a.Clock()().Sub(t.RequestedAt) > transferPatience:
		n.What = fmt.Sprintf("%s was asked for at %s UTC and is not over: it must not be signed now (%s)", t.Transfer, cli.Clock(t.RequestedAt), t.ToSign.Not)
	default:
		return nil
	}
	return []attention{n}
}

func (a *app) needsOfTreasury(ctx context.Context, v *watched) ([]attention, error) {
	var t show.TreasuryView
	if v.Mode != domain.ModeLive {
		return nil, nil
	}
	if err := a.View(ctx, "", "/treasury", nil, &t); err != nil {
		return nil, err
	}
	var out []attention
	for _, d := range t.Differences {
		if d.Unsure != "" {
			out = append(out, attention{
				What: fmt.Sprintf("in %s the chain has %s%s: outgoing transfers wait until it is explained. Book nothing for it now: %s; then reconcile", d.Place, show.MoreOrLess(d.Difference, d.Asset), show.AsOf(t.ReconciledAt), d.Unsure),
				Next: a.Advise("reconcile"),
			})
			continue
		}
		says, command := show.Explains(a.Config.Portfolio, d, t.ReconciledAt)
		out = append(out, attention{
			What: fmt.Sprintf("in %s the chain has %s%s: outgoing transfers wait until it is explained. Unless that was done since then, find what explains it, such as %s, and record it (%s); then reconcile", d.Place, show.MoreOrLess(d.Difference, d.Asset), show.AsOf(t.ReconciledAt), says, a.Advise(command...)),
			Next: a.Advise("reconcile"),
		})
	}
	for _, n := range t.Problems {
		out = append(out, attention{What: show.Problem(n), Next: a.lookInto(n)})
	}
	if t.HotAboveSince != nil {
		out = append(out, attention{What: "the hot wallet is " + show.HotShare(&t), Next: a.Advise("treasury")})
	}
	return out, nil
}

// lookInto is the command that shows more of a problem.
func (a *app) lookInto(n notice.Standing) cli.Advice {
	wallet, ofWallet := strings.CutPrefix(n.Subject, "wallet ")
	switch {
	case n.Kind == notice.TransferStuck, n.Kind == notice.TransferFailed, n.Kind == notice.TransferReopened:
		return a.Advise("transfers", n.Subject)
	case n.Kind == notice.ChainUnread:
		return a.Advise("reconcile")
	case ofWallet:
		return a.Advise("wallet", "verify", wallet)
	}
	return a.Advise("treasury")
}

// needsOfOverrides lists the requests that wait for a second person.
// What replaced another one, or made room for it, does not wait any more: only the state knows that.
func (a *app) needsOfOverrides(ctx context.Context, _ *watched) ([]attention, error) {
	var waiting struct{ Approvals []projections.Approval }
	switch err := a.View(ctx, "", "/approvals", nil, &waiting); {
	case client.CodeOf(err) == domain.CodeDenied: // the key of a bot or a feed, which shows no request either
		return nil, nil
	case err != nil:
		return nil, err
	}
	waits := map[string]bool{}
	for _, one := range waiting.Approvals {
		if one.Kind == approval.KindOverride {
			waits[one.ID] = true
		}
	}
	if len(waits) == 0 {
		return nil, nil // nothing of the history is read, which may be long
	}
	open := map[string]*domain.OverrideRequested{}
	var order []string
	err := a.EachEvent(ctx, cli.EventQuery{After: -1, Types: []string{"override."}}, func(line cli.EventLine) error {
		e, err := domain.Decode(line.Type, line.Data)
		switch e := e.(type) {
		case *domain.OverrideRequested:
			open[e.Override] = e
			order = append(order, e.Override)
		case *domain.OverrideRecorded:
			delete(open, e.Override)
		}
		return err
	})
	var out []attention
	for _, id := range order {
		if o := open[id]; o != nil && waits[id] {
			out = append(out, attention{What: fmt.Sprintf("%s asked for override %s (%s); another person confirms, as an approver: %s", o.User, o.Kind, id, o.Reason), Next: a.Advise("override", "confirm", id)})
		}
	}
	return out, err
}
