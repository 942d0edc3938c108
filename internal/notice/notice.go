// Package notice carries what a person should know that no event says: a transfer that
// does not go on, a chain that cannot be read, a key that is not what it was.
//
// It owns the kinds of notices, and when the same problem is told again. It refuses to
// read texts: what is the same problem follows from its kind and what it is about, never
// from how it is worded. Whoever shows, counts or sends notices takes them as a
// [Notify].
package notice

import (
	"sync"
	"time"

	"pets/domain"
)

// Kind says what is wrong. A new kind needs a row in kinds.
type Kind string

// The kinds.
const (
	// BalanceDiffers: ledger and chain say different things; outgoing transfers are stopped.
	BalanceDiffers Kind = "balance_differs"
	// SecurityBreach: something was changed that must not change; everything is stopped.
	SecurityBreach Kind = "security_breach"
	// TransferFailed: the chain has settled that a transfer does not happen.
	TransferFailed Kind = "transfer_failed"
	// TransferStuck: a transfer does not go on now, and is tried again.
	TransferStuck Kind = "transfer_stuck"
	// HotTooLong: the hot wallet has held too much for too long; increases are denied.
	HotTooLong Kind = "hot_too_long"
	// ChainUnread: ledger and chain cannot be compared.
	ChainUnread Kind = "chain_unread"
	// PortfolioUnread: a portfolio, or the list of them, cannot be examined.
	PortfolioUnread Kind = "portfolio_unread"
	// KeystoreUnread: the keystore cannot be examined; KeyUnusable: one key in it cannot be
	// used.
	KeystoreUnread Kind = "keystore_unread"
	KeyUnusable    Kind = "key_unusable"
	// Defect: a defect was found while a portfolio's transfers were worked on.
	Defect Kind = "defect"
	// LeftUnfinished: work was under way when the server stopped; it goes on at the next start.
	LeftUnfinished Kind = "left_unfinished"
)

// kinds say each kind in words.
var kinds = map[Kind]string{
	BalanceDiffers:  "ledger and chain differ",
	SecurityBreach:  "security breach",
	TransferFailed:  "a transfer failed",
	TransferStuck:   "a transfer does not go on",
	HotTooLong:      "the hot wallet holds too much; increases are denied",
	ChainUnread:     "ledger and chain cannot be compared",
	PortfolioUnread: "a portfolio cannot be examined",
	KeystoreUnread:  "the keystore cannot be examined",
	KeyUnusable:     "a key cannot be used",
	Defect:          "a defect was found while transfers were worked on",
	LeftUnfinished:  "transfers were still being worked on when the server stopped; they go on when it starts",
}

// Notice is one thing that a person should know.
type Notice struct {
	Kind      Kind
	Portfolio string // "" for all
	// Subject is what of the portfolio it is about: a transfer, or an asset in a place; "" for
	// the portfolio itself.
	Subject string
	// Detail is the rest in words, "" for nothing; Err why, nil for no error.
	Detail string
	Err    error
}

// Text says the notice in one line, without the portfolio and the error.
func (n Notice) Text() string {
	text := kinds[n.Kind]
	if n.Subject != "" {
		text += ": " + n.Subject
	}
	if n.Detail != "" {
		text += ": " + n.Detail
	}
	return text
}

// Notify is told of notices, one at a time or from several goroutines at once. It must not
// block: who tells is at work.
type Notify func(Notice)

// forgetAfter is how long a problem that is not met any more counts as the same: one that
// comes and goes is one problem. One that goes on with another cause is told again as
// often.
const forgetAfter = 10 * time.Minute

// Once passes on the notices of problems that are met again and again: each once, until it
// has not been met for ten minutes. The same problem is one of the same kind, subject and
// error code; if its cause is worded differently after ten minutes, it is told again.
type Once struct {
	now  func() time.Time
	next Notify

	mu   sync.Mutex
	told map[key]*last
}

type key struct {
	kind               Kind
	portfolio, subject string
	code               domain.Code
}

// last is when a problem was last met, and last told and how.
type last struct {
	met, told time.Time
	cause     string
}

// NewOnce returns an Once that passes on to next.
func NewOnce(now func() time.Time, next Notify) *Once {
	return &Once{now: now, next: next, told: map[key]*last{}}
}

// Tell passes a notice on unless it was told.
func (o *Once) Tell(n Notice) {
	if o.news(n) {
		o.next(n)
	}
}

func (o *Once) news(n Notice) bool {
	now, k, cause := o.now(), key{kind: n.Kind, portfolio: n.Portfolio, subject: n.Subject}, n.Detail
	if n.Err != nil {
		k.code = domain.CodeOf(n.Err)
		cause += n.Err.Error()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for known, l := range o.told {
		if now.Sub(l.met) >= forgetAfter {
			delete(o.told, known)
		}
	}
	l := o.told[k]
	if l != nil && (l.cause == cause || now.Sub(l.told) < forgetAfter) {
		l.met = now
		return false
	}
	o.told[k] = &last{met: now, told: now, cause: cause}
	return true
}
