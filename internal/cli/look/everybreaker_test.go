package look_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
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

// strangers lists the places that do not know a breaker.
func strangers(t *testing.T, r *risk.Rule) []string {
	t.Helper()
	var out []string
	known := func(place string, ok bool) {
		if !ok {
			out = append(out, place)
		}
	}
	_, inTable := risk.RuleOf(r.Name)
	known("the table", inTable)

	c, err := config.Load(t.TempDir(), []string{strings.ToUpper(r.Key) + "=" + limitText(r, "")})
	require.NoError(t, err)
	policy, err := c.Policy(domain.ModePaper)
	require.NoError(t, err)
	known("the environment", r.Limit(&policy) == domain.MustDecimal(limitText(r, "")))

	s := withLimit(t, r)
	known("the policy", r.Limit(&s.Policy) == domain.MustDecimal(limitText(r, "")))
	known("the views", slices.ContainsFunc(projections.StateOf(s).Breakers, func(b projections.Breaker) bool { return b.Breaker == r.Name && b.Limit != nil }))
	_, err = s.PreviewReset(keyOf(r), true, s.Time)
	known("resets", err == nil)
	_, err = look.ParseLimits([]string{r.Key + "=" + limitText(r, "")})
	known("statistics", err == nil || inTable && !r.OnClosed)

	m := metrics.New()
	m.Watch(oneState{s}, func() bool { return true }, nil)
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	known("metrics", strings.Contains(answer.Body.String(), `pets_breaker_limit{bot="`+keyOf(r).Bot+`",breaker="`+r.Name+`"`))

	for place, pattern := range map[string]string{
		"documentation": "../../../docs/*.md", "scenarios": "../../../replay/testdata/*.txt", ".env.example": "../../../.env.example",
		"OpenAPI": "../../../docs/openapi.json",
	} {
		word := r.Name
		switch place {
		case ".env.example":
			word = "\n" + strings.ToUpper(r.Key) + "="
		case "OpenAPI":
			word = `"` + r.Key + `"`
		}
		known(place, mentioned(t, pattern, word))
	}
	slices.Sort(out)
	return out
}

func mentioned(t *testing.T, pattern, word string) bool {
	t.Helper()
	files, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return slices.ContainsFunc(files, func(file string) bool {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		return strings.Contains(string(text), word)
	})
}

// “An unknown breaker name cannot fall through anywhere (a test adds one and sees every
// place complain).” Every breaker of the table is known everywhere; one that is only
// made up here is known nowhere, and nowhere taken for another.
func TestEveryPlaceKnowsEveryBreaker(t *testing.T) {
	for r := range risk.Rules() {
		require.Empty(t, strangers(t, r), "%s is not known there yet", r.Name)
	}
	row, ok := risk.RuleOf(domain.DailyLoss)
	require.True(t, ok)
	added := *row
	added.Name, added.Key = "market_loss", "max_market_loss_pct"
	added.Limit = func(*domain.Policy) domain.Decimal { return domain.Zero } // no policy field
	require.Equal(t, []string{
		".env.example", "OpenAPI", "documentation", "metrics", "resets", "scenarios", "statistics", "the environment", "the policy", "the table", "the views",
	}, strangers(t, &added))
}

// A trip recorded by a newer build is shown under its name, without the numbers of another breaker.
func TestAnUnknownBreakerIsShownWithoutNumbers(t *testing.T) {
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
