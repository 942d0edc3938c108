package commands

import (
	"crypto/sha1" //nolint:gosec // UUIDv5
	"crypto/sha256"
	"encoding/hex"
	"hash/maphash"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/google/uuid"

	"pets/domain"
)

// namespace is the root of every id that this program derives.
var namespace = uuid.MustParse("7e6d1a52-4c1b-5b7e-9a39-0f4d7e0a7433")

// sha1ID is UUIDv5: the version 5 UUID of the parts, one after the other, in a space. It is
// uuid.NewSHA1 without its allocations: a writer makes some for every command.
func sha1ID(space uuid.UUID, parts ...string) (id uuid.UUID) {
	var room [256]byte
	b := append(room[:0], space[:]...)
	for _, part := range parts {
		b = append(b, part...)
	}
	return sha1Of(b)
}

// sha1Of is UUIDv5 of the bytes of a space and a name.
func sha1Of(b []byte) (id uuid.UUID) {
	sum := sha1.Sum(b) //nolint:gosec // what UUIDv5 is made of; nothing rests on its strength
	copy(id[:], sum[:])
	id[6] = id[6]&0x0f | 5<<4
	id[8] = id[8]&0x3f | 0x80 // the variant of RFC 9562
	return id
}

// CommandID is UUIDv5(scope, Idempotency-Key). The same key from two callers identifies
// two commands; from one person it identifies one, whatever the role and the case of the
// name.
func CommandID(c domain.Caller, key string) uuid.UUID { return commandID(c.Scope(), key) }

func commandID(scope, key string) uuid.UUID {
	return sha1ID(sha1ID(namespace, scope), key)
}

// recordID is UUIDv5(portfolio, command id, writer instance, index). Only a retry of the
// same writer is idempotent in the store. The attempt of another server conflicts; that
// server catches up, and finds the command.
func recordID(portfolio string, command, instance uuid.UUID, index int) uuid.UUID {
	var room [256]byte
	b := append(append(room[:0], namespace[:]...), portfolio...)
	b = appendID(append(b, 0), command)
	b = appendID(append(b, 0), instance)
	return sha1Of(strconv.AppendInt(append(b, 0), int64(index), 10))
}

// appendID appends the text of a UUID.
func appendID(b []byte, id uuid.UUID) []byte {
	b = hex.AppendEncode(b, id[:4])
	for at := 4; at < 10; at += 2 {
		b = hex.AppendEncode(append(b, '-'), id[at:at+2])
	}
	return hex.AppendEncode(append(b, '-'), id[10:])
}

// importScope is the scope of the keys of imported rows. It is the same for every caller,
// because another person may continue an import.
const importScope = "operator/import/"

// suggestedScope is the scope of the keys that the command line suggests for money. It is the
// same for every person: two who follow the same suggestion book the money once.
const suggestedScope = "user/suggested/"

// suggestedVersion marks a key as suggested. No library makes UUIDs of this version by itself.
const suggestedVersion = 8

// SuggestedKey is the Idempotency-Key of a command that is suggested: the same
// parts give the same key.
func SuggestedKey(parts ...string) string {
	id := sha1ID(namespace, "suggested\x00", strings.Join(parts, "\x00"))
	id[6] = id[6]&0x0f | suggestedVersion<<4
	return id.String()
}

// suggested reports whether the key is of a suggestion to book money. Other commands stay apart
// by person: an approval of one is not that of another.
func (r *Request) suggested() bool {
	switch r.Command.(type) {
	case RecordDeposit, RecordWithdrawal, AllocateCapital:
	default:
		return false
	}
	id, err := uuid.Parse(r.Key)
	return err == nil && id.Version() == suggestedVersion && r.Caller.Bot == "" && r.Caller.User != ""
}

// scope returns the scope of the request's key.
func (r *Request) scope() string {
	switch {
	case r.Import != nil:
		return importScope
	case r.suggested():
		return suggestedScope
	}
	return r.Caller.Scope()
}

// formerRoles are the roles under which a person may have sent a command to an earlier
// build, for which the role was part of the scope.
var formerRoles = []domain.Role{domain.RoleOperator, domain.RoleApprover, domain.RoleAdmin, domain.RoleFeed, domain.RoleAuditor}

// formerScopes returns the scopes under which an earlier build may have recorded the
// command: first that of the caller's own role, then, for a person, those of all others.
func (r *Request) formerScopes() []string {
	c := r.Caller
	scopes := make([]string, 0, 2+len(formerRoles))
	if r.suggested() {
		scopes = append(scopes, c.Scope())
	}
	scopes = append(scopes, c.FormerScope())
	for _, role := range formerRoles {
		if role != c.Role && c.Bot == "" {
			scopes = append(scopes, domain.Caller{User: c.User, Role: role}.FormerScope())
		}
	}
	return scopes
}

// requestHash is the SHA-256 of scope, portfolio, command and canonical body.
func requestHash(scope, portfolio string, r *Request, body []byte) (hash requestDigest) {
	var room [512]byte
	b := append(append(room[:0], scope...), 0)
	b = append(append(b, portfolio...), 0)
	b = append(append(b, r.Command.spec().Name...), 0)
	b = append(b, body...)
	if r.Import != nil {
		b = r.Import.At.UTC().AppendFormat(b, "\x00import 2006-01-02T15:04:05.000000000Z")
	}
	return sha256.Sum256(b)
}

// identity is what a request is known by. It depends on nothing but the request, and is
// worked out by its caller: the writer's loop, which all callers wait for, only looks it up.
type identity struct {
	body []byte
	// command and hash are those under the request's own scope, former its ids under the
	// scopes of an earlier build. all are all ids.
	command     uuid.UUID
	hash        requestDigest
	former, all []uuid.UUID
	room        [2]uuid.UUID // of a bot, which has one former scope
	// metadata is what is stored beside the events, unless they are imported or the clock is
	// behind. It is nil if it could not be encoded.
	metadata []byte
	// err: the request has no canonical form.
	err error
	// ahead is what was looked up before it was queued, or nil.
	ahead *ahead
}

// identify works out the identities of requests. Those without a command have none, and are
// refused before it is asked for.
func identify(portfolio string, known *knownSpaces, requests []Request) []identity {
	all := make([]identity, len(requests))
	identifyInto(all, portfolio, known, requests)
	return all
}

// identifyInto is identify into the room for the identities.
func identifyInto(all []identity, portfolio string, known *knownSpaces, requests []Request) {
	for i := range requests {
		if i%fairShare == fairShare-1 {
			runtime.Gosched() // a thousand commands must not keep a stop from a processor
		}
		r, id := &requests[i], &all[i]
		if r.Command == nil || len(r.Key) > MaxKeyBytes {
			continue
		}
		if id.body, id.err = canonical(r); id.err != nil {
			continue
		}
		of := known.of(r)
		id.command, id.hash = sha1ID(of.own, r.Key), requestHash(of.scope, portfolio, r, id.body)
		id.all = append(id.room[:0], id.command)
		for _, space := range of.former {
			id.all = append(id.all, sha1ID(space, r.Key))
		}
		id.former = id.all[1:]
		if r.Import == nil {
			id.metadata, _ = domain.EncodeMetadata(metadataOf(r, id)) // the writer says why, if that fails
		}
	}
}

// spaces are where the ids of a caller's commands are made: of its scope, and of those of
// earlier builds.
type spaces struct {
	caller domain.Caller
	scope  string
	own    uuid.UUID
	former []uuid.UUID
}

func spacesOf(r *Request) *spaces {
	s := &spaces{caller: r.Caller, scope: r.scope()}
	s.own = sha1ID(namespace, s.scope)
	if r.Import != nil {
		return s // no earlier build made others
	}
	for _, scope := range r.formerScopes() {
		s.former = append(s.former, sha1ID(namespace, scope))
	}
	return s
}

// knownSpaces remembers the spaces of some callers: most send many commands. A caller whose place
// is taken takes it over.
type knownSpaces struct {
	seed   maphash.Seed
	places [256]atomic.Pointer[spaces]
}

func newKnownSpaces() *knownSpaces { return &knownSpaces{seed: maphash.MakeSeed()} }

// of returns the spaces of a request.
func (k *knownSpaces) of(r *Request) *spaces {
	if r.sharesScope() {
		return spacesOf(r)
	}
	place := &k.places[maphash.Comparable(k.seed, r.Caller)%uint64(len(k.places))]
	if s := place.Load(); s != nil && s.caller == r.Caller {
		return s
	}
	s := spacesOf(r)
	place.Store(s)
	return s
}

// sharesScope reports whether the scope of the request's key is another than its caller's.
func (r *Request) sharesScope() bool { return r.Import != nil || r.suggested() }

// SystemStream is the name of the system stream: API keys, wallet claims, key rotations
// and refused requests.
const SystemStream = "system"

// streamPrefix begins the names of the streams of portfolios.
const streamPrefix = "portfolio-"

// Stream is the name of a portfolio's stream.
func Stream(portfolio string) string { return streamPrefix + portfolio }

// requestDigest is the SHA-256 of a request.
type requestDigest [sha256.Size]byte
