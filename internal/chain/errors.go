package chain

import (
	"fmt"
	"slices"
	"strings"

	"pets/domain"
)

// What can go wrong, to be asked for with errors.Is. Each has a domain code.
var (
	// ErrDisagreement: two endpoints gave different answers about one block.
	// Somebody lies or is broken. Refuse, and raise the alarm.
	ErrDisagreement error = domain.Errorf(domain.CodeUnavailable, "the endpoints of the chain disagree")
	// ErrWrongChain: an endpoint serves another chain than the one pinned.
	// Refuse, and raise the alarm.
	ErrWrongChain error = domain.Errorf(domain.CodeUnavailable, "an endpoint serves another chain")
	// ErrUnavailable: too few endpoints answered, or what was asked is not known
	// yet. Ask again later. After a broadcast it means: unknown, send again.
	ErrUnavailable error = domain.Errorf(domain.CodeUnavailable, "the chain cannot be asked now")

	// ErrFeeOverCap: the chain asks for more than the highest fee approved.
	ErrFeeOverCap error = domain.Errorf(domain.CodeConflict, "the chain asks for a higher fee than is allowed")
	// ErrUnderpriced: no endpoint takes the transaction at its fees; reprice it.
	ErrUnderpriced error = domain.Errorf(domain.CodeConflict, "the fees are too low to be taken")
	// ErrNonceTooLow: the nonce is used, and not by this transaction.
	ErrNonceTooLow error = domain.Errorf(domain.CodeConflict, "the nonce is used by another transaction")
	// ErrNonce: the nonce asked for is used, would leave a gap, or cannot be
	// chosen because a transaction of this wallet is under way.
	ErrNonce error = domain.Errorf(domain.CodeConflict, "the nonce cannot be taken")
	// ErrInsufficientFunds: the wallet cannot pay amount and fee.
	ErrInsufficientFunds error = domain.Errorf(domain.CodeConflict, "the wallet holds too little")
	// ErrWouldFail: the chain says that the transfer would not be carried out.
	ErrWouldFail error = domain.Errorf(domain.CodeConflict, "the transfer would fail")
	// ErrRefused: every endpoint refused the transaction for another reason.
	ErrRefused error = domain.Errorf(domain.CodeConflict, "the transaction was refused")

	// ErrToken: the chain and the registry say different things about a token.
	ErrToken error = domain.Errorf(domain.CodeInvalid, "the token is not what the registry says")
	// ErrNotMoved: the transaction is on the chain, the money is not where it
	// was to go. A person has to look.
	ErrNotMoved error = domain.Errorf(domain.CodeConflict, "the transfer did not happen")
	// ErrTransaction: not a transfer this package makes, signs or sends.
	ErrTransaction error = domain.Errorf(domain.CodeInvalid, "the transaction is not a transfer as approved")
	// ErrSignature: the signature is not that of the sender.
	ErrSignature error = domain.Errorf(domain.CodeInvalid, "the signature is not the sender's")
)

// Disagreement says which endpoints differ about what. It is an
// [ErrDisagreement].
type Disagreement struct {
	What string // what was asked for, never what was answered
	A, B int    // indices of two endpoints that differ
}

func (d *Disagreement) Error() string {
	return fmt.Sprintf("%v: endpoints %d and %d differ about %s", ErrDisagreement, d.A, d.B, d.What)
}

// Unwrap makes errors.Is and domain.CodeOf work.
func (d *Disagreement) Unwrap() error { return ErrDisagreement }

// EndpointError is what one endpoint did. The problem is one of our own words
// for it: neither the endpoint's address nor its words are kept, since one
// holds a token and the other may repeat it.
type EndpointError struct {
	Endpoint int
	Call     string
	Problem  string
	kind     error
}

func (e *EndpointError) Error() string {
	return fmt.Sprintf("endpoint %d: %s: %s", e.Endpoint, e.Call, e.Problem)
}

// Unwrap returns the kind of error.
func (e *EndpointError) Unwrap() error { return e.kind }

// tooFew says that not enough endpoints answered, and what each of the others
// did. It is an ErrUnavailable, whatever they did.
func tooFew(what string, need, asked int, failed []error) error {
	said := make([]string, 0, len(failed))
	for _, err := range failed {
		said = append(said, err.Error())
	}
	slices.Sort(said)
	return fmt.Errorf("%w: %s: %d of %d endpoints failed, %d must answer: %s", ErrUnavailable, what, len(failed), asked, need, strings.Join(said, "; "))
}
