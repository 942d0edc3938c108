package money_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain/treasury"
	"pets/internal/chain/chaintest"
	"pets/internal/cli/clitest"
	"pets/internal/pets/petstest"
)

// "Transfers waiting for approval or stuck": one that waits for a second person, one that
// waits for the machine with the cold key, and one that is not over after an hour.
func TestStatusOfTransfers(t *testing.T) {
	t.Parallel()
	w := newMoneyWorld(t).opened()
	status := func(who string) (string, int) {
		r := w.pets(who, "status")
		return strings.Join(strings.Fields(r.Out+r.Err), " "), r.Code
	}
	said, code := status("olga")
	require.Zero(t, code, said)
	require.Contains(t, said, "main live, revision ")
	id := asked(t, w.ok("olga", "transfer", "--from", "cold", "--to", "hot", "--amount", "7", "--highest-fee", "0.5", "--reason", "drill"))
	said, code = status("bob")
	require.Equal(t, 1, code)
	require.Contains(t, said, "main: "+id+" waits for the approval of someone other than olga, until ")
	require.Contains(t, said, "pets approve "+id)
	w.ok("bob", "approve", id, "--hash", w.transfer(id).Hash)
	w.until(id, string(treasury.Prepared))
	said, _ = status("bob")
	require.Contains(t, said, id+" waits to be signed where the key of the cold wallet is: internal of 7 USDC from cold to hot")
	require.Contains(t, said, "pets cold export "+id)

	// Without the chain, no outgoing transfer arrives.
	w.proxy.Set(func(rw http.ResponseWriter, _ chaintest.Request) bool {
		rw.WriteHeader(http.StatusBadGateway)
		return true
	})
	out := asked(t, w.ok("olga", "transfer", "--from", "hot", "--to", "cold", "--amount", "5", "--highest-fee", "0.5", "--reason", "drill"))
	w.ok("bob", "approve", out, "--hash", w.transfer(out).Hash)
	// "What the log calls 'needs a person' is what status says, at once, with its cause."
	require.Eventually(t, func() bool { return strings.Contains(w.log.String(), `"kind":"transfer_stuck"`) }, 30*time.Second, 20*time.Millisecond)
	said, code = status("bob")
	require.Equal(t, 1, code)
	require.Contains(t, said, "main: a transfer does not progress: "+out+": ")
	require.Contains(t, said, "pets transfers "+out)
	require.Contains(t, strings.Join(strings.Fields(w.ok("bob", "transfers", out)), " "), "NEEDS A PERSON: a transfer does not progress: "+out+": ")
	w.minutes(61)
	said, _ = status("bob")
	require.Contains(t, said, out+" was asked for at 2026-03-01 ")
	require.Contains(t, said, "and is not over: it is ")
	require.Contains(t, said, "pets transfers "+out)
	// Once it goes on, nothing is said any more.
	w.proxy.Set(nil)
	require.Eventually(t, func() bool { said, _ = status("bob"); return !strings.Contains(said, "does not progress") }, 30*time.Second, 200*time.Millisecond)

	// What is signed after its time is not taken: nobody is sent to the machine with the key.
	w.minutes(25 * 60)
	said, _ = status("bob")
	require.Contains(t, said, id+" must not be signed any more (the approval of the transfer has expired")
	require.NotContains(t, said, "pets cold export "+id)
	require.Contains(t, w.ok("olga", "transfers", id), "pets reject "+id+" --reason \"…\" --not-signed -p main")
}

// "Permits overdue/legs", and what else of a portfolio only a person can settle, as a
// server tells it.
func TestStatusOfWhatIsOverdue(t *testing.T) {
	t.Parallel()
	past := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	answers := map[string]string{
		"/readyz":        "ready\n",
		"/v1/portfolios": `{"portfolios":[{"portfolio":"main","mode":"live","revision":9}]}`,
		"/state": `{"revision":9,"mode":"live","clock":"wall","emergency_stop":{"engaged":false},"breakers":[],
			"bots":[{"bot":"alpha","status":"stopped","pending":true}],
			"positions":[{"bot":"alpha","market":"rain","outcome":"YES","quantity":"10","open_leg":"4","oversold":true}]}`,
		"/permits":      `{"permits":[{"permit_id":"p7","bot":"alpha","status":"working","expires_at":"` + past + `"},{"permit_id":"p8","bot":"alpha","status":"working","expires_at":null}]}`,
		"/transfers":    `{"transfers":[]}`,
		"/treasury":     `{"hot_above_since":"` + past + `","increases_denied":true,"reconciled_at":"` + past + `","differences":[{"place":"hot","asset":"USDC","difference":"-5"}]}`,
		"/events":       `{"events":[]}`,
		"/v1/approvers": `{"approvers":[]}`,
		"/approvals":    `{"approvals":[]}`,
	}
	l := petstest.NewListener(t)
	l.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(answers[strings.TrimPrefix(r.URL.Path, "/v1/portfolios/main")]))
	})
	s := petstest.New(t)
	s.Env = append(s.Env, "PETS_SERVER="+l.URL, "PETS_KEY="+petstest.SomeKey)
	r := s.Run("status")
	require.Equal(t, 1, r.Code)
	said := strings.Join(strings.Fields(r.Out), " ")
	for _, want := range []string{
		"the stop of alpha HOLDS, and is not recorded yet",
		"alpha holds 4 rain/YES of an arbitrage whose other legs were not filled",
		"alpha sold more of rain/YES than it had",
		"the order of permit p7 of alpha should have ended at ", "pets permit release p7 -p main",
		"in hot the chain has 5 USDC less than the ledger (as of the last reconciliation, ", " UTC): outgoing transfers wait until it is explained", "(pets withdraw 5 --asset USDC --key ", " -p main); then reconcile", "pets reconcile -p main",
		"the hot wallet is ABOVE 20 % since ",
	} {
		require.Contains(t, said, want)
	}
	require.Equal(t, r.Out, s.Run("status").Out, "a suggested command that books money has a key that follows from what it books")
	require.NotContains(t, said, "p8 of alpha should have ended")
	for _, id := range []string{"p7", "p8"} { // a stop does not reach the venue
		require.Contains(t, said, "the order of permit "+id+" of alpha, which is stopped, rests and may still be filled")
	}
	answers["/positions"] = `{"positions":[{"bot":"alpha","market":"rain","outcome":"YES","quantity":"10","open_leg":"4"}]}`
	require.Contains(t, s.Ok("positions"), "open leg 4", "the command that is printed is no dead end")
	require.Contains(t, r.Err, "8 things need a person", r.Out)
	clitest.Fits(t, 80, regexp.MustCompile(`(?m)^ *\(pets withdraw 5 --asset USDC --key \S+ -p main\);?$`).ReplaceAllString(r.Out, "  (a whole command)"))
	// "status can lose an emergency stop": what was seen is said, though its story cannot be read.
	answers["/state"] = `{"revision":9,"mode":"live","clock":"wall","emergency_stop":{"engaged":true,"kind":"manual","reason":"smoke","since":"` + past + `"},"breakers":[],"bots":[],"positions":[]}`
	answers["/events"] = "no JSON"
	require.Contains(t, s.Run("status").Out, "EMERGENCY STOP, manual")
}

// "Clear lists what goes on": a payment that is being cancelled is not said to go on.
func TestACancelledPaymentDoesNotGoOn(t *testing.T) {
	t.Parallel()
	l := petstest.NewListener(t)
	l.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/goes-on") {
			_, _ = w.Write([]byte(`{"transfers":[{"transfer":"x7","kind":"withdrawal","asset":"USDC","from":"hot","to":"external","status":"broadcast","payment":{"amount":"5","to":"0xabc"},"cancel":{"highest_fee":"1","reason":"a mistake","requested_by":"olga"}}]}`))
			return
		}
		_, _ = w.Write([]byte(`{"revision":9}`))
	})
	s := petstest.New(t)
	s.Env = append(s.Env, "PETS_SERVER="+l.URL, "PETS_KEY="+petstest.SomeKey)
	r := s.Run("clear", "--reason", "over")
	require.Contains(t, r.Out+r.Err, "x7  is being cancelled, and may have been sent before: withdrawal of 5 USDC")
	require.NotContains(t, r.Out+r.Err, "x7  broadcast")
}
