package esdbtest

import (
	"errors"
	"io"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/genproto/googleapis/rpc/code"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"
)

// batch is an append that arrives in pieces, among others of the same call.
type batch struct {
	id     *shared.UUID
	stream string
	want   expected
	events []Event
	size   int
}

// BatchAppend is the call of the protocol: appends one after the other, on one call that stays
// open. Clients that find it among the server's methods use it in place of Append.
func (n *node) BatchAppend(in streams.Streams_BatchAppendServer) error {
	if err := n.authorize(in.Context()); err != nil {
		return err
	}
	n.batches.Add(1)
	pending := map[string]*batch{}
	for {
		m, err := in.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		answer, err := n.piece(in, pending, m)
		if err != nil {
			return err
		}
		if answer == nil {
			continue
		}
		if err := in.Send(answer); err != nil {
			return err
		}
	}
}

// piece takes one message, and returns the answer if it was the last of its batch.
func (n *node) piece(in streams.Streams_BatchAppendServer, pending map[string]*batch, m *streams.BatchAppendReq) (*streams.BatchAppendResp, error) {
	id, err := uuidOf(m.GetCorrelationId())
	if err != nil {
		return nil, errBadRequest(err.Error())
	}
	if o := m.GetOptions(); o != nil {
		b := &batch{id: m.GetCorrelationId(), stream: string(o.GetStreamIdentifier().GetStreamName())}
		if b.want, err = batchRevision(o); err != nil {
			return b.failed(code.Code_INVALID_ARGUMENT, "BadRequest", &shared.BadRequest{Message: err.Error()})
		}
		pending[id.String()] = b
	}
	b := pending[id.String()]
	if b == nil {
		return nil, nil // of a batch that was refused
	}
	for _, p := range m.GetProposedMessages() {
		e, bytes, err := eventOf(in.Context(), p)
		if err != nil {
			delete(pending, id.String())
			return b.failed(code.Code_INVALID_ARGUMENT, "BadRequest", &shared.BadRequest{Message: err.Error()})
		}
		b.events = append(b.events, e)
		b.size += bytes
	}
	if limit := n.cluster.options.MaxAppendSize; b.size > limit {
		delete(pending, id.String())
		return b.failed(code.Code_INVALID_ARGUMENT, "MaximumAppendSizeExceeded", &shared.MaximumAppendSizeExceeded{MaxAppendSize: small(limit)})
	}
	if !m.GetIsFinal() {
		return nil, nil
	}
	delete(pending, id.String())
	v, err := n.write(in.Context(), CallAppend, b.stream, func() verdict { return n.cluster.db.append(b.stream, b.want, b.events) })
	if err != nil {
		return nil, err
	}
	return b.answer(v)
}

func batchRevision(o *streams.BatchAppendReq_Options) (expected, error) {
	switch r := o.GetExpectedStreamPosition().(type) {
	case *streams.BatchAppendReq_Options_StreamPosition:
		return revision(r.StreamPosition)
	case *streams.BatchAppendReq_Options_NoStream:
		return expectNoStream, nil
	case *streams.BatchAppendReq_Options_Any:
		return expectAny, nil
	case *streams.BatchAppendReq_Options_StreamExists:
		return expectStreamExists, nil
	}
	return 0, errors.New("a batch without an expected revision")
}

func (b *batch) answer(v verdict) (*streams.BatchAppendResp, error) {
	switch v.decision {
	case wrongVersion:
		return b.failed(code.Code_ALREADY_EXISTS, "WrongExpectedVersion", b.wrongVersion(v.current))
	case streamDeleted:
		return b.failed(code.Code_NOT_FOUND, "StreamDeleted", &shared.StreamDeleted{StreamIdentifier: b.name()})
	case ok, idempotent:
	}
	s := &streams.BatchAppendResp_Success{}
	if v.current == noStream {
		s.CurrentRevisionOption = &streams.BatchAppendResp_Success_NoStream{NoStream: &emptypb.Empty{}}
	} else {
		s.CurrentRevisionOption = &streams.BatchAppendResp_Success_CurrentRevision{CurrentRevision: unsigned(v.current)}
	}
	if v.last == nil {
		s.PositionOption = &streams.BatchAppendResp_Success_NoPosition{NoPosition: &emptypb.Empty{}}
	} else {
		s.PositionOption = &streams.BatchAppendResp_Success_Position{Position: &shared.AllStreamPosition{
			CommitPosition: v.last.Position, PreparePosition: v.last.Position,
		}}
	}
	return &streams.BatchAppendResp{
		CorrelationId: b.id, StreamIdentifier: b.name(), Result: &streams.BatchAppendResp_Success_{Success: s},
	}, nil
}

func (b *batch) name() *shared.StreamIdentifier {
	return &shared.StreamIdentifier{StreamName: []byte(b.stream)}
}

func (b *batch) wrongVersion(current int64) *shared.WrongExpectedVersion {
	w := &shared.WrongExpectedVersion{}
	switch b.want {
	case expectAny:
		w.ExpectedStreamPositionOption = &shared.WrongExpectedVersion_ExpectedAny{ExpectedAny: &emptypb.Empty{}}
	case expectStreamExists:
		w.ExpectedStreamPositionOption = &shared.WrongExpectedVersion_ExpectedStreamExists{ExpectedStreamExists: &emptypb.Empty{}}
	case expectNoStream:
		w.ExpectedStreamPositionOption = &shared.WrongExpectedVersion_ExpectedNoStream{ExpectedNoStream: &emptypb.Empty{}}
	default:
		w.ExpectedStreamPositionOption = &shared.WrongExpectedVersion_ExpectedStreamPosition{ExpectedStreamPosition: unsigned(int64(b.want))}
	}
	if current == noStream {
		w.CurrentStreamRevisionOption = &shared.WrongExpectedVersion_CurrentNoStream{CurrentNoStream: &emptypb.Empty{}}
	} else {
		w.CurrentStreamRevisionOption = &shared.WrongExpectedVersion_CurrentStreamRevision{CurrentStreamRevision: unsigned(current)}
	}
	return w
}

// failed is the answer to a batch that was not written.
func (b *batch) failed(c code.Code, words string, details proto.Message) (*streams.BatchAppendResp, error) {
	packed, err := anypb.New(details)
	if err != nil {
		return nil, err
	}
	return &streams.BatchAppendResp{CorrelationId: b.id, StreamIdentifier: b.name(), Result: &streams.BatchAppendResp_Error{
		Error: &rpcstatus.Status{Code: int32(c), Message: words, Details: []*anypb.Any{packed}},
	}}, nil
}
