package look_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/risk"
	"pets/internal/cli/look"
	"pets/internal/cli/show"
	"pets/internal/config"
	"pets/internal/metrics"
	"pets/projections"
)

// oneState is the state that metrics read.
type oneState struct{ s *portfolio.State }

func (o oneState) Each(look func(*portfolio.State)) { look(o.s) }

// withLimit returns a portfolio with a bot in which a breaker is enabled, as far as possible.
func withLimit(t *testing.T, r *risk.Rule) *portfolio.State {
	t.Helper()
	policy := domain.DefaultPolicy(domain.ModePaper)
	if patched, err := portfolio.Patched(policy, []byte(`{"`+r.Key+`":`+limitText(r, `"`)+`}`)); err == nil {
		policy = patched
	}
	s := portfolio.New()
	for _, e := range []domain.Event{
		&domain.PortfolioOpened{Portfolio: "main", Mode: domain.ModePaper, Clock: domain.ClockWall, BaseAsset: "USDC", BaseDecimals: 6, Policy: policy},
		&domain.BotRegistered{Bot: "a"},
	} {
		s.Apply(domain.Stamp{Revision: s.Next, Time: time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)}, e)
	}
	return s
}

func limitText(r *risk.Rule, quote string) string {
	if r.Whole {
		return "7"
	}
	return quote + "0.07" + quote
}

func keyOf(r *risk.Rule) risk.Key {
	if r.Scope == risk.OfBot {
		return risk.Key{Breaker: r.Name, Bot: "a"}
	}
	return risk.Key{Breaker: r.Name}
}

// The places that must know a breaker; each says what to do where it does not.
const (
	toTable       = "domain/risk/rules.go: add its row to the table"
	toEnvironment = "internal/config: add the variable of its limit"
	toPolicy      = "domain/policy.go: add the field of its limit"
	toViews       = "projections: show it with its limit (they range over the table)"
	toResets      = "domain/portfolio: reset it (resets range over the table)"
	toStatistics  = "internal/cli/look: take its limit in pets stats --what-if-limits (they range over the table)"
	toMetrics     = "internal/metrics: show its limit (they range over the table)"
	toDocs        = "docs/semantics/breakers.md: add its row to the table of breakers"
	toDefaults    = "docs/semantics/defaults.md: add its key to the table of policy keys"
	toScenarios   = "replay/testdata: add a scenario in which it trips, then go test ./replay/scenario -rewrite"
	toExample     = ".env.example: make env-example"
	toOpenAPI     = "docs/openapi.json: go test ./internal/httpapi -run OpenAPI -rewrite"
	toTypes       = "docs/examples/typescript/pets.d.ts: npm run generate in docs/examples/typescript"
)

// strangers are the places that do not know a breaker.
func strangers(t *testing.T, r *risk.Rule) []string {
	t.Helper()
	var out []string
	known := func(place string, ok bool) {
		if !ok {
			out = append(out, place)
		}
	}
	_, inTable := risk.RuleOf(r.Name)
	known(toTable, inTable)

	c, err := config.Load(t.TempDir(), []string{strings.ToUpper(r.Key) + "=" + limitText(r, "")})
	require.NoError(t, err)
	policy, err := c.Policy(domain.ModePaper, domain.ClockWall, "USDC")
	require.NoError(t, err)
	known(toEnvironment, r.Limit(&policy) == domain.MustDecimal(limitText(r, "")))

	s := withLimit(t, r)
	known(toPolicy, r.Limit(&s.Policy) == domain.MustDecimal(limitText(r, "")))
	known(toViews, slices.ContainsFunc(projections.StateOf(s).Breakers, func(b projections.Breaker) bool { return b.Breaker == r.Name && b.Limit != nil }))
	_, err = s.PreviewReset(keyOf(r), true, s.Time)
	known(toResets, err == nil)
	_, err = look.ParseLimits([]string{r.Key + "=" + limitText(r, "")})
	known(toStatistics, err == nil || inTable && !r.OnClosed)

	m := metrics.New()
	m.Watch(oneState{s}, func() bool { return true }, nil)
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	known(toMetrics, strings.Contains(answer.Body.String(), `pets_breaker_limit{bot="`+keyOf(r).Bot+`",breaker="`+r.Name+`"`))

	const root = "../../../"
	known(toDocs, found(t, root+"docs/semantics/breakers.md", "(?m)^\\| `"+r.Name+"` \\|"))
	known(toDefaults, found(t, root+"docs/semantics/defaults.md", "(?m)^\\| `"+r.Key+"` \\|"))
	known(toScenarios, found(t, root+"replay/testdata/*.txt", trippedLine(r)))
	known(toExample, found(t, root+".env.example", `(?m)^`+strings.ToUpper(r.Key)+`=`))
	known(toOpenAPI, found(t, root+"docs/openapi.json", `"`+r.Key+`":`))
	known(toTypes, found(t, root+"docs/examples/typescript/pets.d.ts", `\b`+r.Key+`\??:`))
	slices.Sort(out)
	return out
}

// trippedLine is the line by which a scenario shows that a breaker tripped. Its name
// alone proves nothing: it stands in every text that lists the breakers.
func trippedLine(r *risk.Rule) string {
	return `(?m)^> breaker\.tripped +TRIPPED ` + r.Name + ` (of \S+ )?at `
}

// found reports whether one of the files that glob names holds the pattern.
func found(t *testing.T, glob, pattern string) bool {
	t.Helper()
	files, err := filepath.Glob(glob)
	require.NoError(t, err)
	require.NotEmpty(t, files, glob)
	line := regexp.MustCompile(pattern)
	return slices.ContainsFunc(files, func(file string) bool {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		return line.Match(text)
	})
}

// “An unknown breaker name cannot fall through anywhere (a test adds one and sees every
// place complain).” Every breaker of the table is known everywhere; one that is only
// made up here is known nowhere, and nowhere taken for another.
func TestEveryPlaceKnowsEveryBreaker(t *testing.T) {
	t.Parallel()
	for r := range risk.Rules() {
		if places := strangers(t, r); len(places) > 0 {
			t.Errorf("%s is not known there yet:\n%s", r.Name, strings.Join(places, "\n"))
		}
	}
	row, ok := risk.RuleOf(domain.DailyLoss)
	require.True(t, ok)
	added := *row
	added.Name, added.Key = "market_loss", "max_market_loss_pct"
	added.Limit = func(*domain.Policy) domain.Decimal { return domain.Zero } // no policy field
	require.Equal(t, []string{
		toExample, toTypes, toOpenAPI, toDocs, toDefaults, toPolicy, toResets, toTable, toStatistics, toEnvironment, toMetrics, toViews, toScenarios,
	}, strangers(t, &added))
}

// A breaker that no scenario trips is found, whatever else the scenarios say about it.
func TestABreakerThatNeverTripsIsFound(t *testing.T) {
	t.Parallel()
	for text, trips := range map[string]bool{
		"! unknown breaker: consecutive_losses, daily_loss or rolling_loss":                       false,
		"> breaker.warned         WARNING daily_loss at 0.045, limit 0.05":                        false,
		"> breaker.reset          daily_loss reset (0.06 → 0): seen":                              false,
		"# here daily_loss is TRIPPED daily_loss at last":                                         false,
		"> breaker.tripped        TRIPPED bot_daily_loss of a at 0.05, limit 0.05, by revision 7": false,
		"> breaker.tripped        TRIPPED daily_loss at 0.051, limit 0.05, by revision 7":         true,
		"> breaker.tripped        TRIPPED daily_loss of a at 0.051, limit 0.05, by revision 7":    true,
	} {
		file := filepath.Join(t.TempDir(), "made up.txt")
		require.NoError(t, os.WriteFile(file, []byte("reset daily_loss\n"+text+"\n"), 0o600))
		r, ok := risk.RuleOf(domain.DailyLoss)
		require.True(t, ok)
		require.Equal(t, trips, found(t, file, trippedLine(r)), text)
	}
}

// A trip that a newer build wrote is shown for what it is, without the numbers of
// another breaker.
func TestAnUnknownBreakerIsShownWithoutNumbers(t *testing.T) {
	t.Parallel()
	r, _ := risk.RuleOf(domain.DailyLoss)
	s := withLimit(t, r)
	s.Apply(domain.Stamp{Revision: s.Next, Time: s.Time}, &domain.BreakerTripped{Breaker: "market_loss", Scope: "market", Value: domain.One, Stops: domain.StopAll})
	all := projections.BreakersOf(s)
	last := all[len(all)-1]
	require.Equal(t, "market_loss", last.Breaker)
	require.Nil(t, last.Value)
	require.Nil(t, last.Limit)
	rows := show.BreakerRows(all)
	require.Equal(t, []string{"market_loss", "-", "TRIPPED", "-", "-", "revision 2"}, rows[len(rows)-1])

	m := metrics.New()
	m.Watch(oneState{s}, func() bool { return true }, nil)
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	require.Contains(t, answer.Body.String(), `pets_breaker_tripped{bot="",breaker="market_loss",portfolio="main"} 1`)
	require.NotContains(t, answer.Body.String(), `pets_breaker_value{bot="",breaker="market_loss"`)
}
