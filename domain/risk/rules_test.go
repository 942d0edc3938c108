package risk

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// House: “No fall-through default: an unknown breaker is a compile or start error.”
// Each hole that a row can have stops the program before it begins.
func TestARowWithAHoleIsAStartError(t *testing.T) {
	whole := func() Rule { return *ruleOf(t, domain.DailyLoss) }
	require.NotPanics(t, func() { mustHold([]Rule{whole()}) })
	for want, spoil := range map[string]func(*Rule){
		"lacks a name":                  func(r *Rule) { r.Name = "" },
		"lacks a name, a policy key":    func(r *Rule) { r.Key = "" },
		"a limit or a value":            func(r *Rule) { r.Limit = nil },
		"or a value":                    func(r *Rule) { r.Value = nil },
		"has no scope":                  func(r *Rule) { r.Scope = "market" },
		"either a reset or a rebase":    func(r *Rule) { r.Rebase = nil },
		"a reset or a rebase: a person": func(r *Rule) { r.Reset = r.Rebase },
		"a ratio without a reference":   func(r *Rule) { r.From = nil },
		"or a count with one":           func(r *Rule) { r.Whole = true },
		"an unknown kind of":            func(r *Rule) { r.Stop = domain.StopManual },
		"another default than":          func(r *Rule) { r.Default = dec("0.1") },
		"from the policy's max_market":  func(r *Rule) { r.Key = "max_market_loss_pct" },
		"limit from the policy's": func(r *Rule) {
			r.Default, r.Limit = domain.Zero, func(*domain.Policy) domain.Decimal { return domain.Zero }
		},
		"does not check fee_bps": func(r *Rule) {
			r.Default, r.Key, r.Limit = domain.Zero, "fee_bps", func(p *domain.Policy) domain.Decimal { return p.FeeBPS }
		},
	} {
		r := whole()
		spoil(&r)
		require.ErrorContains(t, r.complete(), want)
		require.Panics(t, func() { mustHold([]Rule{r}) }, want)
	}
	require.PanicsWithValue(t, `risk: breaker "daily_loss": its name or key occurs twice in the table`, func() {
		mustHold([]Rule{whole(), whole()})
	})
}

// RuleOf is “the only way from a name to a breaker”: it finds every row by its name, and
// nothing else is one. The message lists all of them, in the order of evaluation.
func TestNamesLeadToRules(t *testing.T) {
	var names []string
	for r := range Rules() {
		names = append(names, r.Name)
		found, ok := RuleOf(r.Name)
		require.True(t, ok)
		require.Same(t, r, found)
		for _, other := range []string{strings.ToUpper(r.Name), r.Name + " ", r.Key} {
			_, ok := RuleOf(other)
			require.False(t, ok, other)
		}
	}
	_, ok := RuleOf("")
	require.False(t, ok)
	require.Equal(t, names, strings.Split(strings.Replace(Names(), " or ", ", ", 1), ", "))
	for range Rules() {
		break // a reader may leave
	}
}

// Breakers stand in the order of the table, bot by bot, unknown ones behind them.
func TestOrderOfBreakers(t *testing.T) {
	keys := []Key{{"zeal", ""}, {"acme", "b"}, {"acme", "a"}, {domain.BotDrawdown, "b"}, {domain.BotDrawdown, "a"}, {domain.DailyLoss, ""}, {domain.ConsecutiveLosses, "z"}}
	want := slices.Clone(keys)
	slices.Reverse(want)
	want[len(want)-3], want[len(want)-2], want[len(want)-1] = Key{"acme", "a"}, Key{"acme", "b"}, Key{"zeal", ""}
	slices.SortFunc(keys, Compare)
	require.Equal(t, want, keys)
}

// The four that a portfolio always has cannot be switched off.
func TestTheFourAreAlwaysOn(t *testing.T) {
	for _, d := range defaults {
		require.False(t, ruleOf(t, d.breaker).Optional())
		require.True(t, ruleOf(t, d.breaker).IsOn(&domain.Policy{}))
	}
}
