package httpapi

import (
	"context"
	"crypto/sha256"
	"net/http"
	"slices"
	"strings"
	"time"

	"pets/commands"
	"pets/domain"
	"pets/domain/system"
	"pets/projections"
)

// maxToken limits the length of an API key in a request.
const maxToken = 256

// key is the API key of a request.
type key struct {
	id        string
	caller    domain.Caller
	portfolio string // the only one it may name, "" for any
	hash      [sha256.Size]byte
	ends      time.Time // if that is soon; else zero
	stops     bool      // the request stops something
}

// authenticate finds the key of a request. The error only says that there is
// none: the reason is not disclosed to a caller without a valid key.
func (a *API) authenticate(r *http.Request, row *route) (key, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" || len(token) > maxToken {
		return key{}, domain.Errorf(domain.CodeUnauthenticated, "send Authorization: Bearer and an API key")
	}
	hash := sha256.Sum256([]byte(token))
	found, ok := a.keys.Lookup(hash)
	if !ok {
		return key{}, errKeyUnknown
	}
	now, stops := a.now(), row.urgent
	if !accepted(&found, now, stops) { // whoever has the key may know what became of it
		return key{id: found.ID}, errKeyExpired(&found)
	}
	k := key{
		stops: stops,
		id:    found.ID, portfolio: found.Portfolio, hash: hash,
		caller: domain.Caller{User: found.User, Role: found.Role, Bot: found.Bot},
	}
	if found.ExpiresAt != nil && found.ExpiresAt.Sub(now) <= system.WarnKey {
		k.ends = *found.ExpiresAt
	}
	return k, nil
}

// accepted reports whether a key that was not revoked may do this now. One that has
// expired may still stop: a person can always stop, and a clock that jumped a year
// ahead must not prevent it. One that was replaced may not: its end was asked for.
func accepted(k *projections.Key, now time.Time, stops bool) bool {
	return !k.Expired(now) || stops && k.ReplacedBy == ""
}

// KeyExpiresHeader says when the key of a request expires, in the last 30 days
// before that.
const KeyExpiresHeader = "Pets-Key-Expires"

func errKeyExpired(k *projections.Key) error {
	how := "an admin issues another one (pets apikey issue)"
	if k.Role == domain.RoleAdmin {
		how += "; where no admin's key is accepted any more, the server takes a new first one (PETS_ADMIN_KEY_FILE, docs/operating.md)"
	}
	if k.ReplacedBy != "" {
		how = "it was replaced by " + k.ReplacedBy + ", whose secret the admin has who rotated it"
	}
	return domain.Errorf(domain.CodeKeyExpired, "the API key %s expired at %s: %s. On the server's own machine pets stop needs no key", k.ID, k.ExpiresAt.UTC().Format(time.RFC3339), how)
}

var errKeyUnknown = domain.Errorf(domain.CodeUnauthenticated, "the API key is not known, or was revoked")

// entitled refuses a request whose key was revoked, or expired, after it was admitted: "it is
// refused from this answer on". Reading a body and waiting in a queue take time,
// so it is checked when the body has been read, when a command is decided, and
// before results are shown.
func (q *request) entitled() error {
	if _, local := localIn(q.r.Context()); local {
		return nil // the owner of the machine has no key to revoke
	}
	return q.api.entitled(q.key)
}

func (a *API) entitled(k key) error {
	found, ok := a.keys.Lookup(k.hash)
	switch {
	case !ok:
		return errKeyUnknown
	case !accepted(&found, a.now(), k.stops):
		return errKeyExpired(&found)
	}
	return nil
}

// asks returns the request of a command. It checks the key once more when the
// command is decided; the HTTP request may be over by then.
func (q *request) asks(idempotencyKey string, c commands.Command) commands.Request {
	r := commands.Request{Caller: q.key.caller, Key: idempotencyKey, Command: c}
	if _, local := localIn(q.r.Context()); !local {
		a, k := q.api, q.key
		r.Entitled = func() error { return a.entitled(k) }
	}
	return r
}

// authorise checks a request against its route's roles and its key's portfolio.
// The answer does not depend on whether the requested thing exists.
func authorise(k key, row *route, r *http.Request) error {
	if !slices.Contains(row.roles, k.caller.Role) {
		return domain.Errorf(domain.CodeDenied, "role %s may not do this: it takes a key of role %s, which an admin issues (pets apikey issue)", k.caller.Role, eitherOf(row.roles))
	}
	if p := r.PathValue("portfolio"); k.portfolio != "" && p != "" && p != k.portfolio {
		return domain.Errorf(domain.CodeDenied, OtherPortfolio)
	}
	if row.global && k.portfolio != "" {
		return domain.Errorf(domain.CodeDenied, "the key is for one portfolio only")
	}
	return nil
}

// OtherPortfolio is how a request is refused whose key is for another portfolio.
const OtherPortfolio = "the key is for another portfolio"

// eitherOf names roles: operator or approver.
func eitherOf(roles []domain.Role) string {
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = string(r)
	}
	return strings.Join(names, " or ")
}

// own returns the bot that a reader is limited to: its own for a bot's key, and
// the value of ?bot= for others.
func own(k key, asked string) (string, error) {
	if k.caller.Role != domain.RoleBot {
		return asked, nil
	}
	if asked != "" && asked != k.caller.Bot {
		return "", domain.Errorf(domain.CodeDenied, "a bot's key sees its own bot only")
	}
	return k.caller.Bot, nil
}

// localIn returns the caller of a request from the stop socket, who needs no key.
func localIn(ctx context.Context) (domain.Caller, bool) {
	c, ok := ctx.Value(localKey{}).(domain.Caller)
	return c, ok
}
