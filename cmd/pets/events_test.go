package main

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// "a type is matched as a word or prefix people use (breaker → breaker.*), an unknown type
// is a usage error that lists the known ones".
func TestKnownTypes(t *testing.T) {
	for asked, want := range map[string][]string{
		"":                 nil,
		"breaker":          {"breaker"},
		"breaker.*":        {"breaker"},
		"Breaker.Tripped":  {"breaker.tripped"},
		"fill.recorded.v1": {"fill.recorded.v1"},
		"tripped":          {domain.BreakerTrippedType},
		"reset,closed":     {domain.BreakerResetType, domain.TradeClosedType},
		"emergency":        {"emergency"},
		"stop": {
			domain.BotStoppedType, domain.EmergencyStopEngagedType, domain.EmergencyStopClearRequestedType, domain.EmergencyStopClearedType,
		},
	} {
		got, err := knownTypes(strings.Split(asked, ","))
		require.NoError(t, err, asked)
		require.Equal(t, want, got, asked)
	}
	for _, asked := range []string{"breker", "breaker.trip.ped", "v1", "fill.recorded.v9"} {
		_, err := knownTypes([]string{"bot", asked})
		require.ErrorContains(t, err, asked)
		fits(t, usualWidth-len("pets: "), strings.SplitN(err.Error(), "\n", 2)[1])
	}
	for _, eventType := range domain.EventTypes() {
		got, err := knownTypes([]string{domain.EventName(eventType)})
		require.NoError(t, err)
		require.True(t, (&eventFilter{types: got}).wants(domain.CurrentType(eventType)), eventType)
	}
}

// On a folder and at a server alike: what is asked for, and what is refused.
func TestEventsByType(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "store")
	p := serveFolder(t, folder)
	w := p.twoPeople(folder)
	beside := "--store=embedded:" + folder
	w.ok(w.olga, "start", "alpha")
	w.ok(w.olga, "stop", "--emergency", "--reason", "smoke")
	for _, where := range [][]string{{}, {beside}} {
		for _, word := range []string{"emergency_stop", "engaged", "emergency_stop.engaged.v1"} {
			text := w.ok(w.olga, append(where, "events", "--type", word)...)
			require.Regexp(t, `(?m)^ +\d+  \S+ \S+  emergency_stop\.engaged\n        EMERGENCY STOP manual: smoke; stopped alpha; by olga\n$`, text)
		}
		require.NotEmpty(t, w.ok(w.olga, append(where, "events", "--type", "stop,started")...))
		require.Empty(t, w.ok(w.olga, append(where, "events", "--type", "tripped")...))
		r := p.pets(folder, w.olga, append(where, "events", "--type", "breaker,breker")...)
		require.Equal(t, 2, r.code)
		require.Empty(t, r.out)
		require.Contains(t, r.err, `pets: --type "breker" is no type of event; there are:`)
		require.Regexp(t, `(?m)^pets:   breaker +warned, tripped, reset$`, r.err)
		fits(t, usualWidth, r.err)
	}
}

// "a tripped state does not say what to do next", "state hides an open clear request and
// live orders": the commands it says are those that work, with the roles it names.
func TestStateSaysWhatToDoNext(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "store")
	p := serveFolder(t, folder)
	w := p.twoPeople(folder)
	beside := "--store=embedded:" + folder
	bot := w.issue("--user", "alpha", "--role", "bot", "--bot", "alpha", "-p", "main")
	w.ok(w.olga, "start", "alpha")
	var permit struct {
		PermitID string `json:"permit_id"`
	}
	alpha := p.client(bot).Portfolio("main")
	require.NoError(t, alpha.Post(t.Context(), "/permits", "ask", map[string]any{
		"bot": "alpha", "market": "m1", "outcome": "YES", "side": "buy", "quantity": "10", "limit_price": "0.4", "fee": "0",
	}, &permit))
	calm := w.ok(w.olga, "state")
	require.Regexp(t, `(?m)^`+permit.PermitID+` +alpha +m1/YES +buy +10 +10 +0\.4`, calm)
	require.NotContains(t, calm, "WHAT TO DO NEXT")
	require.Regexp(t, `(?m)^`+permit.PermitID+` +alpha`, w.ok(bot, "state"), "a bot sees its own")
	require.NoError(t, alpha.Post(t.Context(), "/permits/"+permit.PermitID+"/placed", "place", struct{}{}, nil))

	w.ok(w.olga, "stop", "--emergency", "--reason", "smoke")
	stopped := w.ok(w.olga, "state")
	require.Regexp(t, `(?m)^`+permit.PermitID+` +alpha .* working `, stopped, "what rests at a venue stays there")
	require.Contains(t, stopped, `    pets clear --reason "…"`)
	require.Contains(t, stopped, "    pets start alpha\n")
	require.NotContains(t, w.ok(w.olga, "state", "--at", "4"), "WHAT TO DO NEXT", "nothing is done about the past")
	require.Contains(t, w.ok(w.olga, "breakers"), "    pets state\n")

	request := regexp.MustCompile(`c\d+`).FindString(w.ok(w.olga, "clear", "--reason", "no fire"))
	asked := w.ok(w.olga, "state")
	require.Contains(t, asked, "olga asked to clear it ("+request+"): a second person has to confirm")
	require.Contains(t, asked, "    pets clear --confirm "+request+"\n")
	require.NotContains(t, asked, "pets clear --reason")
	fromFolder := w.ok(w.olga, beside, "state")
	require.Contains(t, fromFolder, "    pets clear --confirm "+request)
	require.Equal(t, strings.Split(asked, "WHAT TO DO NEXT")[0], strings.Split(fromFolder, "WHAT TO DO NEXT")[0])
	fits(t, 80, asked)

	w.ok(w.bob, "clear", "--confirm", request)
	require.Contains(t, w.ok(w.olga, "events", "--type", "cleared"), "emergency stop cleared ("+request+"): requested by olga, confirmed by bob")
	require.NotContains(t, w.ok(w.olga, "state"), "WHAT TO DO NEXT")
	w.ok(w.olga, "start", "alpha")
}

// twoPeople are an operator, an approver and a paper portfolio with one bot.
type twoPeople struct {
	*process
	folder, olga, bob string
}

func (p *process) twoPeople(folder string) *twoPeople {
	p.t.Helper()
	w := &twoPeople{process: p, folder: folder}
	w.olga, w.bob = w.issue("--user", "olga", "--role", "operator"), w.issue("--user", "bob", "--role", "approver")
	operator, ctx := p.client(w.olga), p.t.Context()
	require.NoError(p.t, operator.Send(ctx, "POST", "/v1/portfolios", "open", map[string]any{"id": "main", "mode": "paper"}, nil))
	main := operator.Portfolio("main")
	require.NoError(p.t, main.Post(ctx, "/deposits", "deposit", map[string]any{"wallet": "hot", "amount": "1000"}, nil))
	require.NoError(p.t, main.Post(ctx, "/bots", "bot", map[string]any{"id": "alpha", "capital": "500"}, nil))
	return w
}

func (w *twoPeople) issue(args ...string) string {
	w.t.Helper()
	return secretPattern.FindString(w.ok(adminKey, append([]string{"apikey", "issue"}, args...)...))
}

func (w *twoPeople) ok(key string, args ...string) string {
	w.t.Helper()
	r := w.pets(w.folder, key, args...)
	require.Equal(w.t, 0, r.code, "%v: %s", args, r.err)
	return r.out
}
