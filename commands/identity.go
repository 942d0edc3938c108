package commands

import (
	"crypto/sha256"
	"encoding/json"
	"strconv"

	"github.com/google/uuid"

	"pets/domain"
)

// namespace is the root of every id this program derives.
var namespace = uuid.MustParse("7e6d1a52-4c1b-5b7e-9a39-0f4d7e0a7433")

// CommandID is UUIDv5(caller, Idempotency-Key): the same key of two callers is
// two commands.
func CommandID(c domain.Caller, key string) uuid.UUID {
	return uuid.NewSHA1(uuid.NewSHA1(namespace, []byte(c.ID())), []byte(key))
}

// recordID is UUIDv5(portfolio, command id, writer instance, index): only the
// same writer's retry is idempotent in the store; another server's attempt is a
// conflict there, catches up, and finds the command.
func recordID(portfolio string, command, instance uuid.UUID, index int) uuid.UUID {
	name := portfolio + "\x00" + command.String() + "\x00" + instance.String() + "\x00" + strconv.Itoa(index)
	return uuid.NewSHA1(namespace, []byte(name))
}

// owner is whose key it is. A row of a file is the same row whoever imports it:
// who goes on with an import need not be who began it.
func (r *Request) owner() domain.Caller {
	if r.Import != nil {
		return domain.Caller{User: "import", Role: domain.RoleOperator}
	}
	return r.Caller
}

// requestHash is the SHA-256 of caller, portfolio, command and canonical body.
func requestHash(portfolio string, r *Request) (hash requestDigest, err error) {
	body, err := json.Marshal(r.Command)
	if err != nil {
		return hash, &domain.Error{Code: domain.CodeInvalid, Message: "the command has no canonical form", Cause: err}
	}
	h := sha256.New()
	for _, part := range []string{r.owner().ID(), portfolio, r.Command.Name()} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	h.Write(body)
	if r.Import != nil {
		h.Write([]byte(r.Import.At.UTC().Format("\x00import 2006-01-02T15:04:05.000000000Z")))
	}
	h.Sum(hash[:0])
	return hash, nil
}

// SystemStream is the name of the stream of keys and refusals.
const SystemStream = "system"

// streamPrefix is what the names of portfolios' streams begin with.
const streamPrefix = "portfolio-"

// Stream is the name of a portfolio's stream.
func Stream(portfolio string) string { return streamPrefix + portfolio }
