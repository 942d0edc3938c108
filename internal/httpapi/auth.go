package httpapi

import (
	"context"
	"crypto/sha256"
	"net/http"
	"slices"
	"strings"

	"pets/commands"
	"pets/domain"
)

// maxToken bounds what is taken for an API key.
const maxToken = 256

// key is an API key as a request came with it.
type key struct {
	id        string
	caller    domain.Caller
	portfolio string // the only one it may name, "" for any
	hash      [sha256.Size]byte
}

// authenticate finds the key of a request. It says no more than that there is
// none: why a key is not valid is nobody's business who does not have one.
func (a *API) authenticate(r *http.Request) (key, error) {
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
	return key{
		id: found.ID, portfolio: found.Portfolio, hash: hash,
		caller: domain.Caller{User: found.User, Role: found.Role, Bot: found.Bot},
	}, nil
}

var errKeyUnknown = domain.Errorf(domain.CodeUnauthenticated, "the API key is not known, or was revoked")

// entitled refuses a request whose key was revoked after it was let in: "it is refused
// from this answer on". A body takes its time, and so does a place in a queue; so it is
// asked when the body is there, when a command is decided, and before what was read is
// shown.
func (q *request) entitled() error {
	if _, local := localIn(q.r.Context()); local {
		return nil // nobody revokes who owns the machine
	}
	return q.api.entitled(q.key)
}

func (a *API) entitled(k key) error {
	if _, ok := a.keys.Lookup(k.hash); !ok {
		return errKeyUnknown
	}
	return nil
}

// asks is a command of the request's caller. It asks for the key once more when it is
// decided; by then the request itself may be over.
func (q *request) asks(idempotencyKey string, c commands.Command) commands.Request {
	r := commands.Request{Caller: q.key.caller, Key: idempotencyKey, Command: c}
	if _, local := localIn(q.r.Context()); !local {
		a, k := q.api, q.key
		r.Entitled = func() error { return a.entitled(k) }
	}
	return r
}

// authorise holds a request against its route's roles and its key's portfolio.
// The answer is the same whether or not what was asked for exists.
func authorise(k key, row *route, r *http.Request) error {
	if !slices.Contains(row.roles, k.caller.Role) {
		return domain.Errorf(domain.CodeDenied, "role %s may not do this", k.caller.Role)
	}
	if p := r.PathValue("portfolio"); k.portfolio != "" && p != "" && p != k.portfolio {
		return domain.Errorf(domain.CodeDenied, "the key is for another portfolio")
	}
	if row.global && k.portfolio != "" {
		return domain.Errorf(domain.CodeDenied, "the key is for one portfolio only")
	}
	return nil
}

// own returns the bot a reader is limited to: a bot's key sees only its own,
// anybody else what ?bot= asks for.
func own(k key, asked string) (string, error) {
	if k.caller.Role != domain.RoleBot {
		return asked, nil
	}
	if asked != "" && asked != k.caller.Bot {
		return "", domain.Errorf(domain.CodeDenied, "a bot's key sees its own bot only")
	}
	return k.caller.Bot, nil
}

// localIn is the caller of a request from the stop socket who needs no key.
func localIn(ctx context.Context) (domain.Caller, bool) {
	c, ok := ctx.Value(localKey{}).(domain.Caller)
	return c, ok
}
