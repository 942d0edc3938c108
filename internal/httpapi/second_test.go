package httpapi

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/domain"
)

// secondRig is a paper portfolio of the second edition with the bots of the rig.
func secondRig(t *testing.T, limits string) *rig {
	t.Helper()
	r := newRig(t, rigged{}).opened()
	r.must("admin", main+"/limits", `{"adopt":true,"reason":"risk lives in markets"`+limits+`}`)
	r.must("operator", main+"/markets", `{"market":"cup","kind":"outcome","outcomes":["A","B","C"]}`)
	return r
}

// "In POST …/marks each mark is judged alone: good ones are taken, bad ones answered by index;
// all bad: 422." "Equity, peaks, day-open, flows and breakers go on with the price in force;
// `state` shows both; permits that open in that market are denied (`mark_unconfirmed`)."
func TestMarksOverTheAPI(t *testing.T) {
	r := secondRig(t, `,"mark_collar":"0.25"`)
	a := r.post("feed", main+"/marks", `{"marks":[{"market":"cup","outcome":"A","price":"1.01"},{"market":"cup","outcome":"B","price":"0.4"},{"asset":"USDC","price":"2"}]}`)
	require.Equal(t, http.StatusOK, a.status, a.body)
	var v struct {
		Refused []domain.RefusedMark `json:"refused"`
	}
	a.into(t, &v)
	require.Equal(t, []int{0, 2}, []int{v.Refused[0].Index, v.Refused[1].Index})
	require.Equal(t, domain.CodeInvalid, v.Refused[0].Code)
	a = r.post("feed", main+"/marks", `{"marks":[{"market":"cup","outcome":"A","price":"1.01"}]}`)
	require.Equal(t, http.StatusUnprocessableEntity, a.status)
	require.Equal(t, domain.CodeMarksRefused, a.code(t))

	r.must("alpha", main+"/fills", `{"bot":"alpha","market":"cup","outcome":"B","side":"buy","quantity":"10","price":"0.4","trade_id":"1"}`)
	r.must("feed", main+"/marks", `{"marks":[{"market":"cup","outcome":"B","price":"0.9"}]}`)
	var s struct {
		Equity string `json:"equity"`
		Marks  []struct {
			Price   string `json:"price"`
			InForce string `json:"in_force"`
		} `json:"waiting_marks"`
		Positions []struct {
			Mark        string `json:"mark"`
			MarkWaiting string `json:"mark_waiting"`
		} `json:"positions"`
	}
	r.get("operator", main+"/state").into(t, &s)
	require.Equal(t, "1000", s.Equity)
	require.Equal(t, []string{"0.9", "0.4"}, []string{s.Marks[0].Price, s.Marks[0].InForce})
	require.Equal(t, []string{"0.4", "0.9"}, []string{s.Positions[0].Mark, s.Positions[0].MarkWaiting})
	a = r.post("alpha", main+"/permits", `{"bot":"alpha","market":"cup","outcome":"A","side":"buy","quantity":"1","limit_price":"0.4"}`)
	require.Contains(t, a.body, `"mark_unconfirmed"`)
}

// "In POST …/marks each mark is judged alone: good ones are taken, bad ones answered by index; all
// bad: 422": also where it is the reading that fails. A field that a mark does not have refuses the
// request, and so does what is not JSON.
func TestAMarkThatCannotBeReadIsRefusedAlone(t *testing.T) {
	r := secondRig(t, "")
	good := `{"market":"cup","outcome":"B","price":"0.4"}`
	for bad, says := range map[string]string{
		`{"market":"cup","outcome":"A","price":"1e-7"}`:                   "price must be a decimal",
		`{"market":"cup","outcome":"A","price":"NaN"}`:                    "price must be a decimal",
		`{"market":"cup","outcome":"A","price":"0.12345678901234567891"}`: "price must be a decimal",
		`{"market":"cup","outcome":"A","price":""}`:                       "price must be a decimal",
		`{"market":"cup","outcome":"A","price":null}`:                     "price is missing",
		`{"market":"cup","outcome":"A"}`:                                  "price is missing",
		`{"market":"cup","outcome":"A","price":0.5}`:                      "price must be a decimal",
		`{"market":"cup","outcome":"A","price":"1000000000000000"}`:       "price must be a decimal",
		`{"market":7,"outcome":"A","price":"0.5"}`:                        "market must be a string",
		`{"outcome":"A","price":"0.5"}`:                                   "market",
		`{"market":"c\u0007p","outcome":"A","price":"0.5"}`:               "market",
		`{}`:    "price is missing",
		`"A"`:   "mark must be a JSON object",
		`null`:  "mark must be a JSON object",
		`[0.4]`: "mark must be a JSON object",
	} {
		for _, one := range []struct{ path, body string }{
			{main + "/marks", `{"marks":[` + good + `,` + bad + `]}`},
			{main + "/batch", `{"commands":[{"idempotency_key":"` + uuid.NewString() + `","command":"mark_prices","body":{"marks":[` + good + `,` + bad + `]}}]}`},
		} {
			a := r.post("feed", one.path, one.body)
			require.Equal(t, http.StatusOK, a.status, "%s: %s", bad, a.body)
			require.Contains(t, a.body, `"refused":[{"index":1,"code":"invalid","message":"`+says, bad)
		}
		a := r.post("feed", main+"/marks", `{"marks":[`+bad+`]}`)
		require.Equal(t, http.StatusUnprocessableEntity, a.status, "%s: %s", bad, a.body)
		require.Equal(t, domain.CodeMarksRefused, a.code(t))
	}
	for body, says := range map[string]string{
		`{"marks":[` + good + `,{"market":"cup","outcome":"A","prize":"0.4"}]}`: "marks[1].prize is not a field of this request; did you mean price",
		`{"marks":{}}`:              "must be an array",
		`{"marks":null}`:            "marks is missing",
		`{}`:                        "marks is missing",
		`{"marks":[` + good + `,]}`: "not valid JSON",
	} {
		a := r.post("feed", main+"/marks", body)
		require.Equal(t, http.StatusBadRequest, a.status, "%s: %s", body, a.body)
		require.Contains(t, a.body, says)
	}
}

// "Answers of /fills carry the flags": of a first report, and of a repeat. "A voided fill reported
// confirmed under a new key lives again …; reported provisional it is 409 `voided`, which says so."
// Funding is recorded once.
func TestFactsOverTheAPI(t *testing.T) {
	r := secondRig(t, "")
	report := func(rest string) string {
		return `{"bot":"alpha","market":"cup","outcome":"A","side":"buy","quantity":"10","price":"0.4",` + rest + `}`
	}
	flags := func(a answered) []string {
		t.Helper()
		require.Equal(t, http.StatusOK, a.status, a.body)
		var v struct {
			Flags []string `json:"flags"`
		}
		a.into(t, &v)
		return v.Flags
	}
	body, key := report(`"trade_id":"1","notional":"10.000001"`), uuid.NewString()
	want := []string{domain.FlagNoPermit, domain.FlagPriceOff}
	require.Equal(t, want, flags(r.call("alpha", http.MethodPost, main+"/fills", key, body)))
	require.Equal(t, want, flags(r.call("alpha", http.MethodPost, main+"/fills", key, body)), "the same request again")
	require.Equal(t, want, flags(r.post("alpha", main+"/fills", body)), "the same fill under another key")
	require.Contains(t, flags(r.post("alpha", main+"/fills", report(`"trade_id":"2","fee":"0.01","fee_asset":"ETH"`))), domain.FlagFeeUnpriced)

	provisional := report(`"trade_id":"3","status":"provisional"`)
	r.must("alpha", main+"/fills", provisional)
	r.must("alpha", main+"/fills/3/void", `{"bot":"alpha","market":"cup"}`)
	a := r.post("alpha", main+"/fills", provisional)
	require.Equal(t, http.StatusConflict, a.status)
	require.Equal(t, domain.CodeVoided, a.code(t))
	require.Contains(t, a.body, "report it as confirmed")
	a = r.post("alpha", main+"/fills", report(`"trade_id":"3"`))
	require.Contains(t, a.body, domain.FillReinstatedType)
	require.Equal(t, []string{domain.FlagNoPermit}, flags(a))

	funding := `{"bot":"alpha","market":"cup","outcome":"A","amount":"%s","funding_id":"f1"}`
	require.Contains(t, r.post("alpha", main+"/funding", fmt.Sprintf(funding, "-1")).body, domain.FundingRecordedType)
	require.Contains(t, r.post("alpha", main+"/funding", fmt.Sprintf(funding, "-1")).body, domain.CommandNotedType)
	require.Equal(t, domain.CodeConflict, r.post("alpha", main+"/funding", fmt.Sprintf(funding, "-2")).code(t))
}
