package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/internal/legs"
)

// arbitrage is a pair of legs of which the first lies in a blocked zone.
func arbitrage(bot, no, more string) string {
	return `{"bot":"` + bot + `","intent":"arbitrage","legs":[
		{"market":"rain","outcome":"YES","side":"buy","quantity":"100","limit_price":"0.85"},
		{"market":"rain","outcome":"NO","side":"buy","quantity":"100","limit_price":"` + no + `"}]` + more + `}`
}

// The main job of an arbitrage bot, over HTTP: legs, previewed, permitted together,
// filled on paper.
func TestArbitrageOverHTTP(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	r.must("operator", main+"/markets", `{"market":"rain","kind":"outcome","outcomes":["YES","NO"]}`)
	var p permitAnswered
	a := r.post("alpha", main+"/permits?preview=true", arbitrage("alpha", "0.12", ""))
	a.into(t, &p)
	require.True(t, p.Allowed && p.Preview, a.body)
	require.Equal(t, "97", p.Cost.String())
	require.Equal(t, "100", p.SurePayout.String())

	p = permitAnswered{}
	r.post("alpha", main+"/permits", arbitrage("alpha", "0.15", "")).into(t, &p)
	require.False(t, p.Allowed)
	require.Equal(t, domain.ReasonLegsUnprofitable, p.Reasons[0].Code)
	require.Equal(t, 1, p.Reasons[1].Leg, "the zone of the first leg")

	p = permitAnswered{}
	r.post("alpha", main+"/permits", arbitrage("alpha", "0.12", `,"paper_fill":true`)).into(t, &p)
	require.True(t, p.Allowed)
	require.Len(t, p.Legs, 2)
	for _, l := range p.Legs {
		require.Equal(t, l.PermitID, l.Fill.TradeID)
		require.Equal(t, domain.VenuePaper, l.Fill.Venue)
	}
}

// A leg that stays alone is said to be open within a second or so, though nobody does
// or looks at anything.
func TestLegsTimeOutByThemselves(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigged{}).opened()
	r.must("operator", main+"/markets", `{"market":"rain","kind":"outcome","outcomes":["YES","NO"]}`)
	var p permitAnswered
	r.post("beta", main+"/permits", arbitrage("beta", "0.12", `,"leg_timeout":"1s"`)).into(t, &p)
	require.True(t, p.Allowed)
	r.must("beta", main+"/fills", `{"bot":"beta","market":"rain","outcome":"YES","side":"buy","quantity":"100","price":"0.85","trade_id":"f1","permit_id":"`+p.Legs[0].PermitID+`"}`)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	// Nobody has looked at the portfolio yet, and nobody does.
	go r.live.Find(ctx)
	go (&legs.Watcher{Engine: r.engine, Live: r.live, Now: time.Now, Log: slog.New(slog.DiscardHandler)}).Run(ctx)
	head := len(r.records("portfolio-main"))
	require.Eventually(t, func() bool { return len(r.records("portfolio-main")) > head }, 5*time.Second, 20*time.Millisecond)
	messages, _ := r.listen(ctx, "beta", "?after="+strconv.Itoa(head-1), "")
	next(t, messages)
	m := next(t, messages)
	require.Contains(t, m.data, `"`+domain.ArbitrageTimedOutType+`"`)
	require.Contains(t, m.data, `"quantity":"100"`)
	var positions positionsAnswer
	r.get("beta", main+"/positions").into(t, &positions)
	require.Equal(t, "100", positions.Positions[0].OpenLeg.String())
	before := len(r.records("portfolio-main"))
	time.Sleep(1100 * time.Millisecond)
	require.Len(t, r.records("portfolio-main"), before, "it is said once")
}

// What is half one order and half several is refused, with the field.
func TestLegsThatMakeNoSense(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	for body, field := range map[string]string{
		`{"bot":"alpha","legs":[{"market":"m","outcome":"Y","side":"buy","quantity":"1","limit_price":"0.5"}]}`:                                       "intent",
		`{"bot":"alpha","intent":"arbitrage","market":"m","legs":[{"market":"m","outcome":"Y","side":"buy","quantity":"1","limit_price":"0.5"}]}`:     "legs",
		`{"bot":"alpha","intent":"arbitrage","legs":[{"market":"m","outcome":"Y","side":"buy","quantity":"-1","limit_price":"0.5"}]}`:                 "legs[0].quantity",
		`{"bot":"alpha","intent":"arbitrage","leg_timeout":"2h","legs":[{"market":"m","outcome":"Y","side":"buy","quantity":"1","limit_price":"1"}]}`: "leg_timeout",
		`{"bot":"alpha","market":"m","outcome":"Y","side":"buy","quantity":"1","limit_price":"0.5","leg_timeout":"1s"}`:                               "leg_timeout",
		`{"bot":"alpha","market":"m","outcome":"Y","side":"buy","quantity":"1","limit_price":"0.5","intent":"hedge"}`:                                 "intent",
	} {
		a := r.post("alpha", main+"/permits", body)
		require.Equal(t, http.StatusBadRequest, a.status, a.body)
		require.Equal(t, field, a.problem(t).Field, body)
	}
}
