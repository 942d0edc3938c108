package esdbtest

import (
	"context"
	"strconv"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// fail is an error of the server: its code and words, and the trailers by which clients know it.
func fail(ctx context.Context, code codes.Code, words string, trailers ...string) error {
	if len(trailers) > 0 {
		// An error of SetTrailer is a call that has ended.
		_ = grpc.SetTrailer(ctx, metadata.Pairs(trailers...))
	}
	return status.Error(code, words)
}

func errNotReady(ctx context.Context) error {
	return fail(ctx, codes.Unavailable, "Server Is Not Ready")
}

func errTimeout(ctx context.Context) error {
	return fail(ctx, codes.Aborted, "Operation timed out: Commit phase timeout.")
}

func errNotLeader(ctx context.Context, host string, port int) error {
	return fail(ctx, codes.NotFound, "Leader info available",
		"exception", "not-leader", "leader-endpoint-host", host, "leader-endpoint-port", strconv.Itoa(port))
}

func errStreamDeleted(ctx context.Context, stream string) error {
	return fail(ctx, codes.FailedPrecondition, "Event stream '"+stream+"' is deleted.",
		"exception", "stream-deleted", "stream-name", stream)
}

func errWrongVersion(ctx context.Context, operation, stream string, want expected, current int64) error {
	wanted, actual := strconv.FormatInt(int64(want), 10), strconv.FormatInt(current, 10)
	return fail(ctx, codes.FailedPrecondition,
		operation+" failed due to WrongExpectedVersion. Stream: "+stream+", Expected version: "+wanted+", Actual version: "+actual,
		"exception", "wrong-expected-version", "stream-name", stream, "expected-version", wanted, "actual-version", actual)
}

func errTooLarge(ctx context.Context, limit int) error {
	size := strconv.Itoa(limit)
	return fail(ctx, codes.InvalidArgument, "Maximum Append Size of "+size+" Exceeded.",
		"exception", "maximum-append-size-exceeded", "maximum-append-size", size)
}

func errNoProperty(ctx context.Context, name string) error {
	return fail(ctx, codes.InvalidArgument, "Required Metadata Property '"+name+"' is missing",
		"exception", "missing-required-metadata-property", "required-metadata-properties", "type,content-type")
}

func errAccessDenied(ctx context.Context) error {
	return fail(ctx, codes.PermissionDenied, "Access Denied", "exception", "access-denied")
}

func errBadRequest(words string) error { return status.Error(codes.InvalidArgument, words) }

// conflict is the answer to an append with a wrong revision: not an error, but a response, with
// the fields of old clients beside those of new ones.
func conflict(want expected, current int64) *streams.AppendResp {
	w := &streams.AppendResp_WrongExpectedVersion{}
	switch want {
	case expectAny:
		w.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedAny{ExpectedAny: &shared.Empty{}}
		w.ExpectedRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_Any_20_6_0{Any_20_6_0: &shared.Empty{}}
	case expectStreamExists:
		w.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedStreamExists{ExpectedStreamExists: &shared.Empty{}}
		w.ExpectedRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_StreamExists_20_6_0{StreamExists_20_6_0: &shared.Empty{}}
	case expectNoStream:
		w.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedNoStream{ExpectedNoStream: &shared.Empty{}}
		w.ExpectedRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_ExpectedRevision_20_6_0{ExpectedRevision_20_6_0: atEnd}
	default:
		w.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedRevision{ExpectedRevision: unsigned(int64(want))}
		w.ExpectedRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_ExpectedRevision_20_6_0{ExpectedRevision_20_6_0: unsigned(int64(want))}
	}
	if current == noStream {
		w.CurrentRevisionOption = &streams.AppendResp_WrongExpectedVersion_CurrentNoStream{CurrentNoStream: &shared.Empty{}}
		w.CurrentRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_NoStream_20_6_0{NoStream_20_6_0: &shared.Empty{}}
	} else {
		w.CurrentRevisionOption = &streams.AppendResp_WrongExpectedVersion_CurrentRevision{CurrentRevision: unsigned(current)}
		w.CurrentRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_CurrentRevision_20_6_0{CurrentRevision_20_6_0: unsigned(current)}
	}
	return &streams.AppendResp{Result: &streams.AppendResp_WrongExpectedVersion_{WrongExpectedVersion: w}}
}

// written is the answer to an append that is in the log: now, or since an earlier one.
func written(v verdict) *streams.AppendResp {
	s := &streams.AppendResp_Success{}
	if v.current == noStream {
		s.CurrentRevisionOption = &streams.AppendResp_Success_NoStream{NoStream: &shared.Empty{}}
	} else {
		s.CurrentRevisionOption = &streams.AppendResp_Success_CurrentRevision{CurrentRevision: unsigned(v.current)}
	}
	if v.last == nil {
		s.PositionOption = &streams.AppendResp_Success_NoPosition{NoPosition: &shared.Empty{}}
	} else {
		s.PositionOption = &streams.AppendResp_Success_Position{Position: &streams.AppendResp_Position{
			CommitPosition: v.last.Position, PreparePosition: v.last.Position,
		}}
	}
	return &streams.AppendResp{Result: &streams.AppendResp_Success_{Success: s}}
}
