package chain

import (
	"fmt"
	"slices"
	"strings"

	"pets/domain"
)

// The errors of this package, for errors.Is. Each has a domain code.
var (
	// ErrDisagreement reports that two endpoints gave different answers about one
	// block: one of them is wrong. Refuse, and raise the alarm.
	ErrDisagreement error = domain.Errorf(domain.CodeUnavailable, "the endpoints of the chain disagree")
	// ErrWrongChain reports that an endpoint serves another chain than the
	// configured one. Refuse, and raise the alarm.
	ErrWrongChain error = domain.Errorf(domain.CodeUnavailable, "an endpoint serves another chain")
	// ErrUnavailable reports that too few endpoints answered, or that the answer
	// is not known yet. Try again later. After a broadcast it means that the
	// outcome is unknown: send again.
	ErrUnavailable error = domain.Errorf(domain.CodeUnavailable, "the chain cannot be queried now")

	// ErrFeeOverCap reports that the chain demands more than the highest approved
	// fee.
	ErrFeeOverCap error = domain.Errorf(domain.CodeConflict, "the chain asks for a higher fee than is allowed")
	// ErrUnderpriced reports that no endpoint takes the transaction at its fees;
	// reprice it.
	ErrUnderpriced error = domain.Errorf(domain.CodeConflict, "the fees are too low to be taken")
	// ErrNonceTooLow reports that another transaction used the nonce.
	ErrNonceTooLow error = domain.Errorf(domain.CodeConflict, "the nonce is used by another transaction")
	// ErrNonce reports that the requested nonce is used, would leave a gap, or
	// cannot be chosen because a transaction of this wallet is under way.
	ErrNonce error = domain.Errorf(domain.CodeConflict, "the nonce cannot be taken")
	// ErrInsufficientFunds reports that the wallet cannot pay amount and fee.
	ErrInsufficientFunds error = domain.Errorf(domain.CodeConflict, "the wallet holds too little")
	// ErrWouldFail reports that the chain would not carry out the transfer.
	ErrWouldFail error = domain.Errorf(domain.CodeConflict, "the transfer would fail")
	// ErrRefused reports that every endpoint refused the transaction for another
	// reason.
	ErrRefused error = domain.Errorf(domain.CodeConflict, "the transaction was refused")

	// ErrToken reports that the chain and the registry differ about a token.
	ErrToken error = domain.Errorf(domain.CodeInvalid, "the token is not what the registry says")
	// ErrNotMoved reports that the transaction is on the chain, but the money is
	// not at its destination. A person has to investigate.
	ErrNotMoved error = domain.Errorf(domain.CodeConflict, "the transfer did not happen")
	// ErrTransaction reports data that is not a transfer this package makes,
	// signs or sends.
	ErrTransaction error = domain.Errorf(domain.CodeInvalid, "the transaction is not a transfer as approved")
	// ErrSignature reports a signature that is not the sender's.
	ErrSignature error = domain.Errorf(domain.CodeInvalid, "the signature is not the sender's")
)

// Disagreement says which endpoints differ about what. It is an
// [ErrDisagreement].
type Disagreement struct {
	What string // what was requested, never what was answered
	A, B int    // indices of two endpoints that differ
}

func (d *Disagreement) Error() string {
	return fmt.Sprintf("%v: endpoints %d and %d differ about %s", ErrDisagreement, d.A, d.B, d.What)
}

// Unwrap makes errors.Is and domain.CodeOf work.
func (d *Disagreement) Unwrap() error { return ErrDisagreement }

// EndpointError is the failure of one endpoint. The problem is described in this
// package's own words: the endpoint's address holds a token, and its messages may
// repeat it.
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

// tooFew reports that not enough endpoints answered, and how each of the others
// failed. It is an ErrUnavailable in every case.
func tooFew(what string, need, asked int, failed []error) error {
	said := make([]string, 0, len(failed))
	for _, err := range failed {
		said = append(said, err.Error())
	}
	slices.Sort(said)
	return fmt.Errorf("%w: %s: %d of %d endpoints failed, %d must answer: %s", ErrUnavailable, what, len(failed), asked, need, strings.Join(said, "; "))
}
