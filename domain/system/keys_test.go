package system

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/keys"
)

const (
	address = "0x9858EfFD232B4033E47d90003D41EC34EcaEda94"
	keyA    = "aaaaaaaa"
	keyB    = "bbbbbbbb"
	keyC    = "cccccccc"
)

func claim(address, wallet, portfolio string) func(*Decision) error {
	return func(d *Decision) error {
		return d.ClaimWallet(&domain.WalletClaimed{Address: address, Wallet: wallet, Portfolio: portfolio})
	}
}

func rotate(to string, wallets ...string) func(*Decision) error {
	return rotateAfter("", to, wallets...)
}

func rotateAfter(after, to string, wallets ...string) func(*Decision) error {
	return func(d *Decision) error {
		return d.StartRotation(&domain.KeyRotationStarted{To: to, Wallets: wallets, Reason: "scheduled"}, after)
	}
}

func record(rotation, wallet, from, to string) func(*Decision) error {
	return func(d *Decision) error {
		return d.RecordReencrypted(&domain.KeyReencrypted{Rotation: rotation, Wallet: wallet, Address: address, From: from, To: to})
	}
}

func complete(rotation string) func(*Decision) error {
	return func(d *Decision) error { return d.CompleteRotation(rotation) }
}

// must decides what has to be accepted, as one event.
func must(t *testing.T, s *State, f func(*Decision) error) domain.Event {
	t.Helper()
	events, err := decide(t, s, f)
	require.NoError(t, err)
	require.Len(t, events, 1)
	return events[0]
}

// noted decides what is so already.
func noted(t *testing.T, s *State, f func(*Decision) error) *domain.CommandNoted {
	t.Helper()
	e, ok := must(t, s, f).(*domain.CommandNoted)
	require.True(t, ok)
	require.Equal(t, domain.NotedUnchanged, e.Code)
	return e
}

func refused(t *testing.T, s *State, code domain.Code, says string, f func(*Decision) error) {
	t.Helper()
	_, err := decide(t, s, f)
	require.Equal(t, code, domain.CodeOf(err), "%v", err)
	require.ErrorContains(t, err, says)
}

// "A wallet belongs to one portfolio": the same claim again changes nothing, an
// address that another portfolio claimed is a conflict, whatever its capitals.
func TestClaimWallet(t *testing.T) {
	s := New()
	require.Equal(t, &domain.WalletClaimed{Address: address, Wallet: "hot-1", Portfolio: "main"}, must(t, s, claim(address, "hot-1", "main")))
	noted(t, s, claim(address, "hot-1", "main"))
	noted(t, s, claim(strings.ToLower(address), "hot-1", "main"))
	noted(t, s, claim(address, "hot-on-another-chain", "main"))
	refused(t, s, domain.CodeConflict, "belongs to portfolio main", claim(address, "hot-1", "other"))
	refused(t, s, domain.CodeConflict, "one portfolio", claim("0x"+strings.ToUpper(address[2:]), "hot-1", "other"))
	other := "0x" + strings.Repeat("0", 40)
	// The keystore knows keys by their wallets' names, whatever portfolio they are of.
	refused(t, s, domain.CodeConflict, "name of a wallet with another address", claim(other, "hot-1", "other"))
	refused(t, s, domain.CodeConflict, "name of a wallet with another address", claim(other, "hot-1", "main"))
	must(t, s, claim(other, "hot-2", "other"))
	c, _ := s.Encryption().ClaimOf(other)
	require.Equal(t, "other", c.Portfolio)

	refused(t, s, domain.CodeInvalid, "address", claim(address[:41], "hot-1", "main"))
	refused(t, s, domain.CodeInvalid, "wallet", claim(address, "", "main"))
	refused(t, s, domain.CodeInvalid, "wallet", claim(address, "hot 1", "main"))
	refused(t, s, domain.CodeInvalid, "portfolio", claim(address, "hot-1", ""))
}

// "Refused with conflict while another rotation to another key is open; the same
// target again while open is noted unchanged (resume)".
func TestStartRotation(t *testing.T) {
	s := New()
	must(t, s, claim(address, "a", "main")) // so that the name is not r0
	e := must(t, s, rotate(keyB, "b", "a"))
	require.Equal(t, &domain.KeyRotationStarted{Rotation: "r1", To: keyB, Wallets: []string{"a", "b"}, Reason: "scheduled"}, e)
	require.Equal(t, uint64(1), *noted(t, s, rotate(keyB, "a", "b")).Of, "the note points to the start")
	noted(t, s, rotate(keyB, "b"))
	noted(t, s, rotate(keyB))
	refused(t, s, domain.CodeConflict, "rotation r1 to key bbbbbbbb is open, wallets left: 2", rotate(keyC, "a"))
	must(t, s, record("r1", "a", keyA, keyB))
	must(t, s, record("r1", "b", keyA, keyB))
	refused(t, s, domain.CodeConflict, "wallets left: 0", rotate(keyC))
	noted(t, s, rotate(keyB, "a"))
	must(t, s, complete("r1"))
	must(t, s, rotate(keyC, "a"))
}

// "With no wallets left it still starts and can be completed at once".
func TestRotationWithoutWallets(t *testing.T) {
	s := New()
	e, ok := must(t, s, rotate(keyB)).(*domain.KeyRotationStarted)
	require.True(t, ok)
	require.Equal(t, []string{}, e.Wallets, "a list, and no null")
	require.Equal(t, &domain.KeyRotationCompleted{Rotation: "r0", To: keyB}, must(t, s, complete("r0")))
}

// "8 lower-case hex key id", names that are names, lists that fit a record: at the
// limit and beyond.
func TestStartRotationIsChecked(t *testing.T) {
	s := New()
	for _, to := range []string{"", "bbbbbbb", "bbbbbbbbb", "BBBBBBBB", "gggggggg"} {
		refused(t, s, domain.CodeInvalid, "to", rotate(to))
	}
	refused(t, s, domain.CodeInvalid, "wallets", rotate(keyB, ""))
	refused(t, s, domain.CodeInvalid, "wallets", rotate(keyB, "a b"))
	refused(t, s, domain.CodeInvalid, "reason", func(d *Decision) error {
		return d.StartRotation(&domain.KeyRotationStarted{To: keyB, Reason: "\x00"}, "")
	})
	wallets := make([]string, maxWallets+1)
	for i := range wallets {
		wallets[i] = fmt.Sprintf("w%d", i)
	}
	refused(t, s, domain.CodeInvalid, "at most 5000", rotate(keyB, wallets...))
	must(t, s, func(d *Decision) error {
		return d.StartRotation(&domain.KeyRotationStarted{To: keyB, Wallets: wallets[1:]}, "")
	})
	noted(t, s, rotate(keyB, wallets[1], wallets[1]))
}

// Nothing is re-encrypted that no record announced: wallets that turn up while a
// rotation is open get one to the same key, with what is left of the first.
func TestNewcomersGetARotation(t *testing.T) {
	s := New()
	must(t, s, rotate(keyB, "a", "b"))
	must(t, s, record("r0", "a", keyA, keyB))
	e := must(t, s, rotate(keyB, "c"))
	require.Equal(t, &domain.KeyRotationStarted{Rotation: "r2", To: keyB, Wallets: []string{"b", "c"}, Reason: "scheduled"}, e)
	refused(t, s, domain.CodeConflict, "r0 is no longer open", record("r0", "b", keyA, keyB))
	refused(t, s, domain.CodeConflict, "r0 is no longer open", complete("r0"))
	noted(t, s, record("r0", "a", keyA, keyB))
	must(t, s, record("r2", "b", keyA, keyB))
	refused(t, s, domain.CodeConflict, "wallets left: 1, the first is c", complete("r2"))
	must(t, s, record("r2", "c", keyA, keyB))
	must(t, s, complete("r2"))
	_, under := s.Encryption().Open()
	require.False(t, under)
}

// A list of wallets that is older than the latest rotation starts none.
func TestStartRotationAfter(t *testing.T) {
	s := New()
	refused(t, s, domain.CodeConflict, "read the list of wallets again", rotateAfter("r0", keyB, "a"))
	must(t, s, rotateAfter(NoRotation, keyB, "a"))
	noted(t, s, rotateAfter(NoRotation, keyB, "a"))
	must(t, s, record("r0", "a", keyA, keyB))
	must(t, s, complete("r0"))
	refused(t, s, domain.CodeConflict, "the latest is r0", rotateAfter(NoRotation, keyB, "a"))
	must(t, s, rotateAfter("r0", keyB, "a"))
	refused(t, s, domain.CodeConflict, "read the list of wallets again", rotateAfter("r0", keyB, "a", "b"))
}

// "Only in the open rotation, only a wallet of its list, idempotent (again:
// noted)".
func TestRecordReencrypted(t *testing.T) {
	s := New()
	refused(t, s, domain.CodeNotFound, "rotation", record("r0", "a", keyA, keyB))
	must(t, s, rotate(keyB, "a", "b"))
	refused(t, s, domain.CodeConflict, "not on the list", record("r0", "c", keyA, keyB))
	refused(t, s, domain.CodeConflict, "is not bbbbbbbb", record("r0", "a", keyA, keyC))
	refused(t, s, domain.CodeInvalid, "from", record("r0", "a", keyB, keyB))
	refused(t, s, domain.CodeInvalid, "from", record("r0", "a", "", keyB))
	refused(t, s, domain.CodeInvalid, "from", record("r0", "a", "Unknown", keyB))
	refused(t, s, domain.CodeInvalid, "wallet", record("r0", "", keyA, keyB))
	refused(t, s, domain.CodeInvalid, "to", record("r0", "a", keyA, ""))
	refused(t, s, domain.CodeInvalid, "address", func(d *Decision) error {
		return d.RecordReencrypted(&domain.KeyReencrypted{Rotation: "r0", Wallet: "a", Address: "0x", From: keyA, To: keyB})
	})
	require.Equal(t, &domain.KeyReencrypted{Rotation: "r0", Wallet: "a", Address: address, From: keyA, To: keyB}, must(t, s, record("r0", "a", keyA, keyB)))
	noted(t, s, record("r0", "a", keyA, keyB))
	noted(t, s, record("r0", "a", keys.Unknown, keyB))
	must(t, s, record("r0", "b", keys.Unknown, keyB))
	must(t, s, complete("r0"))
	noted(t, s, record("r0", "b", keyA, keyB))
}

// "Refused while wallets are left (conflict naming how many)": at two, one, none.
func TestCompleteRotation(t *testing.T) {
	s := New()
	refused(t, s, domain.CodeNotFound, "rotation", complete("r0"))
	must(t, s, rotate(keyB, "a", "b"))
	refused(t, s, domain.CodeConflict, "wallets left: 2", complete("r0"))
	must(t, s, record("r0", "a", keyA, keyB))
	refused(t, s, domain.CodeConflict, "wallets left: 1", complete("r0"))
	must(t, s, record("r0", "b", keyA, keyB))
	require.Equal(t, &domain.KeyRotationCompleted{Rotation: "r0", To: keyB}, must(t, s, complete("r0")))
	noted(t, s, complete("r0"))
}
