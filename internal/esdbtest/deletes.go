package esdbtest

import (
	"context"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
)

// Delete is the call of the protocol: what was written is hidden, and the stream may go on.
func (n *node) Delete(ctx context.Context, in *streams.DeleteReq) (*streams.DeleteResp, error) {
	o := in.GetOptions()
	var want expected
	var err error
	switch r := o.GetExpectedStreamRevision().(type) {
	case *streams.DeleteReq_Options_Revision:
		want, err = revision(r.Revision)
	case *streams.DeleteReq_Options_NoStream:
		want = expectNoStream
	case *streams.DeleteReq_Options_Any:
		want = expectAny
	case *streams.DeleteReq_Options_StreamExists:
		want = expectStreamExists
	default:
		err = errBadRequest("a delete without an expected revision")
	}
	if err != nil {
		return nil, err
	}
	stream := string(o.GetStreamIdentifier().GetStreamName())
	at, err := n.end(ctx, stream, want, n.cluster.db.delete)
	if err != nil {
		return nil, err
	}
	return &streams.DeleteResp{PositionOption: &streams.DeleteResp_Position_{
		Position: &streams.DeleteResp_Position{CommitPosition: at, PreparePosition: at},
	}}, nil
}

// Tombstone is the call of the protocol: the stream ends for good.
func (n *node) Tombstone(ctx context.Context, in *streams.TombstoneReq) (*streams.TombstoneResp, error) {
	o := in.GetOptions()
	var want expected
	var err error
	switch r := o.GetExpectedStreamRevision().(type) {
	case *streams.TombstoneReq_Options_Revision:
		want, err = revision(r.Revision)
	case *streams.TombstoneReq_Options_NoStream:
		want = expectNoStream
	case *streams.TombstoneReq_Options_Any:
		want = expectAny
	case *streams.TombstoneReq_Options_StreamExists:
		want = expectStreamExists
	default:
		err = errBadRequest("a tombstone without an expected revision")
	}
	if err != nil {
		return nil, err
	}
	stream := string(o.GetStreamIdentifier().GetStreamName())
	at, err := n.end(ctx, stream, want, n.cluster.db.tombstone)
	if err != nil {
		return nil, err
	}
	return &streams.TombstoneResp{PositionOption: &streams.TombstoneResp_Position_{
		Position: &streams.TombstoneResp_Position{CommitPosition: at, PreparePosition: at},
	}}, nil
}

// end deletes a stream in one of the two ways, and returns the position of what that wrote.
func (n *node) end(ctx context.Context, stream string, want expected, how func(string, expected) verdict) (uint64, error) {
	if err := n.authorize(ctx); err != nil {
		return 0, err
	}
	v, err := n.write(ctx, CallDelete, stream, func() verdict { return how(stream, want) })
	if err != nil {
		return 0, err
	}
	switch v.decision {
	case wrongVersion:
		return 0, errWrongVersion(ctx, "Delete", stream, want, v.current)
	case streamDeleted:
		return 0, errStreamDeleted(ctx, stream)
	case ok, idempotent:
	}
	return v.last.Position, nil
}
