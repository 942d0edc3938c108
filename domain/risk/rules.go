package risk

import (
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"pets/domain"
)

// Scope is what a breaker applies to.
type Scope string

// The scopes, as spelled in breaker.tripped.
const (
	OfBot       Scope = "bot"
	OfPortfolio Scope = "portfolio"
)

// Subject is what a breaker measures at a moment: one bot, or the portfolio.
type Subject struct {
	Refs   *References
	Equity domain.Decimal
	// Streak and Closings belong to a bot; the portfolio has none.
	Streak   *Streak
	Closings int
	// Time is the moment of the measurement. NewDay reports that no record has
	// opened its day yet.
	Time   time.Time
	NewDay bool
}

// Rule is one breaker: a row of the table.
type Rule struct {
	// Name is the breaker's name in events, URLs and responses.
	Name  string
	Scope Scope
	// Key is the policy key of its limit; the environment variable is the same in
	// upper case.
	Key   string
	Limit func(*domain.Policy) domain.Decimal
	// Default is the limit of a new portfolio. A rule with default 0 is switched
	// off by 0; any other cannot be switched off.
	Default domain.Decimal
	// Whole marks a value that is a count; it warns at limit − 1.
	Whole bool
	// Value returns what is compared with the limit.
	Value func(Subject) domain.Decimal
	// From returns the equity that a ratio is measured from, as shown by
	// breaker.tripped. A count has none, and is evaluated even without capital.
	From func(Subject) domain.Decimal
	// A rule has exactly one of the two. Reset runs on every reset and makes the
	// value 0. Rebase runs only on a reset with rebase, and makes the rule
	// measure from the current equity.
	Reset, Rebase func(Subject)
	// Stop is the kind of emergency stop that its trip engages, or "".
	Stop string
	// OnClosed reports that the statistics of closed trades apply the rule, too.
	OnClosed bool

	// The following may be nil. Day runs when a calendar day opens. Hour runs
	// before every event, with the time of the event and the equity before it. On
	// and Off run when the limit changes from 0 to another value, and back.
	Day, Hour, On, Off func(Subject)
}

// rules lists all breakers in the order of evaluation.
var rules = mustHold([]Rule{
	{
		Name: domain.ConsecutiveLosses, Scope: OfBot, Key: "max_consecutive_losses", Default: domain.FromInt(3), Whole: true, OnClosed: true,
		Limit: func(p *domain.Policy) domain.Decimal { return domain.FromInt(int64(p.MaxConsecutiveLosses)) },
		Value: func(s Subject) domain.Decimal { return domain.FromInt(int64(s.Streak.Losses)) },
		Reset: func(s Subject) { s.Streak.Reset(s.Closings) },
	},
	{
		Name: domain.DailyLoss, Scope: OfPortfolio, Key: "max_daily_loss_pct", Default: domain.MustDecimal("0.05"), OnClosed: true,
		Limit: func(p *domain.Policy) domain.Decimal { return p.MaxDailyLossPct },
		Value: dayLoss, From: dayOpen, Rebase: openDay, Day: openDay,
	},
	botDailyLoss,
	rollingLoss,
	{
		Name: domain.BotDrawdown, Scope: OfBot, Key: "max_bot_drawdown_pct", Default: domain.MustDecimal("0.25"), OnClosed: true,
		Limit: func(p *domain.Policy) domain.Decimal { return p.MaxBotDrawdownPct },
		Value: fall, From: peak, Rebase: rebasePeak,
	},
	{
		Name: domain.PortfolioDrawdown, Scope: OfPortfolio, Key: "max_portfolio_drawdown_pct", Default: domain.MustDecimal("0.40"),
		Limit: func(p *domain.Policy) domain.Decimal { return p.MaxPortfolioDrawdownPct },
		Value: fall, From: peak, Rebase: rebasePeak, Stop: domain.StopPortfolioDrawdown,
	},
})

func fall(s Subject) domain.Decimal { return s.Refs.Drawdown(s.Equity) }
func peak(s Subject) domain.Decimal { return s.Refs.Peak }
func rebasePeak(s Subject)          { s.Refs.Rebase(s.Equity) }

// dayLoss starts the loss at 0 on a new day, even before a record opens that day.
func dayLoss(s Subject) domain.Decimal {
	refs := *s.Refs
	refs.Flows = nil
	if s.NewDay {
		refs.OpenDay(s.Equity)
	}
	return refs.DailyLoss(s.Equity)
}

func dayOpen(s Subject) domain.Decimal { return s.Refs.DayOpen }
func openDay(s Subject)                { s.Refs.OpenDay(s.Equity) }

// Rules returns all breakers in the order of evaluation.
func Rules() iter.Seq[*Rule] {
	return func(yield func(*Rule) bool) {
		for i := range rules {
			if !yield(&rules[i]) {
				return
			}
		}
	}
}

// RuleOf is the only way from a name to a breaker. A name comes from a stream,
// which a newer build may have written, from a URL or from a flag, so the caller
// has to handle a name that is not in the table.
func RuleOf(name string) (*Rule, bool) {
	i := slices.IndexFunc(rules, func(r Rule) bool { return r.Name == name })
	if i < 0 {
		return nil, false
	}
	return &rules[i], true
}

// Names lists the breakers for a message.
func Names() string {
	names := make([]string, len(rules))
	for i := range rules {
		names[i] = rules[i].Name
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// Optional reports whether a limit of 0 switches the rule off.
func (r *Rule) Optional() bool { return r.Default.IsZero() }

// IsOn reports whether the rule is on under a policy.
func (r *Rule) IsOn(p *domain.Policy) bool { return !r.Optional() || r.Limit(p).Sign() > 0 }

// Looser reports whether policy a allows a higher value than policy b.
func (r *Rule) Looser(a, b *domain.Policy) bool {
	if !r.IsOn(a) || !r.IsOn(b) {
		return r.IsOn(b)
	}
	return r.Limit(b).Less(r.Limit(a))
}

// mustHold panics at program start if a row of the table is incomplete.
func mustHold(table []Rule) []Rule {
	for i := range table {
		if err := table[i].complete(); err != nil {
			panic(fmt.Sprintf("risk: breaker %q: %v", table[i].Name, err))
		}
		if slices.ContainsFunc(table[:i], func(r Rule) bool { return r.Name == table[i].Name || r.Key == table[i].Key }) {
			panic(fmt.Sprintf("risk: breaker %q: its name or key occurs twice in the table", table[i].Name))
		}
	}
	return table
}

// complete says what is missing from a row, or does not fit the policy.
func (r *Rule) complete() error {
	switch {
	case r.Name == "" || r.Key == "" || r.Limit == nil || r.Value == nil:
		return fmt.Errorf("lacks a name, a policy key, a limit or a value")
	case r.Scope != OfBot && r.Scope != OfPortfolio:
		return fmt.Errorf("has no scope")
	case (r.Reset == nil) == (r.Rebase == nil):
		return fmt.Errorf("must have either a reset or a rebase: a person could not end its trip otherwise")
	case r.Whole != (r.From == nil):
		return fmt.Errorf("is a ratio without a reference, or a count with one")
	case r.Stop != "" && r.Stop != domain.StopPortfolioDrawdown:
		return fmt.Errorf("engages an unknown kind of emergency stop")
	}
	return r.fitsPolicy()
}

// fitsPolicy checks that the policy has the key and the default, that Limit reads
// that key, and that Validate refuses a bad value.
func (r *Rule) fitsPolicy() error {
	p := domain.DefaultPolicy(domain.ModeLive)
	if r.Limit(&p) != r.Default {
		return fmt.Errorf("has another default than the policy: %s", r.Limit(&p))
	}
	set := func(text string) error { return json.Unmarshal([]byte(`{"`+r.Key+`":`+text+`}`), &p) }
	some, bad := `"0.123"`, `"1.5"`
	if r.Whole {
		some, bad = `123`, `-1`
	}
	if err := set(some); err != nil || r.Limit(&p) != domain.MustDecimal(strings.Trim(some, `"`)) {
		return fmt.Errorf("does not read its limit from the policy's %s", r.Key)
	}
	if err := set(bad); err != nil || p.Validate() == nil {
		return fmt.Errorf("the policy does not check %s", r.Key)
	}
	return nil
}
