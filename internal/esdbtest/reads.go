package esdbtest

import (
	"encoding/binary"
	"math"
	"strconv"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
)

// Read is the call of the protocol for reads and for subscriptions.
func (n *node) Read(in *streams.ReadReq, out streams.Streams_ReadServer) error {
	ctx, o := out.Context(), in.GetOptions()
	stream := string(o.GetStream().GetStreamIdentifier().GetStreamName())
	if err := n.mayRead(ctx); err != nil {
		return err
	}
	p := page{stream: stream, limit: o.GetCount(), backwards: o.GetReadDirection() == streams.ReadReq_Options_Backwards}
	if f := o.GetFilter(); f != nil {
		if o.GetAll() == nil {
			return errBadRequest("only reads of $all have a filter")
		}
		var err error
		if p.filter, err = newFilter(f); err != nil {
			return errBadRequest(err.Error())
		}
	}
	var fromStart bool
	switch {
	case o.GetStream() != nil:
		if stream == "" {
			return errBadRequest("a read of a stream without a name")
		}
		p.from, fromStart = streamStart(o.GetStream())
	case o.GetAll() != nil:
		p.from, fromStart = allStart(o.GetAll())
	default:
		return errBadRequest("a read of neither a stream nor $all")
	}
	asText := o.GetUuidOption().GetString_() != nil
	call := CallRead
	if o.GetSubscription() != nil {
		call = CallSubscribe
	}
	fault, err := n.intercept(ctx, call, stream)
	if err != nil {
		return err
	}
	r := &reader{Streams_ReadServer: out, node: n, fault: fault, asText: asText, links: o.GetResolveLinks()}
	if call == CallSubscribe {
		if p.backwards {
			return errBadRequest("a subscription that goes backwards")
		}
		return n.subscribe(p, fromStart, r)
	}
	return n.readPage(p, r)
}

func streamStart(o *streams.ReadReq_Options_StreamOptions) (from uint64, fromStart bool) {
	switch r := o.GetRevisionOption().(type) {
	case *streams.ReadReq_Options_StreamOptions_Revision:
		return r.Revision, false
	case *streams.ReadReq_Options_StreamOptions_End:
		return atEnd, false
	}
	return 0, true
}

func allStart(o *streams.ReadReq_Options_AllOptions) (from uint64, fromStart bool) {
	switch r := o.GetAllOption().(type) {
	case *streams.ReadReq_Options_AllOptions_Position:
		return r.Position.GetCommitPosition(), false
	case *streams.ReadReq_Options_AllOptions_End:
		return atEnd, false
	}
	return 0, true
}

// reader is a client that reads or subscribes.
type reader struct {
	streams.Streams_ReadServer
	node   *node
	fault  *Injected
	asText bool // ids as text
	links  bool // links are followed
	sent   int
}

func (n *node) readPage(p page, out *reader) error {
	found, s := n.cluster.db.read(p, n.seen())
	switch s {
	case notFound:
		return out.Send(&streams.ReadResp{Content: &streams.ReadResp_StreamNotFound_{StreamNotFound: &streams.ReadResp_StreamNotFound{
			StreamIdentifier: &shared.StreamIdentifier{StreamName: []byte(p.stream)},
		}}})
	case tombstoned:
		return errStreamDeleted(out.Context(), p.stream)
	case exists:
	}
	for _, r := range found {
		if err := out.event(r); err != nil {
			return err
		}
	}
	return n.after(out.Context(), out.fault)
}

// event sends one event. A link is sent beside the event it leads to, if the client asks for it.
func (o *reader) event(r *Recorded) error {
	if o.fault.cutAfter(o.sent) {
		return o.node.kill(o.Context())
	}
	o.sent++
	e := &streams.ReadResp_ReadEvent{
		Event:    wire(r, o.asText),
		Position: &streams.ReadResp_ReadEvent_CommitPosition{CommitPosition: r.Position},
	}
	if o.links && r.Type == "$>" {
		e.Event, e.Link = nil, e.Event
		if target := o.node.cluster.db.target(r); target != nil {
			e.Event = wire(target, o.asText)
		}
	}
	return o.Send(&streams.ReadResp{Content: &streams.ReadResp_Event{Event: e}})
}

// wire is an event as the protocol has it.
func wire(r *Recorded, asText bool) *streams.ReadResp_ReadEvent_RecordedEvent {
	return &streams.ReadResp_ReadEvent_RecordedEvent{
		Id:               wireID(r.ID, asText),
		StreamIdentifier: &shared.StreamIdentifier{StreamName: []byte(r.Stream)},
		StreamRevision:   unsigned(r.Revision),
		PreparePosition:  r.Position,
		CommitPosition:   r.Position,
		Metadata: map[string]string{
			"type": r.Type, "content-type": r.ContentType,
			"created": strconv.FormatInt(r.Created.UnixNano()/100, 10),
		},
		CustomMetadata: r.Metadata,
		Data:           r.Data,
	}
}

func wireID(id uuid.UUID, asText bool) *shared.UUID {
	if asText {
		return &shared.UUID{Value: &shared.UUID_String_{String_: id.String()}}
	}
	return &shared.UUID{Value: &shared.UUID_Structured_{Structured: &shared.UUID_Structured{
		MostSignificantBits:  signed(binary.BigEndian.Uint64(id[:8])),
		LeastSignificantBits: signed(binary.BigEndian.Uint64(id[8:])),
	}}}
}

// everything is a reader that sees all of the log.
const everything = math.MaxInt
