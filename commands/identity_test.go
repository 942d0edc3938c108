package commands

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/domain"
)

// "Metadata is JSON: actor, role, command_id, request_hash", the same beside
// every record of the command.
func TestMetadataSaysWhoAndWhat(t *testing.T) {
	r := newRig(t).opened()
	a, err := r.do(olga, "k", RegisterBot{ID: "a", Capital: dec("1"), Start: true})
	require.NoError(t, err)
	require.Equal(t, []string{domain.BotRegisteredType, domain.BotCapitalAllocatedType, domain.BotStartedType}, types(a))
	var raw map[string]any
	for _, ref := range a.Events {
		require.NoError(t, json.Unmarshal(r.records()[ref.Revision].Metadata, &raw))
		require.Equal(t, map[string]any{
			"actor": "olga", "role": "operator", "command": "register_bot",
			"command_id":   CommandID(olga, "k").String(),
			"request_hash": hexHash("user/olga/", "main", "register_bot", `{"id":"a","capital":"1","start":true}`),
		}, raw)
	}
	b, err := r.do(botCaller("a"), "k", permit("a", "1"))
	require.NoError(t, err)
	m, err := domain.DecodeMetadata(r.records()[b.Revision].Metadata)
	require.NoError(t, err)
	require.Equal(t, "a", m.Bot)
	require.Equal(t, domain.RoleBot, m.Role)
	r.check()
}

// hexHash is the SHA-256 of the parts, each but the last followed by a zero byte.
func hexHash(parts ...string) string {
	text := ""
	for i, p := range parts {
		text += p
		if i < len(parts)-1 {
			text += "\x00"
		}
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// "Record ID = UUIDv5(portfolio, command_id, writer instance, index)", and "command_id =
// UUIDv5(scope, Idempotency-Key)". The values must not change, because streams contain
// them.
func TestIDs(t *testing.T) {
	r := newRig(t)
	instance := uuid.MustParse("00000000-0000-4000-8000-000000000001")
	r.w.Close()
	r.w = r.writer(Options{Instance: instance})
	r.opened()
	a, err := r.do(olga, "k", RegisterBot{ID: "a", Capital: dec("1")})
	require.NoError(t, err)
	command := uuid.NewSHA1(uuid.NewSHA1(namespace, []byte("user/olga/")), []byte("k"))
	require.Equal(t, command, CommandID(olga, "k"))
	for i, ref := range a.Events {
		name := "main\x00" + command.String() + "\x00" + instance.String() + "\x00" + strconv.Itoa(i)
		require.Equal(t, uuid.NewSHA1(namespace, []byte(name)), ref.ID)
	}
	require.Equal(t, "dc9b879a-7177-55c1-ae1e-eeb4ceb55cb7", commandID(olga.FormerScope(), "k").String(), "of earlier builds")
	require.Equal(t, "b66a3b11-2f50-5781-9785-db50fc273302", CommandID(olga, "k").String())
	r.check()
}

// Ids are those of the library, whatever the length of their parts.
func TestIDsAreUUIDv5(t *testing.T) {
	t.Parallel()
	for n := range 300 {
		space, part := uuid.New(), strings.Repeat("é\x00", n)
		require.Equal(t, uuid.NewSHA1(space, []byte("a"+part)), sha1ID(space, "a", part))
		require.Equal(t, "x"+space.String(), string(appendID([]byte("x"), space)))
	}
}

// "portfolio-<id>".
func TestStreamName(t *testing.T) {
	require.Equal(t, "portfolio-main", Stream("main"))
	r := newRig(t).opened()
	names, err := r.store.Streams(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"portfolio-main"}, names)
	r.check()
}

// Two writers never share record ids, so that the store never mistakes the append of one
// for that of the other.
func TestInstancesDiffer(t *testing.T) {
	id := CommandID(olga, "k")
	require.NotEqual(t, recordID("main", id, uuid.New(), 0), recordID("main", id, uuid.New(), 0))
	one, two := NewWriter(nil, "main", Options{}), NewWriter(nil, "main", Options{})
	defer one.Close()
	defer two.Close()
	require.NotEqual(t, one.options.Instance, two.options.Instance)
}

// A request whose body has no canonical form is refused.
func TestABodyThatIsNoJSON(t *testing.T) {
	r := newRig(t).opened()
	r.refused(domain.CodeInvalid, alice, ChangeLimits{Limits: json.RawMessage(`{"a":`), Reason: "x"})
	r.check()
}

// What is worked out once for several commands of one caller is no other than for each alone.
func TestIdentitiesOfManyAreThoseOfEach(t *testing.T) {
	at := &Import{At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Source: "f:1"}
	suggested := SuggestedKey("a", "b")
	admin := olga
	admin.Role = domain.RoleAdmin
	var requests []Request
	for range 2 { // in this order, and each after each other kind
		requests = append(requests,
			Request{Caller: olga, Key: "1", Command: deposit("1")},
			Request{Caller: olga, Key: "2", Command: deposit("2")},
			Request{Caller: olga, Key: suggested, Command: deposit("3")},
			Request{Caller: olga, Key: suggested, Command: StopBot{Bot: "a"}},
			Request{Caller: admin, Key: "1", Command: deposit("1")},
			Request{Caller: olga, Key: "4", Command: deposit("4"), Import: at},
			Request{Caller: olga, Key: "4", Command: deposit("4")},
			Request{Caller: botCaller("a"), Key: "1", Command: permit("a", "1")},
			Request{Caller: botCaller("b"), Key: "1", Command: permit("b", "1")},
			Request{Caller: botCaller("b"), Key: "2", Command: nil},
			Request{Caller: botCaller("b"), Key: "3", Command: permit("b", "1"), Import: at},
			Request{Caller: alice, Key: suggested, Command: deposit("3")},
		)
	}
	together := identify("main", newKnownSpaces(), requests)
	for i := range requests {
		require.Equal(t, identify("main", newKnownSpaces(), requests[i:i+1])[0], together[i], "%d", i)
		r := &requests[i]
		if r.Command == nil {
			continue
		}
		require.Equal(t, commandID(r.scope(), r.Key), together[i].command, "%d", i)
		former := []uuid.UUID{}
		if r.Import == nil {
			for _, scope := range r.formerScopes() {
				former = append(former, commandID(scope, r.Key))
			}
		}
		require.Equal(t, former, together[i].former, "%d", i)
	}
	require.Equal(t, together[2].command, together[11].command, "a suggestion is one command, whoever follows it")
}
