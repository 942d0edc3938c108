package httpapi

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/domain"
)

const keyYear = 365 * 24 * time.Hour

// clockRig is a rig whose clock the test sets.
func clockRig(t *testing.T) (r *rig, start time.Time, set func(time.Time)) {
	t.Helper()
	var wall atomic.Pointer[time.Time]
	set = func(at time.Time) { wall.Store(&at) }
	start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	set(start)
	return newRig(t, rigged{now: func() time.Time { return *wall.Load() }}).opened(), start, set
}

type listedKeys struct{ Keys []keyAnswer }

// keyIn is a key of the list by its user and role.
func (r *rig) keyIn(user string, role domain.Role) keyAnswer {
	r.t.Helper()
	var list listedKeys
	a := r.get("auditor", "/v1/api-keys")
	a.into(r.t, &list)
	for _, k := range list.Keys {
		if k.User == user && k.Role == role {
			return k
		}
	}
	require.Fail(r.t, "there is no such key", user)
	return keyAnswer{}
}

// "expires_at, refused after it with a code and message that says what to do": on every route
// that is no stop, and a warning in every answer of the 30 days before.
func TestAnExpiredKeyIsRefused(t *testing.T) {
	r, start, set := clockRig(t)
	require.Empty(t, r.get("operator", main+"/state").header.Get(KeyExpiresHeader))
	require.Equal(t, "live", r.keyIn("olga", domain.RoleOperator).State)

	set(start.Add(keyYear - 30*24*time.Hour))
	require.Equal(t, "2027-03-01T12:00:00Z", r.get("operator", main+"/state").header.Get(KeyExpiresHeader))
	require.Equal(t, "expiring", r.keyIn("olga", domain.RoleOperator).State)

	set(start.Add(keyYear - 1))
	require.Equal(t, http.StatusOK, r.get("alpha", main+"/state").status)
	set(start.Add(keyYear))
	for i := range table {
		row := &table[i]
		if row.urgent {
			continue
		}
		a := r.call("admin", row.method, concrete(row.path), uuid.NewString(), "{}")
		require.Equal(t, http.StatusUnauthorized, a.status, row.short())
		require.Equal(t, domain.CodeKeyExpired, a.code(t), row.short())
		set(start.Add(keyYear + time.Duration(i+1)*time.Minute)) // strangers are slowed down
	}
	a := r.get("operator", main+"/state")
	require.Contains(t, a.problem(t).Detail, "expired at 2027-03-01T12:00:00Z: an admin issues another one (pets apikey issue)")
	require.NotContains(t, a.body, r.keys["operator"])
	require.NotContains(t, a.body, "PETS_ADMIN_KEY_FILE")
	// The last admin is not sent to an admin.
	require.Contains(t, r.get("admin", main+"/state").problem(t).Detail, "where no admin's key is accepted any more, the server takes a new first one (PETS_ADMIN_KEY_FILE, docs/operating.md)")
	require.Equal(t, domain.CodeUnauthenticated, func() domain.Code {
		r.keys["nobody"] = "pets_nobody"
		return r.get("nobody", main+"/state").code(t)
	}(), "of a key that was never issued nothing is said")
}

// "A person can always stop": a key that has expired stops, and does nothing else; one that
// was revoked or replaced does not.
func TestAnExpiredKeyStillStops(t *testing.T) {
	r, start, set := clockRig(t)
	set(start.Add(keyYear - time.Hour))
	var rotated issueAnswer
	r.post("admin", "/v1/api-keys/"+r.keyIn("bob", domain.RoleApprover).Key+"/rotate", `{"overlap":"0s"}`).into(t, &rotated)
	set(start.Add(keyYear))
	a := r.post("operator", main+"/bots/alpha/stop", `{"reason":"to be sure"}`)
	require.Equal(t, http.StatusOK, a.status, a.body)
	a = r.post("operator", main+"/emergency-stop", `{"kind":"manual","reason":"to be sure"}`)
	require.Equal(t, http.StatusOK, a.status, a.body)
	require.Equal(t, domain.CodeKeyExpired, r.post("operator", main+"/emergency-stop/clear", `{}`).code(t))
	require.Equal(t, domain.CodeDenied, r.post("auditor", main+"/emergency-stop", `{"kind":"manual","reason":"x"}`).code(t), "a role that may not stop")
	a = r.post("approver", main+"/emergency-stop", `{"kind":"manual","reason":"x"}`)
	require.Equal(t, domain.CodeKeyExpired, a.code(t))
	require.Contains(t, a.problem(t).Detail, "replaced by "+rotated.Key)
}

// "Times come from the record's clock, not a client's", and a clock that jumped ahead and was
// set right again has ended nothing.
func TestAClockThatJumpsEndsNoKey(t *testing.T) {
	r, start, set := clockRig(t)
	set(start.Add(2 * keyYear))
	require.Equal(t, domain.CodeKeyExpired, r.get("alpha", main+"/state").code(t))
	set(start.Add(time.Hour))
	require.Equal(t, http.StatusOK, r.get("alpha", main+"/state").status)
}

// "A request whose key expired while its body was under way": the same as of a revoked one.
func TestAKeyThatExpiresMeanwhile(t *testing.T) {
	r, start, set := clockRig(t)
	k := key{}
	for _, one := range r.ring.List() {
		if one.User == "olga" && one.Role == domain.RoleOperator {
			k.id = one.ID
		}
	}
	req, err := http.NewRequest(http.MethodGet, "/", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+r.keys["operator"])
	k, err = r.api.authenticate(req, &route{})
	require.NoError(t, err)
	require.NoError(t, r.api.entitled(k))
	set(start.Add(keyYear))
	require.Equal(t, domain.CodeKeyExpired, domain.CodeOf(r.api.entitled(k)))
	k.stops = true
	require.NoError(t, r.api.entitled(k))
}

// A key that replaces itself without an overlap still gets the answer with the new secret.
func TestAKeyThatReplacesItself(t *testing.T) {
	r, _, _ := clockRig(t)
	var second issueAnswer
	r.post("admin", "/v1/api-keys", `{"user":"zoe","role":"admin"}`).into(t, &second)
	r.keys["zoe"] = second.Secret
	var got issueAnswer
	r.post("zoe", "/v1/api-keys/"+second.Key+"/rotate", `{"overlap":"0s"}`).into(t, &got)
	require.NotEmpty(t, got.Secret)
	require.Equal(t, domain.CodeKeyExpired, r.get("zoe", "/v1/api-keys").code(t))
	r.keys["zoe"] = got.Secret
	require.Equal(t, http.StatusOK, r.get("zoe", "/v1/api-keys").status)
}

// "apikey rotate with an overlap": both keys work during it, the new one alone afterwards, as
// the same user, role, portfolio and bot. The secret is shown once.
func TestRotateOverTheAPI(t *testing.T) {
	r, start, set := clockRig(t)
	former := r.keyIn("alpha", domain.RoleBot)
	path := "/v1/api-keys/" + former.Key + "/rotate"
	for _, who := range []string{"operator", "approver", "auditor", "alpha"} {
		require.Equal(t, domain.CodeDenied, r.post(who, path, `{}`).code(t), who)
	}
	id := uuid.NewString()
	var got, again issueAnswer
	a := r.call("admin", http.MethodPost, path, id, `{"overlap":"1h","expires_in":"48h"}`)
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	a.into(t, &got)
	require.Regexp(t, `^pets_[A-Za-z0-9_-]{43}$`, got.Secret)
	require.Equal(t, start.Add(48*time.Hour), got.ExpiresAt.UTC())
	r.call("admin", http.MethodPost, path, id, `{"overlap":"1h","expires_in":"48h"}`).into(t, &again)
	require.Equal(t, got.Key, again.Key)
	require.Empty(t, again.Secret, "shown once")
	require.Equal(t, domain.CodeIdempotencyMismatch, r.call("admin", http.MethodPost, path, id, `{"overlap":"2h"}`).code(t))
	require.Equal(t, domain.CodeConflict, r.post("admin", path, `{}`).code(t))

	r.keys["alpha-new"] = got.Secret
	for _, who := range []string{"alpha", "alpha-new"} {
		require.Equal(t, http.StatusOK, r.get(who, main+"/state").status, who)
	}
	replaced := r.keyIn("alpha", domain.RoleBot)
	require.Equal(t, got.Key, replaced.ReplacedBy)
	require.Equal(t, "expiring", replaced.State)
	set(start.Add(time.Hour))
	require.Equal(t, domain.CodeKeyExpired, r.get("alpha", main+"/state").code(t))
	require.Contains(t, r.get("alpha", main+"/state").problem(t).Detail, "replaced by "+got.Key)
	require.Equal(t, http.StatusOK, r.post("alpha-new", main+"/permits", permitBody("alpha", "1")).status)
	require.Equal(t, domain.CodeDenied, r.get("alpha-new", main+"/equity").code(t), "no more than it could before")
	require.NotContains(t, r.get("auditor", "/v1/api-keys").body, "pets_")
}
