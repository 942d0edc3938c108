// Package notice carries messages for people that no event carries: a transfer
// that does not proceed, a chain that cannot be read, a replaced key. Only custody
// sends any today: its loop, and the check of its keys at the start of a server.
// Stops, trips and resets are events and no notices; what tells people of those
// follows [pets/internal/live.Followers.News].
//
// It owns the kinds of notices, and when the same problem is reported again. It
// refuses to interpret texts: two notices are the same problem if their kind and
// subject are the same, however they are worded. Code that shows, counts or sends
// notices receives them as a [Notify].
package notice

import (
	"fmt"
	"sync"
	"time"

	"pets/domain"
)

// Kind is the kind of a problem. A new kind needs a row in kinds.
type Kind string

// The kinds.
const (
	// BalanceDiffers reports that ledger and chain differ; outgoing transfers are
	// stopped.
	BalanceDiffers Kind = "balance_differs"
	// SecurityBreach reports a change of something that must not change;
	// everything is stopped.
	SecurityBreach Kind = "security_breach"
	// TransferFailed reports that the chain has decided against a transfer.
	TransferFailed Kind = "transfer_failed"
	// TransferReopened reports that the recorded end of a transfer was taken back,
	// because the chain does not have it.
	TransferReopened Kind = "transfer_reopened"
	// TransferStuck reports that a transfer does not proceed now; it is retried.
	TransferStuck Kind = "transfer_stuck"
	// Unchecked reports that an outcome which two people recorded could not be compared
	// with the chain.
	Unchecked Kind = "override_unchecked"
	// HotTooLong reports that the hot wallet has held too much for too long;
	// increases are denied.
	HotTooLong Kind = "hot_too_long"
	// ChainUnread reports that ledger and chain cannot be compared.
	ChainUnread Kind = "chain_unread"
	// PortfolioUnread reports that a portfolio, or the list of them, cannot be
	// examined.
	PortfolioUnread Kind = "portfolio_unread"
	// KeystoreUnread reports that the keystore cannot be examined, KeyUnusable
	// that one key in it cannot be used.
	KeystoreUnread Kind = "keystore_unread"
	KeyUnusable    Kind = "key_unusable"
	// ChannelFailed reports that another receiver of notices panicked.
	ChannelFailed Kind = "channel_failed"
	// Defect reports a defect that was found during work on a portfolio's
	// transfers.
	Defect Kind = "defect"
	// LeftUnfinished reports that work was under way when the server stopped; it
	// continues at the next start.
	LeftUnfinished Kind = "left_unfinished"
)

// kinds describes each kind.
var kinds = map[Kind]string{
	BalanceDiffers:   "ledger and chain differ",
	SecurityBreach:   "security breach",
	TransferFailed:   "a transfer failed",
	TransferReopened: "a transfer that was over is open again",
	Unchecked:        "two people recorded what became of a transfer, and the chain did not answer to it",
	TransferStuck:    "a transfer does not progress",
	HotTooLong:       "the hot wallet holds too much; increases are denied",
	ChainUnread:      "ledger and chain cannot be compared",
	PortfolioUnread:  "a portfolio cannot be examined",
	KeystoreUnread:   "the keystore cannot be examined",
	KeyUnusable:      "a key cannot be used",
	ChannelFailed:    "a channel of notices failed; what it was to pass on is lost",
	Defect:           "a defect was found while transfers were worked on",
	LeftUnfinished:   "the server stopped during work on transfers; it continues at the next start",
}

// Notice is one message for people.
type Notice struct {
	Kind      Kind
	Portfolio string // "" for all
	// Subject is the part of the portfolio that it is about: a transfer, or an
	// asset in a place; "" for the portfolio itself.
	Subject string
	// Detail is the rest of the text, or "". Err is the cause, or nil.
	Detail string
	Err    error
}

// Text returns the notice in one line, without the portfolio and the error.
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

// Notify receives notices, possibly from several goroutines at once. It must not
// block, because the sender is busy.
type Notify func(Notice)

// All returns a Notify that passes each notice on to all receivers, in their order. One
// that panics does not keep the others from it: they get a notice of that, too.
func All(receivers ...Notify) Notify {
	return func(n Notice) {
		failed := make([]error, len(receivers))
		for i, to := range receivers {
			failed[i] = deliver(to, n)
		}
		for i, err := range failed {
			for other, to := range receivers {
				if err != nil && other != i {
					_ = deliver(to, Notice{Kind: ChannelFailed, Portfolio: n.Portfolio, Subject: string(n.Kind), Err: err}) // the others have it
				}
			}
		}
	}
}

func deliver(to Notify, n Notice) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	to(n)
	return nil
}

// forgetAfter is how long a problem that no longer occurs still counts as the
// same one: a problem that comes and goes is reported once. It is reported again
// if its cause changes.
const forgetAfter = 10 * time.Minute

// Once passes on the notices of recurring problems: each once, until it has not occurred
// for ten minutes. Two notices are the same problem if their kind, portfolio, subject and
// error code are the same. If the cause is worded differently after ten minutes, the
// problem is passed on again.
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

// last is when a problem last occurred, and when and with which cause it was last passed
// on.
type last struct {
	met, told time.Time
	cause     string
}

// NewOnce returns an Once that passes on to next.
func NewOnce(now func() time.Time, next Notify) *Once {
	return &Once{now: now, next: next, told: map[key]*last{}}
}

// Tell passes a notice on, unless that problem was passed on before.
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
