package custody_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/approval/approvaltest"
	"pets/domain/portfolio"
	"pets/domain/treasury"
	"pets/eventstore"
)

// "Approvals … in live portfolios are signed": an approval that somebody with access to the
// store wrote into it is not prepared, not signed and not sent. It is a breach.
func TestAnApprovalThatWasWrittenIntoTheStoreIsABreach(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	block := s.node.Head()
	asked := s.transfer(s.must(olga, commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("10"), Reason: "a test"}).ID)
	data, err := domain.Encode(&domain.TransferApproved{
		Transfer: asked.Transfer, Hash: asked.Hash, User: paul.User, Signature: &domain.ApprovalSignature{Key: approvaltest.Public(paul.User), Signature: "AAAA"},
	})
	require.NoError(t, err)
	meta, err := json.Marshal(domain.Metadata{Actor: paul.User, Role: paul.Role, Command: "approve_transfer", CommandID: uuid.NewString(), RequestHash: strings.Repeat("ab", 32)})
	require.NoError(t, err)
	head, err := s.truth.Head(t.Context(), commands.Stream(main))
	require.NoError(t, err)
	_, err = s.truth.Append(t.Context(), commands.Stream(main), eventstore.Expected(int64(head)), []eventstore.Proposed{{
		ID: uuid.New(), Type: domain.TransferApprovedType, Time: s.state().Time, Metadata: meta, Data: data,
	}})
	require.NoError(t, err)
	require.ErrorIs(t, s.work(), portfolio.ErrTampered)
	s.breached(block)
	require.Equal(t, treasury.Rejected, s.transfer(asked.Transfer).Status, "the stop ended it")
	require.Empty(t, eventsOf[*domain.TransferPrepared](s))
	require.Empty(t, eventsOf[*domain.SignatureMade](s))
}
