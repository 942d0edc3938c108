package httpapi

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore/memory"
	"pets/projections"
)

// told waits for the next directive of a stream.
func told(t *testing.T, messages <-chan heard) directiveMessage {
	t.Helper()
	for {
		m := next(t, messages)
		if m.event == "directive" {
			require.Empty(t, m.id, "it is no record")
			var d directiveMessage
			require.NoError(t, json.Unmarshal([]byte(m.data), &d))
			return d
		}
	}
}

// showsPendingStop looks at every view that has the emergency stop, as a person and a bot.
func (r *rig) showsPendingStop() {
	r.t.Helper()
	for _, path := range []string{"/state", "/breakers", ""} {
		for _, who := range []string{"operator", "alpha"} {
			var v struct {
				EmergencyStop projections.EmergencyStop `json:"emergency_stop"`
			}
			r.get(who, main+path).into(r.t, &v)
			require.True(r.t, v.EmergencyStop.Engaged, path)
			require.True(r.t, v.EmergencyStop.Pending, path)
			require.Equal(r.t, "manual", *v.EmergencyStop.Kind)
			require.Equal(r.t, "smoke", *v.EmergencyStop.Reason)
		}
	}
}

// "A GET sees everything that was acknowledged before it was asked": also a stop that was
// answered 202, wherever a bot or a person looks.
func TestAStopThatIsNotRecordedIsSeenEverywhere(t *testing.T) {
	t.Parallel()
	down := &failing{Store: memory.New()}
	r := newRig(t, rigged{store: down}).opened()
	key := uuid.NewString()
	granted := r.call("alpha", http.MethodPost, main+"/permits", key, permitBody("alpha", "1"))
	require.Contains(t, granted.body, `"allowed":true`)
	var working permitAnswered
	r.post("beta", main+"/permits", permitBody("beta", "1")).into(t, &working)
	r.must("beta", main+"/permits/"+working.PermitID+"/placed", "{}")
	own, _ := r.listen(t.Context(), "alpha", "", "")
	all, _ := r.listen(t.Context(), "operator", "", "")
	next(t, own)
	next(t, all)
	down.down.Store(true)

	// The stop of one bot.
	a := r.post("operator", main+"/bots/alpha/stop", `{}`)
	require.Equal(t, http.StatusAccepted, a.status, a.body)
	require.Contains(t, a.body, `"directives":[{"action":"stop","bots":["alpha"]`)
	for _, messages := range []<-chan heard{own, all} {
		d := told(t, messages)
		require.Equal(t, []string{"alpha"}, d.Bots)
		require.True(t, d.Pending)
	}
	var state projections.State
	r.get("operator", main+"/state").into(t, &state)
	require.False(t, state.EmergencyStop.Engaged)
	require.Equal(t, []string{"stopped", "running"}, []string{string(state.Bots[0].Status), string(state.Bots[1].Status)})
	require.True(t, state.Bots[0].Pending)
	preview := r.call("alpha", http.MethodPost, main+"/permits?preview=true", "", permitBody("alpha", "1"))
	require.Contains(t, preview.body, `"allowed":false`)
	require.Contains(t, preview.body, `"bot_stopped"`)
	require.Contains(t, r.call("beta", http.MethodPost, main+"/permits?preview=true", "", permitBody("beta", "1")).body, `"allowed":true`)

	// The emergency stop.
	a = r.post("operator", main+"/emergency-stop", `{"kind":"manual","reason":"smoke"}`)
	require.Equal(t, http.StatusAccepted, a.status, a.body)
	require.Contains(t, a.body, `"bots":["beta"]`)
	require.Equal(t, []string{"beta"}, told(t, all).Bots)
	r.showsPendingStop()
	var permits permitsAnswer
	r.get("operator", main+"/permits").into(t, &permits)
	require.Len(t, permits.Permits, 1, "the granted one may not be placed any more")
	require.Equal(t, "working", permits.Permits[0].Status)
	require.Contains(t, r.call("beta", http.MethodPost, main+"/permits?preview=true", "", permitBody("beta", "1")).body, `"emergency_stop"`)
	again := r.call("alpha", http.MethodPost, main+"/permits", key, permitBody("alpha", "1"))
	require.Contains(t, again.body, `"allowed":false,"status":"held"`)
	require.Contains(t, again.body, `"directives":[{"action":"stop","bots":["alpha"]`)
	fresh, _ := r.listen(t.Context(), "beta", "", "")
	var h hello
	require.NoError(t, json.Unmarshal([]byte(next(t, fresh).data), &h))
	const manual = "emergency stop: manual (not recorded yet)"
	require.Equal(t, []commands.Directive{
		{Action: "stop", Bots: []string{"beta"}, Reason: manual, Pending: true},
		{Action: "cancel_orders", Bots: []string{"beta"}, Reason: manual, Permits: []string{working.PermitID}, Pending: true}, // "the opening ones that rest, by permit"
	}, h.Directives)
	past := r.get("operator", main+"/state?at=3")
	require.Equal(t, http.StatusOK, past.status)
	require.Contains(t, past.body, `"engaged":false`, "the past stays")

	down.down.Store(false)
	require.Eventually(t, func() bool { return len(r.engine.Pending("main")) == 0 }, 10*time.Second, 5*time.Millisecond)
	body := r.get("operator", main+"/state").body
	require.Contains(t, body, `"engaged":true`)
	require.NotContains(t, body, `"pending"`)
}

// What the server stops by itself, because its store takes nothing any more, is told like
// what a person stops.
func TestAPoisonedStoreIsTold(t *testing.T) {
	down := &failing{Store: memory.New()}
	r := newRig(t, rigged{store: down}).opened()
	own, _ := r.listen(t.Context(), "alpha", "", "")
	next(t, own)
	down.poisoned.Store(true)
	down.down.Store(true)
	require.Equal(t, http.StatusServiceUnavailable, r.post("operator", main+"/deposits", `{"wallet":"hot","amount":"1"}`).status)
	d := told(t, own)
	require.Equal(t, []string{"alpha"}, d.Bots)
	require.Contains(t, d.Reason, "system_error")
	var v projections.State
	r.get("operator", main+"/state").into(t, &v)
	require.True(t, v.EmergencyStop.Engaged)
	require.Equal(t, "system_error", *v.EmergencyStop.Kind)
	for _, b := range v.Bots {
		require.Equal(t, "stopped", string(b.Status))
	}
}

// A replay through the API: the header, the fields of the first answer, and that nothing
// may be placed. A batch says the same.
func TestAReplayedPermitAfterAStop(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	key := uuid.NewString()
	first := r.call("alpha", http.MethodPost, main+"/permits", key, permitBody("alpha", "1"))
	require.Contains(t, first.body, `"allowed":true`)
	require.Equal(t, first.body, r.call("alpha", http.MethodPost, main+"/permits", key, permitBody("alpha", "1")).body)
	r.must("operator", main+"/emergency-stop", `{"kind":"manual","reason":"smoke"}`)
	again := r.call("alpha", http.MethodPost, main+"/permits", key, permitBody("alpha", "1"))
	require.Equal(t, "true", again.header.Get("Idempotency-Replayed"))
	var was, is permitAnswered
	first.into(t, &was)
	again.into(t, &is)
	require.False(t, is.Allowed)
	require.Equal(t, commands.PermitOver, is.Status)
	require.Equal(t, was.PermitID, is.PermitID)
	require.Equal(t, was.Revision, is.Revision)
	require.Equal(t, []commands.Directive{{Action: "stop", Bots: []string{"alpha"}, Reason: "emergency stop: manual"}}, is.Directives)
	batch := r.post("alpha", main+"/batch", `{"commands":[{"idempotency_key":"`+key+`","command":"ask_permit","body":`+permitBody("alpha", "1")+`}]}`)
	require.Contains(t, batch.body, strings.TrimSpace(again.body))
}

// A preview "asks the same": what would not be taken at all is not previewed as allowed.
func TestAPreviewOnAFullDisk(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	preview := func() answered {
		return r.call("alpha", http.MethodPost, main+"/permits?preview=true", "", permitBody("alpha", "1"))
	}
	require.Contains(t, preview().body, `"allowed":true`)
	r.api.engine = &full{r.engine}
	require.Equal(t, domain.CodeUnavailable, preview().code(t))
}

// full is an engine whose disk is full.
type full struct{ *commands.Engine }

func (*full) Takes(commands.Class) error {
	return domain.Errorf(domain.CodeUnavailable, "the disk is full")
}

// "The graver of two …; its `since` is when the first was engaged."
func TestTheGraverOfTwoPendingStopsIsShown(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	later, latest := at.Add(time.Hour), at.Add(2*time.Hour)
	s := portfolio.New()
	l := &looker{state: s, pending: []commands.PendingStop{
		{Kind: domain.StopSystemError, Reason: "one", At: later}, {Kind: domain.StopSecurityBreach, Reason: "two", At: latest},
	}}
	v := l.emergencyStop()
	require.Equal(t, []string{domain.StopSecurityBreach, "two"}, []string{*v.Kind, *v.Reason})
	require.Equal(t, later, *v.Since)
	s.Stop = portfolio.Stop{Engaged: true, Kind: domain.StopManual, Since: at}
	v = l.emergencyStop()
	require.True(t, v.Pending)
	require.Equal(t, at, *v.Since)
	s.Stop.Kind = domain.StopSecurityBreach
	require.False(t, l.emergencyStop().Pending)
}
