package esdbtest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
)

// proposed is what an event of an append and of a batch have in common.
type proposed interface {
	GetId() *shared.UUID
	GetMetadata() map[string]string
	GetCustomMetadata() []byte
	GetData() []byte
}

// eventOf checks a proposed event, and returns it with the size that counts against the maximum
// of an append.
func eventOf(ctx context.Context, p proposed) (Event, int, error) {
	id, err := uuidOf(p.GetId())
	if err != nil {
		return Event{}, 0, errBadRequest(err.Error())
	}
	name, ok := p.GetMetadata()["type"]
	if !ok {
		return Event{}, 0, errNoProperty(ctx, "type")
	}
	content, ok := p.GetMetadata()["content-type"]
	if !ok {
		return Event{}, 0, errNoProperty(ctx, "content-type")
	}
	e := Event{ID: id, Type: name, ContentType: content, Data: p.GetData(), Metadata: p.GetCustomMetadata()}
	// UTF-16, as the server keeps the type.
	return e, len(e.Data) + len(e.Metadata) + 2*len(name), nil
}

func uuidOf(id *shared.UUID) (uuid.UUID, error) {
	if s := id.GetStructured(); s != nil {
		var u uuid.UUID
		binary.BigEndian.PutUint64(u[:8], unsigned(s.GetMostSignificantBits()))
		binary.BigEndian.PutUint64(u[8:], unsigned(s.GetLeastSignificantBits()))
		return u, nil
	}
	u, err := uuid.Parse(id.GetString_())
	if err != nil {
		return uuid.UUID{}, fmt.Errorf("the id of an event is no UUID: %w", err)
	}
	return u, nil
}

func revisionOf(o *streams.AppendReq_Options) (expected, error) {
	switch r := o.GetExpectedStreamRevision().(type) {
	case *streams.AppendReq_Options_Revision:
		return revision(r.Revision)
	case *streams.AppendReq_Options_NoStream:
		return expectNoStream, nil
	case *streams.AppendReq_Options_Any:
		return expectAny, nil
	case *streams.AppendReq_Options_StreamExists:
		return expectStreamExists, nil
	}
	return 0, errBadRequest("an append without an expected revision")
}

// Append is the call of the protocol.
func (n *node) Append(in streams.Streams_AppendServer) error {
	ctx := in.Context()
	first, err := in.Recv()
	if err != nil {
		return err
	}
	o := first.GetOptions()
	if o == nil {
		return errBadRequest("the first message of an append has no options")
	}
	want, err := revisionOf(o)
	if err != nil {
		return err
	}
	stream := string(o.GetStreamIdentifier().GetStreamName())
	if err := n.authorize(ctx); err != nil {
		return err
	}
	events, err := n.receive(in)
	if err != nil {
		return err
	}
	v, err := n.write(ctx, CallAppend, stream, func() verdict { return n.cluster.db.append(stream, want, events) })
	if err != nil {
		return err
	}
	switch v.decision {
	case wrongVersion:
		return in.SendAndClose(conflict(want, v.current))
	case streamDeleted:
		return errStreamDeleted(ctx, stream)
	case ok, idempotent:
	}
	return in.SendAndClose(written(v))
}

// receive reads the events of an append. Too large a one is answered before it has ended, as the
// server does; a client that is still sending may see the end of the stream, and not the reason.
func (n *node) receive(in streams.Streams_AppendServer) (events []Event, err error) {
	size := 0
	for {
		m, err := in.Recv()
		if errors.Is(err, io.EOF) {
			return events, nil
		}
		if err != nil {
			return nil, err
		}
		p := m.GetProposedMessage()
		if p == nil {
			return nil, errBadRequest("a message of an append proposes no event")
		}
		e, bytes, err := eventOf(in.Context(), p)
		if err != nil {
			return nil, err
		}
		if size += bytes; size > n.cluster.options.MaxAppendSize {
			return nil, errTooLarge(in.Context(), n.cluster.options.MaxAppendSize)
		}
		events = append(events, e)
	}
}
