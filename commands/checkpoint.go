package commands

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"pets/domain"
	"pets/eventstore"
)

// IndexAt returns the checkpoint of the commands in the first size records of a stream. It
// continues the newest one that there is, and reads only the metadata of the records after
// it, so that the follower of a stream needs no index of its own.
func IndexAt(ctx context.Context, store eventstore.Store, from Checkpoints, stream string, size uint64) ([]byte, error) {
	if size == 0 {
		return nil, domain.Errorf(domain.CodeInternal, "stream %s has no record to make a checkpoint of", stream)
	}
	x := &growingIndex{all: []byte(indexHeader)}
	if at, b := from.Load(CheckpointIndex, stream, size-1); isIndex(b) {
		x.all, x.next = b, at+1
	}
	var decoder domain.Decoder
	err := eventstore.Walk(ctx, store, stream, x.next, func(rec eventstore.Record) error {
		if rec.Revision == size {
			return errFolded
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		m, err := decoder.Metadata(rec.Metadata)
		if err == nil {
			err = x.add(rec.Revision, m)
		}
		return err
	})
	if err != nil && !errors.Is(err, errFolded) {
		return nil, err
	}
	if x.next != size {
		return nil, fmt.Errorf("stream %s ends before record %d", stream, size)
	}
	return x.all, nil
}

func isIndex(b []byte) bool {
	rest, ok := bytes.CutPrefix(b, []byte(indexHeader))
	return ok && len(rest)%indexEntryBytes == 0
}

// growingIndex is a checkpoint of an index to which records are added in order. The records
// of a command are consecutive, so only the first command can be in it already.
type growingIndex struct {
	all  []byte
	next uint64 // revision of the next record
	last uuid.UUID
	at   int // where the entry of last begins in all; 0 if there is none
}

func (x *growingIndex) add(revision uint64, m domain.Metadata) error {
	one := index{}
	if err := one.note(revision, m); err != nil {
		return err
	}
	for id, e := range one {
		if x.at == 0 {
			x.at = x.find(id)
			x.last = id
		} else if id != x.last {
			x.at = 0
			x.last = id
		}
		if x.at > 0 {
			count := x.all[x.at+24:]
			binary.BigEndian.PutUint32(count, binary.BigEndian.Uint32(count)+1)
			continue
		}
		x.at = len(x.all)
		x.all = appendEntry(x.all, id, e)
	}
	x.next = revision + 1
	return nil
}

// find returns where the entry of a command begins, or 0.
func (x *growingIndex) find(id uuid.UUID) int {
	for at := len(indexHeader); at < len(x.all); at += indexEntryBytes {
		if bytes.Equal(x.all[at:at+16], id[:]) {
			return at
		}
	}
	return 0
}
