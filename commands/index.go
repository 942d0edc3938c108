package commands

import (
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"pets/domain"
	"pets/eventstore"
)

// index remembers, for every command that was accepted, where its records are
// and what was asked: it is folded from the metadata of the stream, so it
// survives restarts and is the same on every server.
type index map[uuid.UUID]indexEntry

type indexEntry struct {
	First uint64 `json:"first"`
	Count int    `json:"count"`
	Hash  string `json:"hash"`
}

// apply notes one stored record.
func (x index) apply(rec eventstore.Record) error {
	m, err := domain.DecodeMetadata(rec.Metadata)
	if err != nil {
		return err
	}
	id, err := uuid.Parse(m.CommandID)
	if err != nil {
		return fmt.Errorf("metadata has no valid command_id")
	}
	x.note(id, rec.Revision, m.RequestHash)
	return nil
}

func (x index) note(id uuid.UUID, revision uint64, hash string) {
	e, ok := x[id]
	if !ok {
		e = indexEntry{First: revision, Hash: hash}
	}
	e.Count++
	x[id] = e
}

func (x index) marshal() ([]byte, error) { return json.Marshal(x) }

func unmarshalIndex(b []byte) (index, error) {
	x := index{}
	if err := json.Unmarshal(b, &x); err != nil {
		return nil, fmt.Errorf("commands: index snapshot: %w", err)
	}
	return x, nil
}
