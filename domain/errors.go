package domain

import (
	"errors"
	"fmt"
	"time"
)

// Code classifies a refusal. The list is closed. Adapters map codes to HTTP
// statuses and exit codes in one table.
type Code string

// The error codes.
const (
	CodeInvalid             Code = "invalid"              // invalid request: sending it again does not help
	CodeUnauthenticated     Code = "unauthenticated"      // the caller is not known
	CodeKeyExpired          Code = "key_expired"          // the caller's API key has ended
	CodeDenied              Code = "denied"               // the caller is known, but not allowed to do this
	CodeNotFound            Code = "not_found"            // no such portfolio, bot, fill, …
	CodeConflict            Code = "conflict"             // valid in itself, but not in the current state
	CodeWouldRetrip         Code = "would_retrip"         // the reset would leave value ≥ limit
	CodeTradeIDConflict     Code = "trade_id_conflict"    // an existing identity with different content
	CodeIdempotencyMismatch Code = "idempotency_mismatch" // an existing Idempotency-Key with a different request
	CodePayoutsSum          Code = "payouts_sum"          // payouts of an exclusive market do not sum to 1
	CodeMarksRefused        Code = "marks_refused"        // not one of the marks was taken
	CodeNotHeld             Code = "not_held"             // more than what is recorded as held
	CodeVoided              Code = "voided"               // the fill was voided, and is reported as provisional again
	CodeHalted              Code = "halted"               // a breaker or an emergency stop forbids it
	CodeTooLarge            Code = "too_large"            // over a size limit
	CodeRateLimited         Code = "rate_limited"         // over a rate limit
	CodeClock               Code = "clock"                // the wall clock, or the row's time, is behind the stream
	CodeUnavailable         Code = "unavailable"          // the store cannot write now
	CodeInternal            Code = "internal"             // a defect; nothing was recorded
)

// Codes lists all codes.
func Codes() []Code {
	return []Code{
		CodeInvalid, CodeUnauthenticated, CodeKeyExpired, CodeDenied, CodeNotFound, CodeConflict, CodeWouldRetrip, CodeTradeIDConflict,
		CodeIdempotencyMismatch, CodePayoutsSum, CodeMarksRefused, CodeNotHeld, CodeVoided, CodeHalted, CodeTooLarge, CodeRateLimited, CodeClock, CodeUnavailable, CodeInternal,
	}
}

// Error is a refusal: a code for programs and a sentence for people. Field names
// the offending input field, or is empty. Messages never hold secrets.
type Error struct {
	Code    Code
	Field   string
	Message string
	Cause   error
	// After is how long this stays so at least; zero where it may soon be otherwise.
	After time.Duration
}

// Lasting is [Error.After] of what does not pass by itself: somebody has to mend it.
const Lasting = time.Minute

func (e *Error) Error() string {
	s := e.Message
	if e.Field != "" {
		s = e.Field + " " + s
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Errorf returns an Error with a code and a message.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Invalid returns a CodeInvalid error about one input field.
func Invalid(field, format string, args ...any) *Error {
	return &Error{Code: CodeInvalid, Field: field, Message: fmt.Sprintf(format, args...)}
}

// CodeOf returns the code of the first Error in err's chain, CodeInternal if
// there is none, and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}
