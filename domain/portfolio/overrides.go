package portfolio

import (
	"encoding/json"
	"reflect"
	"strings"

	"pets/domain"
)

// OverrideKind is a row of the table of overrides: something that takes two people.
// A new kind is one row, and one file with its functions.
type OverrideKind struct {
	// Name is the literal in events, requests and lines that are signed.
	Name string
	// About says what it is for, as help shows it.
	About string
	// Content is the type of what a request carries in limits, nil if it carries
	// nothing. Of a Patch every field may be left out.
	Content reflect.Type
	Patch   bool
	// OnChain: the request and its confirmation say something that is compared with the
	// chain, so they go through custody where there is one.
	OnChain bool
	// AlwaysSigned: it is signed whatever the rule of the portfolio is.
	AlwaysSigned bool

	// anyClock: it may be requested and confirmed while the wall clock is behind.
	anyClock bool
	// check refuses a request that could not be confirmed now. It adds to the event what
	// is known at that moment.
	check func(d *Decision, e *domain.OverrideRequested) error
	// confirm decides again, on the current state, and records the override and what it
	// changes.
	confirm func(d *Decision, o *Override, e *domain.OverrideRecorded) error
	// content and subject are the lines of the request that its approver is shown before
	// and after who asks, and why. Without content they are its keys and values.
	content, subject func(s *State, o *Override) []string
	// requested and recorded fold what the two events change beside the override itself.
	requested func(s *State)
	recorded  func(s *State, e *domain.OverrideRecorded)
	// apart reports whether two requests are about different things, so that both may wait
	// at a time. Without it a new request replaces an open one of the kind.
	apart func(a, b json.RawMessage) bool
}

// OverrideKinds is the table. It is a function because its rows fold and decide, and
// these read the table.
func OverrideKinds() []OverrideKind {
	return []OverrideKind{
		{
			Name: domain.OverrideGoLive, About: "in a paper portfolio: --for NAME may then be opened in mode live", AlwaysSigned: true,
			check:   func(d *Decision, e *domain.OverrideRequested) error { return d.checkGoLive(e.Portfolio, e.Limits) },
			confirm: func(d *Decision, _ *Override, e *domain.OverrideRecorded) error { d.emit(e); return nil },
		},
		{
			Name: domain.OverrideLimits, About: "of a live portfolio: KEY=VALUE, looser than what is set (rules 1: than the defaults)", Content: reflect.TypeFor[domain.Policy](), Patch: true,
			check:   func(d *Decision, e *domain.OverrideRequested) error { return d.checkLooser(e.Portfolio, e.Limits) },
			confirm: (*Decision).confirmLimits,
		},
		{
			Name: domain.OverrideTreasury, About: "of a live portfolio: KEY=VALUE, as pets treasury set has them", Content: reflect.TypeFor[domain.TreasuryPolicy](), Patch: true,
			check: func(d *Decision, e *domain.OverrideRequested) error {
				return d.checkLooserTreasury(e.Portfolio, e.Limits)
			},
			confirm: (*Decision).confirmTreasury,
		},
		{
			Name: domain.OverrideTransfer, About: "the outcome of one: transfer= outcome= tx_hash= block= fee=", Content: reflect.TypeFor[TransferSettlement](), OnChain: true,
			check: func(d *Decision, e *domain.OverrideRequested) error {
				_, _, err := d.settlementOf(e.Portfolio, e.Limits)
				return err
			},
			confirm: (*Decision).confirmSettlement, subject: (*State).settledLines,
		},
		{
			Name: domain.OverrideAdjustment, About: "corrects the books of a live portfolio: account= asset= amount= [of=REVISION of a deposit or withdrawal]", Content: reflect.TypeFor[Adjustment](),
			check: (*Decision).checkAdjustment, confirm: (*Decision).confirmAdjustment, content: adjustmentLines, apart: otherAccounts,
			requested: func(s *State) { s.CorrectedByTwo = true },
		},
		{
			Name: domain.OverrideTokens, About: "those of a market: market=NAME [condition=ID] OUTCOME=TOKEN…, or none, which frees them", Content: reflect.TypeFor[MarketTokens](), OnChain: true,
			check: (*Decision).checkTokensOverride, confirm: (*Decision).confirmTokens,
		},
		{
			Name: domain.OverridePayouts, About: "of an exclusive market, whatever their sum: market=NAME OUTCOME=PAYOUT…", Content: reflect.TypeFor[AgreedPayouts](),
			check: func(d *Decision, e *domain.OverrideRequested) error {
				_, err := d.overriddenPayouts(e.Portfolio, e.Limits, "requested")
				return err
			},
			confirm: (*Decision).settleAgreed, apart: otherMarkets,
		},
		{
			Name: domain.OverrideSettlement, About: "what a settled market pays after all: market=NAME void=yes or OUTCOME=PAYOUT… [rebase=yes]", Content: reflect.TypeFor[Correction](),
			check: func(d *Decision, e *domain.OverrideRequested) error {
				_, err := d.overriddenCorrection(e.Portfolio, e.Limits, e.Reason)
				return err
			},
			confirm: (*Decision).confirmCorrection, apart: otherMarkets,
		},
		{
			Name: domain.OverrideClock, About: "to go on with a clock that is behind the last record", anyClock: true,
			check: func(d *Decision, e *domain.OverrideRequested) error {
				e.Offset = d.clockOffset()
				return d.checkClockOverride(e.Portfolio, e.Limits)
			},
			confirm: (*Decision).acceptClock, content: clockLines,
			recorded: func(s *State, e *domain.OverrideRecorded) { s.ClockOffset = e.Offset },
		},
		{
			Name: domain.OverrideSigned, About: "of a live portfolio of an older build: approvals are signed from here on, for good", AlwaysSigned: true,
			check: func(d *Decision, e *domain.OverrideRequested) error {
				return d.checkSignedApprovals(e.Portfolio, e.Limits)
			},
			confirm: (*Decision).confirmSigned, recorded: (*State).signFromHere,
		},
	}
}

// otherMarkets reports whether two requests are about different markets.
func otherMarkets(a, b json.RawMessage) bool {
	var one, other struct{ Market string }
	return json.Unmarshal(a, &one) == nil && json.Unmarshal(b, &other) == nil && one.Market != other.Market
}

// OverrideKindOf returns the row of a kind, or false if this build has none.
func OverrideKindOf(name string) (OverrideKind, bool) {
	for _, k := range OverrideKinds() {
		if k.Name == name {
			return k, true
		}
	}
	return OverrideKind{}, false
}

// NamedOverrides lists the kinds for a message: a, b or c.
func NamedOverrides() string {
	var names []string
	for _, k := range OverrideKinds() {
		names = append(names, k.Name)
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

func (d *Decision) checkGoLive(portfolio string, limits json.RawMessage) error {
	switch {
	case d.s.Mode != domain.ModePaper || d.imported():
		return domain.Errorf(domain.CodeConflict, "go_live has to be requested in the paper portfolio that was traded before, which has a clock of its own")
	case len(limits) > 0:
		return domain.Invalid("limits", "are not allowed with go_live")
	}
	return domain.CheckID("portfolio", portfolio)
}

func (d *Decision) checkLooser(portfolio string, limits json.RawMessage) error {
	switch {
	case portfolio != "":
		return domain.Invalid("portfolio", "is not allowed with limits, which concern this portfolio")
	case d.s.Mode != domain.ModeLive:
		return domain.Errorf(domain.CodeConflict, "the limits of a paper portfolio can be changed by one person")
	}
	p, err := patched(d.s.Policy, limits)
	if err != nil {
		return err
	}
	return d.checkPolicy(&p)
}

// confirmLimits changes the limits, based on the current ones, and evaluates every
// breaker against them.
func (d *Decision) confirmLimits(o *Override, e *domain.OverrideRecorded) error {
	p, err := patched(d.s.Policy, o.Limits)
	if err != nil {
		return err
	}
	if err := d.checkPolicy(&p); err != nil {
		return err
	}
	d.emit(e)
	d.fact(&domain.LimitsChanged{Policy: p, Reason: o.Reason})
	d.evaluate(d.s.BotIDs())
	return nil
}

func (d *Decision) checkLooserTreasury(portfolio string, rules json.RawMessage) error {
	switch {
	case portfolio != "":
		return domain.Invalid("portfolio", "is not allowed with treasury_policy, which concerns this portfolio")
	case d.s.Mode != domain.ModeLive:
		return domain.Errorf(domain.CodeConflict, "the treasury policy of a paper portfolio can be changed by one person")
	}
	_, err := patchedTreasury(d.s.Custody.Policy, rules)
	return err
}

// confirmTreasury changes the treasury rules, based on the current ones.
func (d *Decision) confirmTreasury(o *Override, e *domain.OverrideRecorded) error {
	p, err := patchedTreasury(d.s.Custody.Policy, o.Limits)
	if err != nil {
		return err
	}
	d.emit(e)
	d.changeTreasury(p, o.Reason)
	return nil
}
