package httpapi

import (
	"net/http"
	"reflect"
	"time"

	"pets/commands"
	"pets/domain/approval"
)

type approverList struct {
	// Ledger is the id of the ledger; it is part of all that approvers sign.
	Ledger    string           `json:"ledger"`
	Approvers []approverAnswer `json:"approvers"`
	Pages
}

// approverAnswer is the public half of an approver's key.
type approverAnswer struct {
	Approver     string    `json:"approver"`
	User         string    `json:"user"`
	PublicKey    string    `json:"public_key"`
	Fingerprint  string    `json:"fingerprint"`
	RegisteredBy string    `json:"registered_by"`
	RegisteredAt time.Time `json:"registered_at"`
	// Counts: its signatures count now. CountsFrom is when they do, unless it is revoked.
	Counts     bool      `json:"counts"`
	CountsFrom time.Time `json:"counts_from"`
	// VouchedBy gave a word for it, so that it counted earlier.
	VouchedBy string     `json:"vouched_by,omitempty"`
	RevokedAt *time.Time `json:"revoked_at"`
	// Unsound says what in the key's records contradicts the rules, so that it does not count.
	Unsound string `json:"unsound,omitempty"`
	Note    string `json:"note,omitempty"`
	// Subject is what a counting approver signs to give a word for a key that waits.
	Subject *approval.Subject `json:"subject,omitempty"`
}

func approverRoutes() []route {
	register := sending(commands.RegisterApprover{}, "/v1/approvers", "Register the public half of an approver's key: the first one of the ledger counts at once, later ones after 24 h or by the word of another approver", registerApprover)
	vouch := sending(commands.VouchApprover{}, "/v1/approvers/{approver}/vouch", "A counting approver gives a word for another one's key: it counts from this answer on", vouchApprover)
	revoke := sending(commands.RevokeApprover{}, "/v1/approvers/{approver}", "Revoke an approver's key, for good; its signatures are refused from this answer on", revokeApprover)
	register.global, vouch.global = true, true
	revoke.method, revoke.global, revoke.early = http.MethodDelete, true, true
	return []route{
		register, vouch, revoke,
		{
			method: http.MethodGet, path: "/v1/approvers", name: "list_approvers", roles: readers[1:], global: true, handle: listApprovers,
			summary: "The approvers' keys, and the id of the ledger", answer: reflect.TypeFor[approverList](), params: paging,
		},
	}
}

func registerApprover(q *request) error {
	var c commands.RegisterApprover
	return q.changeApprovers(&c, func() commands.Command { return c }, func(a *commands.Answer) {
		// As issuing an approver's API key: its holder can be the second of two people.
		q.api.log.Error("CRITICAL: an approver's key was registered", "approver", a.ID, "user", c.User, "fingerprint", approval.Fingerprint(c.PublicKey), "by", q.key.caller.User)
	})
}

func vouchApprover(q *request) error {
	c := commands.VouchApprover{Approver: q.r.PathValue("approver")}
	return q.changeApprovers(&c, func() commands.Command { return c }, func(*commands.Answer) {
		q.api.log.Error("CRITICAL: an approver's key counts by the word of another approver", "approver", c.Approver, "by", q.key.caller.User)
	})
}

func revokeApprover(q *request) error {
	c := commands.RevokeApprover{Approver: q.r.PathValue("approver")}
	return q.changeApprovers(&c, func() commands.Command { return c }, func(*commands.Answer) {
		q.api.log.Error("CRITICAL: an approver's key was revoked", "approver", c.Approver, "by", q.key.caller.User)
	})
}

// changeApprovers reads a command into what body points to, sends what command then
// returns, and tells the log once it is recorded.
func (q *request) changeApprovers(body any, command func() commands.Command, tell func(*commands.Answer)) error {
	if err := q.readBody(body); err != nil {
		return err
	}
	k, err := idempotencyKey(q.r)
	if err != nil {
		return err
	}
	answer, err := q.system(q.asks(k, command()))
	if err != nil {
		return err
	}
	if !answer.Replayed {
		tell(&answer)
	}
	q.answer(&answer)
	return nil
}

func listApprovers(q *request) error {
	values, err := q.query()
	if err != nil {
		return err
	}
	known, now := q.api.keys.Approvers(), q.api.now()
	v := &approverList{Ledger: known.Ledger, Approvers: []approverAnswer{}}
	for _, a := range known.Keys {
		one := approverAnswer{
			Approver: a.ID, User: a.User, PublicKey: a.Key, Fingerprint: approval.Fingerprint(a.Key), RegisteredBy: a.By, RegisteredAt: a.RegisteredAt,
			Counts: a.Counts(now), CountsFrom: countsFrom(&a, now), VouchedBy: a.VouchedBy, RevokedAt: a.RevokedAt, Unsound: a.Unsound, Note: a.Note,
		}
		if word, waits := q.api.keys.Word(a.ID); waits && !one.Counts {
			one.Subject = &word
		}
		v.Approvers = append(v.Approvers, one)
	}
	if err := v.page(values, listOf("approvers", &v.Approvers, func(a *approverAnswer) string { return a.Approver })); err != nil {
		return err
	}
	return q.deliver(v)
}

// countsFrom returns since or from when a key counts.
func countsFrom(a *approval.Approver, now time.Time) time.Time {
	if at := a.From(now); at != nil {
		return *at
	}
	return a.CountsFrom
}
