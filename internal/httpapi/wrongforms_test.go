package httpapi

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// wrongForm is a request with what its answer says of it.
type wrongForm struct {
	who, path, body string
	status          int
	code, says      string
}

func setOf(rest string) string { return `{"bot":"alpha","market":"two",` + rest + `}` }

func orderOf(rest string) string {
	return `{"bot":"alpha","market":"two","outcome":"YES","side":"buy","quantity":"1","limit_price":"0.4"` + rest + `}`
}

func fillOf(rest string) string {
	return `{"bot":"alpha","market":"two","outcome":"YES","side":"buy","quantity":"10","price":"0.4","trade_id":"f2"` + rest + `}`
}

const twoLegs = `"intent":"arbitrage","legs":[{"market":"two","outcome":"YES","side":"buy","quantity":"1","limit_price":"0.4"%},` +
	`{"market":"two","outcome":"NO","side":"buy","quantity":"1","limit_price":"0.4"}]`

var wrongSets = []wrongForm{
	{"alpha", "/sets", setOf(`"action":"split","quantity":"11","set_id":"s1"`), 409, "conflict", "set_id is already recorded with different content"},
	{"alpha", "/sets", setOf(`"action":"merge","quantity":"10","set_id":"s1"`), 409, "conflict", "set_id is already recorded with different content"},
	{"alpha", "/sets", setOf(`"action":"merge","quantity":"12","set_id":"s2"`), 409, "not_held", "report its fills first"},
	{"alpha", "/sets", setOf(`"action":"split","quantity":"999999","set_id":"s2"`), 409, "not_held", "the bot's cash is"},
	{"alpha", "/sets", setOf(`"action":"split","quantity":"-1","set_id":"s2"`), 400, "invalid", "quantity must be above 0"},
	{"alpha", "/sets", setOf(`"action":"burn","quantity":"1","set_id":"s2"`), 400, "invalid", "action must be split or merge"},
	{"alpha", "/sets", setOf(`"action":"split","quantity":"1"`), 400, "invalid", "set_id is missing"},
	{"alpha", "/sets", `{"bot":"alpha","market":"loose","action":"split","quantity":"1","set_id":"s2"}`, 400, "invalid", "no complete sets"},
	{"alpha", "/sets", `{"bot":"beta","market":"two","action":"split","quantity":"1","set_id":"s2"}`, 403, "denied", "its own bot only"},
	{"feed", "/sets", setOf(`"action":"split","quantity":"1","set_id":"s2"`), 403, "denied", "role feed may not do this"},
}

var wrongSettlements = []wrongForm{
	{"operator", "/settlements", `{"market":"two","payouts":{"YES":"1"}}`, 400, "invalid", `do not name the outcome \"NO\"`},
	{"operator", "/settlements", `{"market":"two","payouts":{"YES":"1","NO":"1"}}`, 422, "payouts_sum", "sum to 1"},
	{"operator", "/settlements", `{"market":"two","payouts":{"YES":"1","NO":"0","MAYBE":"0"}}`, 400, "invalid", "no outcome of the market"},
	{"operator", "/settlements", `{"market":"two","payouts":{"YES":"2","NO":"-1"}}`, 400, "invalid", "between 0 and 1"},
	{"operator", "/settlements", `{"market":"two","payouts":{}}`, 400, "invalid", "payouts name no outcome"},
	{"operator", "/settlements", `{"market":"two","payouts":{"YES":"1","NO":"0"},"void":true}`, 400, "invalid", "not allowed with void"},
	{"operator", "/settlements", `{"market":"two","payouts":{"YES":"1","NO":"0"},"bot":"alpha"}`, 400, "invalid", "pays all its holders"},
	{"operator", "/settlements", `{"market":"two"}`, 400, "invalid", "payout is missing; instead of it the request may have payouts or void"},
	{"operator", "/settlements", `{"market":"tri","outcome":"A","payout":"0.5"}`, 400, "invalid", "0 or 1 in a market of more than two"},
	{"operator", "/settlements", `{"market":"nowhere","void":true}`, 400, "invalid", "not registered with its outcomes"},
	{"operator", "/settlements", `{"market":"perp","payouts":{"ETH":"1"}}`, 400, "invalid", "does not settle"},
	{"alpha", "/settlements", `{"market":"two","void":true}`, 403, "denied", "role bot may not do this"},
	{"operator", "/settlements/correct", `{"market":"two","payouts":{"YES":"1","NO":"0"},"reason":"x"}`, 409, "conflict", "nothing to correct"},
	{"operator", "/settlements/correct", `{"market":"two","void":true}`, 400, "invalid", "reason is missing"},
	{"operator", "/settlements/correct", `{"market":"two","reason":"x"}`, 400, "invalid", "payouts or void"},
	{"feed", "/settlements/correct", `{"market":"two","void":true,"reason":"x"}`, 403, "denied", "role feed may not do this"},
}

var wrongOrders = []wrongForm{
	{"alpha", "/funding", `{"bot":"alpha","market":"perp","outcome":"ETH","amount":"2","funding_id":"n1"}`, 409, "conflict", "funding_id is already recorded"},
	{"alpha", "/funding", `{"bot":"alpha","market":"perp","outcome":"ETH","amount":"0","funding_id":"n2"}`, 400, "invalid", "amount must not be 0"},
	{"alpha", "/funding", `{"bot":"beta","market":"perp","outcome":"ETH","amount":"1","funding_id":"n2"}`, 403, "denied", "its own bot only"},
	{"alpha", "/funding", `{"bot":"alpha","market":"perp","amount":"1","funding_id":"n2"}`, 400, "invalid", "outcome is missing"},
	{"alpha", "/permits", orderOf(`,"time_in_force":"FOK"`), 400, "invalid", "gtc, gtd, ioc or fok"},
	{"alpha", "/permits", orderOf(`,"fee":"-0.1"`), 400, "invalid", "fee must not be negative"},
	{"alpha", "/permits", orderOf(`,"group":"` + strings.Repeat("g", 300) + `"`), 400, "invalid", "group has 300 bytes"},
	{"alpha", "/permits", `{"bot":"alpha","group":"g",` + strings.Replace(twoLegs, "%", "", 1) + `}`, 400, "invalid", "group and time_in_force go with one order"},
	{"alpha", "/permits", `{"bot":"alpha",` + strings.Replace(twoLegs, "%", `,"group":"g"`, 1) + `}`, 400, "invalid", "legs[0].group is not a field"},
	{"alpha", "/permits", `{"bot":"alpha"}`, 400, "invalid", "is missing; instead of it the request may have legs"},
	{"alpha", "/fills", fillOf(`,"fee":"10","fee_asset":"shares"`), 400, "invalid", "below the quantity"},
	{"alpha", "/fills", fillOf(`,"fee":"-1","fee_asset":"shares"`), 400, "invalid", "at least 0"},
	{"alpha", "/fills/f1/void", `{"bot":"alpha","market":"two"}`, 409, "conflict", "confirmed and cannot be voided"},
	{"alpha", "/fills/unknown/void", `{"bot":"alpha"}`, 400, "invalid", "market is missing"},
	{"alpha", "/fills/unknown/confirm", `{"bot":"alpha","market":"two"}`, 404, "not_found", "trade_id is not known"},
}

var wrongOthers = []wrongForm{
	{"feed", "/marks", `{"marks":[{"market":"tri","outcome":"C","price":"1.0001"}]}`, 422, "marks_refused", "marks[0]: price of an outcome share"},
	{"feed", "/marks", `{"marks":[{"market":"tri","outcome":"C","price":"0.3","waits":true}]}`, 400, "invalid", "marks[0].waits is set by the server"},
	{"feed", "/marks", `{"marks":[{"market":"two","outcome":"!!YES","price":"0.2"}]}`, 422, "marks_refused", "none of the registered market"},
	{"operator", "/deposits", `{"wallet":"hot","amount":"6","tx":"0xab"}`, 409, "conflict", "name another leg"},
	{"operator", "/withdrawals", `{"wallet":"hot","amount":"5","tx":"0xAB"}`, 409, "conflict", "name another leg"},
	{"operator", "/deposits", `{"wallet":"hot","amount":"6","leg":1}`, 400, "invalid", "name it in tx"},
	{"admin", "/adjustments", `{"account":"hot:treasury","amount":"-1","reason":"x","flow":true}`, 400, "invalid", "of names the record"},
	{"admin", "/limits", `{"rules":1,"reason":"x"}`, 400, "invalid", "never go back"},
	{"operator", "/markets", `{"market":"m","kind":"outcome","outcomes":["!YES","NO"]}`, 400, "invalid", "must not begin with !"},
	{"operator", "/markets", `{"market":"two","kind":"outcome","outcomes":["YES","NO"],"exclusive":false}`, 409, "conflict", "already registered differently"},
	{"operator", "/bots/alpha/stop", `{"full":"yes"}`, 400, "invalid", "full must be true or false"},
}

// Wrong forms of the requests of the second edition, as the author of a bot may send them: every
// answer says what is wrong and where, and nothing of the request is recorded.
func TestWrongFormsOfTheSecondEdition(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	r.must("admin", main+"/limits", `{"adopt":true,"reason":"risk lives in markets"}`)
	for _, market := range []string{
		`{"market":"two","kind":"outcome","outcomes":["YES","NO"]}`, `{"market":"tri","kind":"outcome","outcomes":["A","B","C"]}`,
		`{"market":"loose","kind":"outcome","outcomes":["YES","NO"],"exclusive":false}`, `{"market":"perp","kind":"perp","outcomes":["ETH"]}`,
	} {
		r.must("operator", main+"/markets", market)
	}
	r.must("operator", main+"/bots/alpha/start", `{}`)
	r.must("alpha", main+"/sets", setOf(`"action":"split","quantity":"10","set_id":"s1"`))
	r.must("alpha", main+"/funding", `{"bot":"alpha","market":"perp","outcome":"ETH","amount":"1","funding_id":"n1"}`)
	r.must("alpha", main+"/fills", `{"bot":"alpha","market":"two","outcome":"YES","side":"buy","quantity":"1","price":"0.4","trade_id":"f1"}`)
	r.must("operator", main+"/deposits", `{"wallet":"hot","amount":"5","tx":"0xab"}`)
	head := r.head()
	for _, c := range slices.Concat(wrongSets, wrongSettlements, wrongOrders, wrongOthers) {
		a := r.post(c.who, main+c.path, c.body)
		require.Equal(t, c.status, a.status, "%s %s: %s", c.path, c.body, a.body)
		require.Contains(t, a.body, problemType+c.code+`"`, c.body)
		require.Contains(t, a.body, c.says, c.body)
	}
	require.Equal(t, head, r.head(), "nothing of it is recorded")
}

// head is the last revision of the portfolio.
func (r *rig) head() string {
	r.t.Helper()
	return r.call("operator", http.MethodGet, main+"/breakers", "", "").header.Get("Pets-Revision")
}

// "An outcome that a registered market does not have is … flagged outcome_unknown for a fact; what
// is held of it is … settled as elsewhere, by the form with one outcome": whoever mistypes the
// outcome of a settlement is told, also by a repeat. The first edition does not ask.
func TestASettlementOfAnUnknownOutcomeIsFlagged(t *testing.T) {
	for _, edition := range []string{"1", "2"} {
		r := newRig(t, rigged{})
		r.must("operator", "/v1/portfolios", `{"id":"main","mode":"paper","limits":{"rules":`+edition+`}}`)
		r.must("operator", main+"/markets", `{"market":"two","kind":"outcome","outcomes":["YES","NO"]}`)
		key, body := uuid.NewString(), `{"market":"two","outcome":"Yes","payout":"1"}`
		for range 2 {
			a := r.call("operator", http.MethodPost, main+"/settlements", key, body)
			require.Equal(t, http.StatusOK, a.status, a.body)
			require.Equal(t, edition == "2", strings.Contains(a.body, `"flags":["outcome_unknown"]`), a.body)
		}
		a := r.post("operator", main+"/settlements", `{"market":"two","outcome":"YES","payout":"1"}`)
		require.Equal(t, http.StatusOK, a.status, a.body)
		require.NotContains(t, a.body, "flags")
	}
}
