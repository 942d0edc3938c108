package commands

import (
	"encoding/hex"
	"errors"

	"github.com/google/uuid"

	"pets/domain"
)

// accepted finds the commands that a stream has accepted. Without a History it holds all of
// them. With one it holds those whose first record is at oldFrom or later, and looks up the
// others.
type accepted struct {
	past *past // nil: there is no History
	// old is dropped when the History has all of it, and young then takes its place.
	old, young         acceptedMap
	oldFrom, youngFrom uint64
	// before is the command of the last record before oldFrom, as long as further records may
	// belong to it. It is looked up.
	before uuid.UUID
}

// acceptedMap holds, for accepted commands, where their records are and the hash of their
// request. It is folded from the metadata of the stream, so it survives restarts and is the
// same on every server.
type acceptedMap map[uuid.UUID]acceptedCommand

// acceptedCommand is one accepted command.
type acceptedCommand struct {
	first uint64 // revision of its first record
	count uint32
	hash  requestDigest
}

// cause is the command of a record. Its hash is needed of the first record of a command only, and
// may be missing from others.
type cause struct {
	command uuid.UUID
	hash    requestDigest
	hashed  bool
}

func causeOf(m *domain.Metadata) (c cause, err error) {
	if c.command, err = uuid.Parse(m.CommandID); err != nil {
		return c, errors.New("metadata has no valid command_id")
	}
	if len(m.RequestHash) == 2*len(c.hash) {
		_, err := hex.Decode(c.hash[:], []byte(m.RequestHash))
		c.hashed = err == nil
	}
	return c, nil
}

func (x acceptedMap) note(revision uint64, c *cause) error {
	e, ok := x[c.command]
	if !ok {
		if !c.hashed {
			return errors.New("metadata has no valid request_hash")
		}
		e.first, e.hash = revision, c.hash
	}
	e.count++
	x[c.command] = e
	return nil
}

// noteRecord notes the record of some metadata.
func (x acceptedMap) noteRecord(revision uint64, m *domain.Metadata) error {
	c, err := causeOf(m)
	if err != nil {
		return err
	}
	return x.note(revision, &c)
}

func newAccepted(p *past, from uint64) *accepted {
	return &accepted{past: p, old: acceptedMap{}, young: acceptedMap{}, oldFrom: from, youngFrom: from}
}

// note notes one stored record.
func (x *accepted) note(revision uint64, c *cause) error {
	if x.before != uuid.Nil {
		if c.command == x.before {
			return nil
		}
		x.before = uuid.Nil
	}
	if _, known := x.old[c.command]; known {
		return x.old.note(revision, c)
	}
	return x.young.note(revision, c)
}

// find finds a command.
func (x *accepted) find(id uuid.UUID) (acceptedCommand, bool, error) {
	if e, known := x.young[id]; known {
		return e, true, nil
	}
	if e, known := x.old[id]; known || x.past == nil {
		return e, known, nil
	}
	return x.past.command(id, x.oldFrom)
}

// indexed drops what can be looked up. The next record will be that at next.
func (x *accepted) indexed(revision, next uint64) {
	if x.past != nil && len(x.young) >= x.past.most && revision >= x.youngFrom {
		x.old, x.oldFrom = x.young, x.youngFrom
		x.young, x.youngFrom = acceptedMap{}, next
	}
}

// recorded finds a request among the accepted ones: under its own scope, or under those of
// an earlier build. A command that an earlier build recorded under another role is found
// only if it is the same request; a different one is not a mismatch.
func (x *accepted) recorded(portfolio string, r *Request, id *identity) (command uuid.UUID, known acceptedCommand, found bool, err error) {
	if known, found, err = x.find(id.command); err != nil {
		return uuid.Nil, acceptedCommand{}, false, err
	}
	if found {
		same := known.hash == id.hash
		if same || r.Import != nil {
			return id.command, known, same, mismatch(!same)
		}
	}
	other := found
	for i, command := range id.former {
		if known, found, err = x.find(command); err != nil {
			return uuid.Nil, acceptedCommand{}, false, err
		}
		if !found {
			continue
		}
		if known.hash == requestHash(r.formerScopes()[i], portfolio, r, id.body) {
			return command, known, true, nil
		}
		other = other || i == 0
	}
	return uuid.Nil, acceptedCommand{}, false, mismatch(other)
}

func mismatch(is bool) error {
	if !is {
		return nil
	}
	return domain.Errorf(domain.CodeIdempotencyMismatch, "this Idempotency-Key was used for another request")
}
