package custody_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/approval/approvaltest"
	"pets/domain/portfolio"
	"pets/domain/treasury"
	"pets/eventstore"
	"pets/internal/chain/chaintest"
)

// written appends events that no server decided.
func (s *server) written(by domain.Caller, command string, events ...domain.Event) {
	s.t.Helper()
	for _, e := range events {
		data, err := domain.Encode(e)
		require.NoError(s.t, err)
		meta, err := json.Marshal(domain.Metadata{Actor: by.User, Role: by.Role, Command: command, CommandID: uuid.NewString(), RequestHash: strings.Repeat("ab", 32)})
		require.NoError(s.t, err)
		head, err := s.truth.Head(s.t.Context(), commands.Stream(main))
		require.NoError(s.t, err)
		_, err = s.truth.Append(s.t.Context(), commands.Stream(main), eventstore.Expected(int64(head)), []eventstore.Proposed{{
			ID: uuid.New(), Type: e.EventType(), Time: s.state().Time, Metadata: meta, Data: data,
		}})
		require.NoError(s.t, err)
	}
}

// unapproved is a request that says that it needs no approval.
func (s *server) unapproved(to string) *domain.TransferRequested {
	st := s.state()
	e := &domain.TransferRequested{
		Transfer: domain.TransferName(st.Next), Kind: domain.TransferInternal, Wallet: "hot-1", FromPlace: domain.WalletHot, ToPlace: domain.WalletHot,
		Asset: "USDC", GasAsset: coin, Reason: "a test", User: olga.User, ExpiresAt: st.Time.Add(time.Hour),
		Payment: domain.Payment{Chain: chainID, AssetID: s.usdc(), From: s.hot.Hex(), To: to, Amount: dec("100"), HighestFee: dec("0.2")},
	}
	e.Hash = treasury.Hash(main, e)
	return e
}

// "The approval of another person is needed": a request that leaves the reasons out, and pays
// a stranger, is not prepared, not signed and not sent. It is a breach.
func TestARequestThatWasWrittenIntoTheStoreIsABreach(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	block := s.node.Head()
	thief := chaintest.Named("thief").Address
	s.written(olga, "request_transfer", s.unapproved(thief.Hex()))
	require.ErrorIs(t, s.work(), portfolio.ErrTampered)
	s.breached(block)
	require.Empty(t, eventsOf[*domain.TransferPrepared](s))
	require.Empty(t, eventsOf[*domain.SignatureMade](s))
}

// "The key of the receiving wallet was found here": the records of it can be written into the
// store as well. The key is opened before anything that nobody has approved is signed.
func TestAWalletThatWasWrittenIntoTheStoreReceivesNothing(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	block := s.node.Head()
	thief := chaintest.Named("thief").Address
	hot := s.state().Custody.Main(domain.WalletHot)
	s.written(alice, "register_wallet", &domain.WalletRegistered{
		Wallet: "hot-9", Place: domain.WalletHot, Chain: chainID, Address: thief.Hex(), Assets: hot.Assets, User: alice.User,
	})
	s.written(olga, "load_wallet", &domain.WalletLoaded{Wallet: "hot-9", Address: thief.Hex()})
	e := s.unapproved(thief.Hex())
	s.written(olga, "request_transfer", e)
	require.NoError(t, s.work()) // prepared
	require.ErrorContains(t, s.work(), "the key of wallet hot-9, which receives it, cannot be opened")
	require.Equal(t, treasury.Prepared, s.transfer(e.Transfer).Status)
	require.Empty(t, eventsOf[*domain.SignatureMade](s))
	require.Equal(t, block, s.node.Head(), "nothing was sent")
	s.must(olga, commands.RejectTransfer{Transfer: e.Transfer, Reason: "nobody asked for it"})
}

// "Approvals … in live portfolios are signed": an approval that somebody with access to the
// store wrote into it is not prepared, not signed and not sent. It is a breach.
func TestAnApprovalThatWasWrittenIntoTheStoreIsABreach(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	block := s.node.Head()
	asked := s.transfer(s.must(olga, commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("10"), Reason: "a test"}).ID)
	s.written(paul, "approve_transfer", &domain.TransferApproved{
		Transfer: asked.Transfer, Hash: asked.Hash, User: paul.User, Signature: &domain.ApprovalSignature{Key: approvaltest.Public(paul.User), Signature: "AAAA"},
	})
	require.ErrorIs(t, s.work(), portfolio.ErrTampered)
	s.breached(block)
	require.Equal(t, treasury.Rejected, s.transfer(asked.Transfer).Status, "the stop ended it")
	require.Empty(t, eventsOf[*domain.TransferPrepared](s))
	require.Empty(t, eventsOf[*domain.SignatureMade](s))
}
