package money_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain/treasury"
	"pets/internal/chain/chaintest"
	"pets/internal/cli/money"
	"pets/projections"
)

// coldPrepared is an approved transfer of the cold wallet that waits for its signature.
func (w *moneyWorld) coldPrepared(to string) string {
	id := asked(w.t, w.ok("olga", "transfer", "--from", "cold", "--to", to, "--amount", "7", "--highest-fee", "0.4", "--reason", "drill"))
	w.ok("bob", "approve", id, "--hash", w.transfer(id).Hash)
	w.until(id, string(treasury.Prepared))
	return id
}

// untilToSign waits until what is to be signed of a transfer may be signed, and is as wanted.
func (w *moneyWorld) untilToSign(id, what string) {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		var list struct{ Transfers []transferJSON }
		w.get("/transfers", &list)
		return slices.ContainsFunc(list.Transfers, func(t transferJSON) bool {
			return t.Transfer == id && t.ToSign != nil && t.ToSign.What == what && t.ToSign.Not == ""
		})
	}, 20*time.Second, 20*time.Millisecond, "%s", w.log)
}

// clears the emergency stop, by two people.
func (w *moneyWorld) clears() {
	w.t.Helper()
	request := regexp.MustCompile(`clear --confirm (c\d+)`).FindStringSubmatch(w.ok("olga", "clear", "--reason", "over"))
	require.NotNil(w.t, request)
	w.ok("bob", "clear", "--confirm", request[1])
}

// notToSign requires that nothing hands out a transaction, or asks a person to sign it, and
// that each says why.
func (w *moneyWorld) notToSign(id, why string) {
	w.t.Helper()
	file := filepath.Join(w.t.TempDir(), "out.json")
	w.refused("olga", 1, "must not be signed now, so nothing was written", "cold", "export", id, "--out", file)
	w.refused("olga", 1, why, "cold", "export", id, "--out", file)
	require.NoFileExists(w.t, file)
	for _, words := range [][]string{{"transfers", id}, {"status"}} {
		r := w.pets("olga", words...)
		said := strings.Join(strings.Fields(r.Out+r.Err), " ")
		require.NotContains(w.t, said, "pets cold export "+id, words)
		require.NotContains(w.t, said, id+" waits to be signed", words)
	}
	require.Contains(w.t, w.ok("olga", "transfers", id), "not to be signed now")
}

// "export refuses what may not be signed", and status and transfers ask nobody to sign it: in a
// stop, after the approval has expired, once the receiving wallet is retired.
func TestColdExportRefusesWhatMustNotBeSigned(t *testing.T) {
	t.Parallel()
	w := newMoneyWorld(t).opened()
	id := w.coldPrepared("hot")
	require.Contains(t, w.ok("olga", "transfers", id), "pets cold export "+id)
	w.ok("olga", "stop", "--emergency", "--kind", "security_breach", "--reason", "drill")
	w.notToSign(id, "the emergency stop (security_breach) is engaged")
	w.clears()
	w.ok("admin", "wallet", "retire", "hot-1", "--yes", "--reason", "its key leaked")
	w.notToSign(id, "the receiving wallet hot-1 is retired")
	said := strings.Join(strings.Fields(w.pets("olga", "status").Out), " ")
	require.Contains(t, said, id+" must not be signed any more")
	require.Contains(t, said, "pets reject "+id)
	require.Contains(t, said, "pets transfer cancel "+id)
}

func TestColdExportRefusesWhatHasExpired(t *testing.T) {
	t.Parallel()
	w := newMoneyWorld(t).opened()
	id := w.coldPrepared("hot")
	w.minutes(25 * 60)
	w.notToSign(id, "the approval of the transfer has expired")
}

// "a stale file with other content is not 'use that one'": what was exported before it was
// cancelled is the payment, and while the cancellation cannot be made nothing is handed out.
func TestACancellationNeverHandsOutThePayment(t *testing.T) {
	t.Parallel()
	w := newMoneyWorld(t).opened()
	id := w.coldPrepared("hot")
	file := filepath.Join(w.dir, id+".cold.json")
	w.ok("olga", "cold", "export", id, "--out", file)
	w.refused("olga", 1, "is there already, with exactly this in it. Use that one", "cold", "export", id, "--out", file)
	require.Equal(t, "payment", w.coldFile(file).What)

	w.proxy.Set(func(rw http.ResponseWriter, _ chaintest.Request) bool {
		rw.WriteHeader(http.StatusBadGateway)
		return true
	})
	out := w.ok("olga", "transfer", "cancel", id, "--reason", "not wanted")
	require.Contains(t, strings.Join(strings.Fields(out), " "), "that goes to the machine with the key, and nothing else of it")
	w.refused("olga", 1, "is being cancelled", "cold", "export", id, "--out", filepath.Join(w.dir, "new.json"))
	w.proxy.Set(nil)
	w.untilToSign(id, projections.ToSignCancellation)
	w.refused("olga", 1, "WITH SOMETHING ELSE IN IT", "cold", "export", id, "--out", file)
	cancels := filepath.Join(w.dir, "cancels.json")
	require.Contains(t, w.ok("olga", "cold", "export", id, "--out", cancels), "the file CANCELS it")
	require.Equal(t, "cancellation", w.coldFile(cancels).What)
	require.Contains(t, strings.Join(strings.Fields(w.pets("olga", "status").Out), " "), "what CANCELS the internal of 7 USDC")
}

// "while the transaction's fee is not the approved one" it is not handed out either.
func TestColdExportWaitsForARaise(t *testing.T) {
	t.Parallel()
	w := newMoneyWorld(t).opened()
	id := w.coldPrepared("hot")
	w.proxy.Set(func(rw http.ResponseWriter, _ chaintest.Request) bool {
		rw.WriteHeader(http.StatusBadGateway)
		return true
	})
	w.ok("olga", "transfer", "raise", id, "--highest-fee", "0.8", "--reason", "too low")
	w.ok("bob", "approve", id, "--hash", w.transfer(id).Raise.Hash)
	w.notToSign(id, "before the highest fee of 0.8 COIN was approved")
	w.proxy.Set(nil)
	w.untilToSign(id, projections.ToSignPayment)
	file := filepath.Join(w.dir, "raised.json")
	w.ok("olga", "cold", "export", id, "--out", file)
	require.Contains(t, string(w.coldFile(file).Transaction), `"800000000000000000"`)
}

func (w *moneyWorld) coldFile(file string) (f money.ColdUnsigned) {
	text, err := os.ReadFile(file)
	require.NoError(w.t, err)
	require.NoError(w.t, json.Unmarshal(text, &f))
	return f
}

// "It asks whether it was signed": at a terminal, and says the flags where there is none;
// --signed=false says that it was not.
func TestRejectAsksWhetherItWasSigned(t *testing.T) {
	t.Parallel()
	w := newMoneyWorld(t).opened()
	id := w.coldPrepared("hot")
	w.refused("olga", 2, "--not-signed or --signed", "reject", id, "--reason", "not wanted")
	question := ""
	r := w.petsAsked("olga", func(_ io.Writer, q string) (bool, bool) { question = q; return false, true }, "reject", id, "--reason", "not wanted")
	require.Equal(t, 1, r.Code)
	require.Contains(t, question, "never signed on the machine with the key?")
	require.Contains(t, strings.Join(strings.Fields(r.Err), " "), "cancel it (pets transfer cancel "+id)
	require.Equal(t, "prepared", w.transfer(id).Status)
	require.Contains(t, w.ok("olga", "reject", id, "--reason", "not wanted", "--signed=false"), id+" is rejected")
	require.Equal(t, "rejected", w.transfer(id).Status)

	other := w.coldPrepared("hot")
	r = w.petsAsked("olga", func(io.Writer, string) (bool, bool) { return true, true }, "reject", other, "--reason", "not wanted")
	require.Zero(t, r.Code, r.Err)
	require.Equal(t, "rejected", w.transfer(other).Status)
}

// "The wallet list shows tokens": a name alone may stand for another one.
func TestWalletListShowsTokens(t *testing.T) {
	t.Parallel()
	w := newMoneyWorld(t).opened()
	require.Contains(t, w.ok("olga", "wallet", "list"), "vault-1 holds USDC: eip155:1337/erc20:"+w.token.Hex())
	w.refused("admin", 1, "is the contract of the token USDC", "address-book", "add", "--address", w.token.Hex(), "--label", "exchange")
}
