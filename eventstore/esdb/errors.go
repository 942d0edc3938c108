package esdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pets/eventstore"
)

// class is what an error of the client means for a call.
type class int

const (
	// lost: the connection broke, or the answer is none that is known. A request
	// may have been executed.
	lost class = iota
	// late: no answer in time. A request may still be executed.
	late
	// conflicting: the stream is not at the expected revision.
	conflicting
	// missing: the stream has no events.
	missing
	// gone: the stream was deleted for good.
	gone
	// follower: the node is not the leader, and did nothing.
	follower
	// denied: the credentials are missing, wrong or not enough.
	denied
	// ended: a read came to its end.
	ended
)

// problem is an error of the client in our words: its own may name hosts and
// repeat what was sent.
type problem struct {
	class  class
	reason string
	broken bool // the client cannot be used any more
}

func (p *problem) Error() string { return "EventStoreDB: " + p.reason }

// Trouble implements the interface of [eventstore.TroubleOf].
func (p *problem) Trouble() eventstore.Trouble {
	if p.class == denied {
		return eventstore.Trouble{What: p.reason, Advice: "Check the credentials of the connection string and the access control list of the streams"}
	}
	return eventstore.Trouble{What: p.reason, Advice: "Check that the database runs and can be reached"}
}

// phrases are what an operator has to know of the text of an error, which is not
// shown itself. The first that matches counts.
var phrases = []struct{ part, reason string }{
	{"certificate signed by unknown authority", "the server's certificate is not signed by a known authority; name it by tlsCAFile"},
	{"certificate is valid for", "the server's certificate is not valid for the host of the connection string"},
	{"certificate is not valid", "the server's certificate is not valid for the host of the connection string"},
	{"certificate has expired", "the server's certificate has expired"},
	{"first record does not look like a TLS handshake", "the server does not speak TLS; write tls=false only if it has no credentials"},
	{"failed to load user certificate", "the user certificate cannot be loaded"},
	{"x509:", "the server's certificate was refused"},
	{"tls:", "the TLS handshake failed"},
	{"connection refused", "connection refused"},
	{"no such host", "the host name is unknown"},
	{"error reading server preface", "the server closed the connection; it may want TLS"},
	{"no nodes are elig", "no node of the cluster is ready"},
	{"EOF", "the connection was closed before the answer came"},
}

// problemOf says what an error of the client means.
func problemOf(err error) *problem {
	var own *problem
	if errors.As(err, &own) {
		return own
	}
	if errors.Is(err, io.EOF) {
		return &problem{class: ended, reason: "the read came to its end"}
	}
	reason := noReason
	for _, p := range phrases {
		if strings.Contains(err.Error(), p.part) {
			reason = p.reason
			break
		}
	}
	// errors.As, because the client's own FromError does not look below a wrapped
	// error.
	var e *esdb.Error
	if !errors.As(err, &e) {
		return plainProblem(err, reason)
	}
	switch e.Code() {
	case esdb.ErrorCodeWrongExpectedVersion:
		return &problem{class: conflicting, reason: "the stream is not at the expected revision"}
	case esdb.ErrorCodeResourceNotFound:
		return &problem{class: missing, reason: "the stream has no events"}
	case esdb.ErrorCodeStreamDeleted:
		return &problem{class: gone, reason: "the stream was deleted"}
	case esdb.ErrorCodeNotLeader:
		return &problem{class: follower, reason: "the node is not the leader"}
	case esdb.ErrorCodeUnauthenticated:
		return &problem{class: denied, reason: "the credentials were refused"}
	case esdb.ErrorCodeAccessDenied:
		return &problem{class: denied, reason: "access was denied"}
	case esdb.ErrorCodeDeadlineExceeded:
		return &problem{class: late, reason: "no answer in time"}
	case esdb.ErrorCodeConnectionClosed:
		return &problem{class: lost, reason: "the connection is closed", broken: true}
	case esdb.ErrorUnavailable:
		return unreachable(reason)
	default:
		return &problem{class: lost, reason: reason}
	}
}

const noReason = "no usable answer"

func unreachable(reason string) *problem {
	if reason == noReason {
		reason = "the server cannot be reached or is not ready"
	}
	return &problem{class: lost, reason: reason, broken: true}
}

// plainProblem is for errors that the client passes on as gRPC has them: those of
// subscriptions, and of reads that cannot begin. It does not connect again for
// these by itself.
func plainProblem(err error, reason string) *problem {
	if errors.Is(err, context.DeadlineExceeded) {
		return &problem{class: late, reason: "no answer in time"}
	}
	switch status.Code(err) { //nolint:exhaustive // the others say nothing more
	case codes.Unavailable:
		return unreachable(reason)
	case codes.DeadlineExceeded:
		return &problem{class: late, reason: "no answer in time"}
	case codes.Unauthenticated:
		return &problem{class: denied, reason: "the credentials were refused"}
	case codes.PermissionDenied:
		return &problem{class: denied, reason: "access was denied"}
	}
	return &problem{class: lost, reason: reason}
}

// panicked is the problem of a call in which the client panicked: "send on closed
// channel", or a message that it does not know.
func panicked() *problem {
	return &problem{class: lost, reason: "the client failed", broken: true}
}

// Damaged reports a stream that does not have all of its events from the first on,
// or an event in it that this package did not write. It is the cause of an
// [eventstore.Unavailable]: nothing is guessed, and what follows is not read.
type Damaged struct {
	Stream string
	Reason string
}

func (e *Damaged) Error() string { return fmt.Sprintf("stream %s: %s", e.Stream, e.Reason) }

// Trouble implements the interface of [eventstore.TroubleOf].
func (e *Damaged) Trouble() eventstore.Trouble {
	return eventstore.Trouble{
		What:   "a stream of the database is not as it was written",
		Advice: "Compare it with a backup; streams of pets are never truncated, deleted or written to by other programs",
	}
}

// What is found of damaged streams.
const (
	reasonForeign   = "holds an event that was not written by pets"
	reasonDeleted   = "was deleted"
	reasonTruncated = "was truncated or deleted, or has a maximum age or count: its first events are gone or will be"
)

func damaged(stream, reason string) error {
	return &eventstore.Unavailable{Cause: &Damaged{Stream: stream, Reason: reason}}
}

func unavailable(cause error) error { return &eventstore.Unavailable{Away: true, Cause: cause} }

var closedError = &eventstore.Unavailable{Cause: eventstore.ErrClosed} //nolint:errname // not a sentinel: callers look for ErrClosed
