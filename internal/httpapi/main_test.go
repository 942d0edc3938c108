package httpapi

import (
	"net/http"
	"os"
	"strconv"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/internal/testenv"
	"pets/projections"
)

func TestMain(m *testing.M) { os.Exit(testenv.Patient(m)) }

// The main job: may I trade, I traded, what now; a losing streak trips, and no
// order is let through after it, until a person resets.
func TestMainJob(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	a := r.post("alpha", main+"/permits", permitBody("alpha", "10"))
	require.Equal(t, http.StatusOK, a.status, a.body)
	var p permitAnswered
	a.into(t, &p)
	require.True(t, p.Allowed)
	require.Equal(t, "5", p.Reserved.String())
	require.NotEmpty(t, p.PermitID)
	require.NotNil(t, p.ExpiresAt)
	require.Empty(t, p.Reasons)
	require.NotZero(t, p.Revision)

	r.must("alpha", main+"/permits/"+p.PermitID+"/placed", `{}`)
	r.must("alpha", main+"/fills", `{"bot":"alpha","market":"m","outcome":"YES","side":"buy","quantity":"10","price":"0.5","trade_id":"f1","permit_id":"`+p.PermitID+`"}`)
	for i := range 3 {
		r.must("alpha", main+"/trades", `{"bot":"alpha","market":"x","pnl":"-1","trade_id":"t`+strconv.Itoa(i)+`"}`)
	}
	a = r.post("alpha", main+"/permits", permitBody("alpha", "10"))
	p = permitAnswered{}
	a.into(t, &p)
	require.False(t, p.Allowed)
	var codes []domain.ReasonCode
	for _, reason := range p.Reasons {
		codes = append(codes, reason.Code)
	}
	require.Equal(t, []domain.ReasonCode{domain.ReasonBreakerTripped, domain.ReasonBotStopped}, codes)
	require.Len(t, p.Directives, 1)
	require.Equal(t, "stop", p.Directives[0].Action)

	var s projections.State
	r.get("operator", main+"/state?min_revision="+strconv.FormatUint(p.Revision, 10)).into(t, &s)
	require.Equal(t, "997", s.Equity.String())
	require.Equal(t, 3, s.Bots[0].ConsecutiveLosses)
	require.Equal(t, "stopped", string(s.Bots[1].Status), "all bots stop")

	a = r.post("operator", main+"/bots/alpha/start", "")
	require.Equal(t, domain.CodeHalted, a.code(t))
	preview := r.call("operator", http.MethodPost, main+"/breakers/consecutive_losses/reset", "", `{"bot":"alpha","dry_run":true}`)
	require.Equal(t, http.StatusOK, preview.status, preview.body)
	var pre resetPreview
	preview.into(t, &pre)
	require.True(t, pre.Tripped)
	require.False(t, pre.WouldRetrip)
	require.Equal(t, "3", pre.Before.String())
	require.Equal(t, 1, pre.OpenPositions)
	require.Equal(t, domain.CodeDenied, r.post("alpha", main+"/breakers/consecutive_losses/reset", `{"bot":"alpha","reason":"please"}`).code(t), "not by a bot's key")
	r.must("operator", main+"/breakers/consecutive_losses/reset", `{"bot":"alpha","reason":"looked at it"}`)
	r.must("operator", main+"/bots/alpha/start", "")
	a = r.post("alpha", main+"/permits", permitBody("alpha", "10"))
	a.into(t, &p)
	require.True(t, p.Allowed, a.body)
}

// "Same key and body → the first answer. Same key, other body → 422. Missing → 400."
func TestIdempotencyOverHTTP(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	key := uuid.NewString()
	body := permitBody("alpha", "10")
	first := r.call("alpha", http.MethodPost, main+"/permits", key, body)
	require.Empty(t, first.header.Get("Idempotency-Replayed"))
	again := r.call("alpha", http.MethodPost, main+"/permits", key, body)
	require.Equal(t, first.body, again.body)
	require.Equal(t, "true", again.header.Get("Idempotency-Replayed"))
	// Fields in another order are the same body.
	turned := `{"limit_price":"0.5","quantity":"10","side":"buy","outcome":"YES","market":"m","bot":"alpha"}`
	require.Equal(t, first.body, r.call("alpha", http.MethodPost, main+"/permits", key, turned).body)

	other := r.call("alpha", http.MethodPost, main+"/permits", key, permitBody("alpha", "11"))
	require.Equal(t, http.StatusUnprocessableEntity, other.status)
	require.Equal(t, domain.CodeIdempotencyMismatch, other.code(t))
	route := r.call("alpha", http.MethodPost, main+"/fills", key, fillBodyOf("alpha", "f1", "1", "0.5"))
	require.Equal(t, domain.CodeIdempotencyMismatch, route.code(t), "another command under the same key")
	for _, bad := range []string{"", "7", "not-a-uuid", "{6f1c1b1e-8a51-4a3b-9d3c-1f0f4f0d2a11}"} {
		a := r.call("alpha", http.MethodPost, main+"/permits", bad, body)
		require.Equal(t, http.StatusBadRequest, a.status, bad)
		require.Equal(t, "Idempotency-Key", a.problem(t).Field)
	}
	// The same UUID by two bots is two commands.
	require.Equal(t, http.StatusOK, r.call("beta", http.MethodPost, main+"/permits", key, permitBody("beta", "10")).status)
}

// Two people clear an emergency stop: by user, not by key.
func TestTwoPersonClear(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	r.must("operator", main+"/emergency-stop", `{"kind":"manual","reason":"smoke"}`)
	a := r.post("operator", main+"/emergency-stop/clear", `{"reason":"no fire"}`)
	var asked struct{ ID string }
	a.into(t, &asked)
	require.NotEmpty(t, asked.ID)
	confirm := main + "/emergency-stop/clear/" + asked.ID + "/confirm"
	require.Equal(t, domain.CodeDenied, r.post("olga", confirm, "").code(t), "another key of the same user")
	require.Equal(t, domain.CodeDenied, r.post("admin", confirm, "").code(t), "admin cannot approve")
	r.must("approver", confirm, "")
	r.must("operator", main+"/bots/alpha/start", "")
}

// A live portfolio is opened only on an override by two people.
func TestLiveNeedsTwoPeople(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	live := `{"id":"real","mode":"live"}`
	require.Equal(t, domain.CodeDenied, r.post("operator", "/v1/portfolios", live).code(t))
	a := r.post("operator", main+"/overrides", `{"kind":"go_live","portfolio":"real","reason":"a month on paper"}`)
	require.Equal(t, http.StatusOK, a.status, a.body)
	var asked struct{ ID string }
	a.into(t, &asked)
	require.Equal(t, domain.CodeDenied, r.post("olga", main+"/overrides/"+asked.ID+"/confirm", "").code(t))
	revision := r.must("approver", main+"/overrides/"+asked.ID+"/confirm", "")
	gate := func(id string, revision uint64, more string) string {
		return `{"id":"` + id + `","mode":"live","gate":{"portfolio":"main","revision":` + strconv.FormatUint(revision, 10) + `}` + more + `}`
	}
	require.Equal(t, domain.CodeDenied, r.post("operator", "/v1/portfolios", gate("unreal", revision, "")).code(t), "for another portfolio")
	require.Equal(t, domain.CodeDenied, r.post("operator", "/v1/portfolios", gate("real", 1, "")).code(t), "no override stands there")
	require.Equal(t, domain.CodeNotFound, r.post("operator", "/v1/portfolios", gate("real", 999, "")).code(t))
	loose := r.post("operator", "/v1/portfolios", gate("real", revision, `,"limits":{"max_daily_loss_pct":"0.09"}`))
	require.Equal(t, domain.CodeDenied, loose.code(t), "looser than the default")
	r.must("operator", "/v1/portfolios", gate("real", revision, `,"limits":{"max_daily_loss_pct":"0.04"}`))
	var v portfolioAnswer
	r.get("auditor", "/v1/portfolios/real").into(t, &v)
	require.Equal(t, domain.ModeLive, v.Mode)
	require.Equal(t, &domain.Gate{Portfolio: "main", Revision: revision}, v.Gate)
	require.Equal(t, "0.04", v.Policy.MaxDailyLossPct.String())

	// One person cannot loosen; two can.
	require.Equal(t, domain.CodeDenied, r.post("admin", "/v1/portfolios/real/limits", `{"max_daily_loss_pct":"0.08","reason":"more"}`).code(t))
	a = r.post("admin", "/v1/portfolios/real/overrides", `{"kind":"limits","limits":{"max_daily_loss_pct":"0.08"},"reason":"more"}`)
	a.into(t, &asked)
	r.must("approver", "/v1/portfolios/real/overrides/"+asked.ID+"/confirm", "")
	var s projections.State
	r.get("admin", "/v1/portfolios/real/state").into(t, &s)
	require.Equal(t, "0.08", s.Policy.MaxDailyLossPct.String())
	require.Len(t, s.Overrides, 1)
	require.Equal(t, "bob", s.Overrides[0].ConfirmedBy)
}

// "?preview=true": every check, and nothing recorded or reserved.
func TestPreview(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	before := len(r.records("portfolio-main"))
	ask := func(who, body string) answered {
		return r.call(who, http.MethodPost, main+"/permits?preview=true", "", body)
	}
	for range 50 { // 50 × 200 of 400
		var p permitAnswered
		a := ask("alpha", permitBody("alpha", "400"))
		require.Equal(t, http.StatusOK, a.status, a.body)
		a.into(t, &p)
		require.True(t, p.Allowed)
		require.Equal(t, "200", p.Reserved.String())
	}
	var p permitAnswered
	ask("alpha", permitBody("alpha", "900")).into(t, &p)
	require.False(t, p.Allowed)
	require.Equal(t, domain.ReasonInsufficientCash, p.Reasons[0].Code)
	require.Equal(t, domain.CodeDenied, ask("alpha", permitBody("beta", "1")).code(t))
	require.Equal(t, domain.CodeInvalid, ask("alpha", permitBody("alpha", "-1")).code(t))
	require.Equal(t, domain.CodeInvalid, r.call("alpha", http.MethodPost, main+"/permits?preview=maybe", "", permitBody("alpha", "1")).code(t))
	require.Len(t, r.records("portfolio-main"), before)
}
