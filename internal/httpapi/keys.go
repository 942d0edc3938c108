package httpapi

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"reflect"
	"time"

	"pets/commands"
	"pets/domain"
	"pets/projections"
)

// tokenPrefix makes an API key recognisable to people and to scanners for leaked
// secrets.
const tokenPrefix = "pets_"

// NewToken generates an API key of 256 random bits and returns it with its hash.
// Only the hash is stored.
func NewToken() (token, hash string) {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails: the program ends if the system has no randomness
	token = tokenPrefix + base64.RawURLEncoding.EncodeToString(b)
	return token, HashToken(token)
}

// HashToken returns the SHA-256 of an API key in lower-case hex, as it is stored.
func HashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// issueAnswer holds the secret once. A retry with the same Idempotency-Key issues
// nothing new and returns no secret, because it is not stored.
type issueAnswer struct {
	commands.Answer
	Key string `json:"key"`
	// Secret goes into the Authorization header. It is shown here and never again.
	Secret string `json:"secret,omitempty"`
	// ExpiresAt is when the key ends.
	ExpiresAt *time.Time `json:"expires_at"`
}

type keyList struct {
	Keys []keyAnswer `json:"keys"`
	Pages
}

// keyAnswer is a key without its secret.
type keyAnswer struct {
	Key       string      `json:"key"`
	User      string      `json:"user"`
	Role      domain.Role `json:"role"`
	Portfolio string      `json:"portfolio,omitempty"`
	Bot       string      `json:"bot,omitempty"`
	Note      string      `json:"note,omitempty"`
	IssuedAt  time.Time   `json:"issued_at"`
	RevokedAt *time.Time  `json:"revoked_at"`
	// ExpiresAt is when the key ends; null for never, as keys of earlier builds.
	ExpiresAt *time.Time `json:"expires_at"`
	// ReplacedBy is the key that took its place.
	ReplacedBy string `json:"replaced_by,omitempty"`
	// State is live, expiring (in the 30 days before its end), expired or revoked,
	// by the server's clock.
	State string `json:"state"`
}

func issueRoute() route {
	r := sending(commands.IssueKey{}, "/v1/api-keys", "Issue an API key; the answer shows its secret, once", issueKey)
	r.global, r.answer = true, reflect.TypeFor[issueAnswer]()
	return r
}

func rotateRoute() route {
	r := sending(commands.RotateKey{}, "/v1/api-keys/{key}/rotate", "Replace an API key by a new one for the same user, role, portfolio and bot; the answer shows its secret, once", rotateKey)
	r.global, r.answer = true, reflect.TypeFor[issueAnswer]()
	return r
}

func revokeRoute() route {
	r := sending(commands.RevokeKey{}, "/v1/api-keys/{key}", "Revoke an API key; it is refused from this answer on", revokeKey)
	r.method, r.global, r.early = http.MethodDelete, true, true
	return r
}

func issueKey(q *request) error {
	var c commands.IssueKey
	if err := q.readBody(&c); err != nil {
		return err
	}
	k, err := idempotencyKey(q.r)
	if err != nil {
		return err
	}
	var token string
	token, c.Hash = NewToken()
	answer, err := q.system(q.asks(k, c))
	if err != nil {
		return err
	}
	return q.issued(answer, token)
}

func rotateKey(q *request) error {
	c := commands.RotateKey{Key: q.r.PathValue("key")}
	if err := q.readBody(&c); err != nil {
		return err
	}
	k, err := idempotencyKey(q.r)
	if err != nil {
		return err
	}
	var token string
	token, c.Hash = NewToken()
	answer, err := q.system(q.asks(k, c))
	if err != nil {
		return err
	}
	return q.issued(answer, token)
}

// issued shows the secret of a new key, once.
func (q *request) issued(answer commands.Answer, token string) error {
	v := issueAnswer{Answer: answer, Key: answer.ID}
	if answer.Replayed {
		q.w.Header().Set("Idempotency-Replayed", "true")
	} else {
		v.Secret = token
	}
	of, _ := q.api.keys.ByID(answer.ID)
	v.ExpiresAt = of.ExpiresAt
	if of.Role == domain.RoleApprover && !answer.Replayed {
		// "Issuing an approver key is a critical alert": its holder can be the
		// second of two people.
		q.api.log.Error("CRITICAL: an approver key was issued", "key", answer.ID, "user", of.User, "by", q.key.caller.User)
	}
	q.w.Header().Set("Cache-Control", "no-store")
	writeJSON(q.w, http.StatusOK, v)
	return nil
}

func revokeKey(q *request) error {
	c := commands.RevokeKey{Key: q.r.PathValue("key")}
	if err := q.readBody(&c); err != nil {
		return err
	}
	k, err := idempotencyKey(q.r)
	if err != nil {
		return err
	}
	answer, err := q.system(q.asks(k, c))
	if err != nil {
		return err
	}
	q.answer(&answer)
	return nil
}

// system sends a command to the system stream and waits until the keyring has it:
// a revoked key is refused from this answer on.
func (q *request) system(r commands.Request) (commands.Answer, error) {
	ctx, cancel := q.deciding(answerWithin)
	defer cancel()
	answer, err := q.api.engine.System(ctx, r)
	q.decided(commands.ClassOf(r.Command), &answer, err)
	if err != nil {
		return answer, err
	}
	if err := q.api.keys.Wait(ctx, answer.Revision); err != nil {
		return answer, &domain.Error{Code: domain.CodeUnavailable, Message: "it is recorded, but not in force here yet", Cause: err}
	}
	return answer, nil
}

func listKeys(q *request) error {
	values, err := q.query()
	if err != nil {
		return err
	}
	v := &keyList{Keys: []keyAnswer{}}
	for _, k := range q.api.keys.List() {
		v.Keys = append(v.Keys, keyOf(k, q.api.now()))
	}
	if err := v.page(values, listOf("keys", &v.Keys, func(k *keyAnswer) string { return k.Key })); err != nil {
		return err
	}
	return q.deliver(v)
}

func keyOf(k projections.Key, now time.Time) keyAnswer {
	return keyAnswer{
		Key: k.ID, User: k.User, Role: k.Role, Portfolio: k.Portfolio, Bot: k.Bot, Note: k.Note, IssuedAt: k.IssuedAt, RevokedAt: k.RevokedAt,
		ExpiresAt: k.ExpiresAt, ReplacedBy: k.ReplacedBy, State: k.StateAt(now),
	}
}
