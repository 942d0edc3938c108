package httpapi

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/domain"
)

// "A wall clock behind the last record … still takes facts, marks and everything that
// stops or reduces, with the last record's time and a flag; it refuses what opens …
// Two people may accept the clock": over the API, with the keys of real people, of whom one
// loses hers in between.
func TestAWrongClockOverTheAPI(t *testing.T) {
	var wall atomic.Pointer[time.Time]
	set := func(at time.Time) { wall.Store(&at) }
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	set(start)
	r := newRig(t, rigged{now: func() time.Time { return *wall.Load() }}).opened()
	r.must("alpha", main+"/fills", fillBodyOf("alpha", "1", "10", "0.5"))
	set(start.Add(300 * 24 * time.Hour))
	r.must("operator", main+"/deposits", `{"wallet":"hot","amount":"1"}`)
	set(start)

	const behind = `"clock_behind":"7200h0m0s"`
	require.Contains(t, r.post("operator", main+"/deposits", `{"wallet":"hot","amount":"1"}`).body, behind)
	refused := r.post("alpha", main+"/permits", permitBody("alpha", "1"))
	require.Equal(t, []any{http.StatusServiceUnavailable, domain.CodeClock}, []any{refused.status, refused.code(t)})
	require.Equal(t, domain.CodeClock, r.post("alpha", main+"/permits?preview=true", permitBody("alpha", "1")).code(t))
	closing := r.post("alpha", main+"/permits", strings.Replace(permitBody("alpha", "10"), `"buy"`, `"sell"`, 1))
	require.Equal(t, http.StatusOK, closing.status, closing.body)
	require.Contains(t, closing.body, behind)
	require.Contains(t, r.post("operator", main+"/emergency-stop", `{"kind":"manual","reason":"to be sure"}`).body, behind)
	require.Contains(t, r.post("admin", "/v1/api-keys", `{"user":"zoe","role":"operator"}`).body, `"secret"`)

	var asked struct{ ID string }
	r.post("operator", main+"/overrides", `{"kind":"clock","reason":"the year was wrong"}`).into(t, &asked)
	require.Equal(t, domain.CodeDenied, r.post("olga", main+"/overrides/"+asked.ID+"/confirm", "").code(t))
	r.must("approver", main+"/overrides/"+asked.ID+"/confirm", "")
	require.Contains(t, r.get("operator", main+"/state").body, `"clock_offset":"7200h0m0s"`)

	// The key of who asks to clear the stop is revoked, before and after the confirmation.
	r.post("operator", main+"/emergency-stop/clear", `{"reason":"all is well"}`).into(t, &asked)
	for _, k := range r.ring.List() {
		if domain.SameUser(k.User, "olga") {
			a := r.call("admin", http.MethodDelete, "/v1/api-keys/"+k.ID, uuid.NewString(), `{"reason":"she left"}`)
			require.Equal(t, http.StatusOK, a.status, a.body)
		}
	}
	denied := r.post("approver", main+"/emergency-stop/clear/"+asked.ID+"/confirm", "")
	require.Equal(t, domain.CodeDenied, denied.code(t))
	require.Contains(t, denied.body, "was revoked after this was requested")
}
