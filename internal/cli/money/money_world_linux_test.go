package money_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/stretchr/testify/require"

	"pets/commands/client"
	"pets/domain"
	"pets/domain/approval"
	"pets/domain/approval/approvaltest"
	"pets/domain/treasury"
	"pets/internal/chain/chaintest"
	"pets/internal/cli"
	"pets/internal/cli/clitest"
	"pets/internal/cli/money"
	"pets/internal/open"
	"pets/internal/pets"
	"pets/internal/pets/petstest"
	"pets/internal/vault"
	"pets/projections"
)

const (
	testEncryptionKey = "blhSVTPOD5qrFMwCmX35zF835jpC69rTo6RwK5Sq_nQ="
	testConfirmations = 2
)

// moneyWorld is a chain with a token, a real pets serve with a keystore, a live portfolio that two
// people have opened, and those people. The server's clock advances by a minute with every
// command, so that the output is the same in every run.
type moneyWorld struct {
	t        *testing.T
	dir      string
	node     *chaintest.Chain
	proxy    *chaintest.Proxy
	token    *chaintest.Token
	registry string
	url      string
	log      *clitest.Buffer
	keys     map[string]string // API keys by user
	signs    map[string]string // files of approvers' keys by user
	hot      string
	cold     string // its words, testWords, are not on the server's machine
	away     string // the folder in which people work away from the store; "" to work beside it

	mu  sync.Mutex
	now time.Time
}

// fund gives an address tokens and coins.
func (w *moneyWorld) fund(address string, usd int64, coins int64) {
	to := common.HexToAddress(address)
	if usd > 0 {
		w.token.Mint(to, usd*1_000_000)
	}
	if coins > 0 {
		w.node.Send(&to, new(big.Int).Mul(big.NewInt(coins), big.NewInt(1e18)), nil)
	}
}

func newMoneyWorld(t *testing.T) *moneyWorld {
	t.Helper()
	w := &moneyWorld{t: t, dir: t.TempDir(), log: &clitest.Buffer{}, keys: map[string]string{"admin": petstest.AdminKey}, cold: petstest.AccountOf(t, petstest.TestWords, 0)}
	w.now = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	w.node = chaintest.New(t)
	w.proxy = w.node.Proxy()
	w.token = w.node.Deploy("USDC", 6)
	w.registry = filepath.Join(w.dir, "registry.json")
	require.NoError(t, os.WriteFile(w.registry, fmt.Appendf(nil, `{
		"chains": [{"id": "eip155:1337", "name": "Test", "confirmations": %d, "max_lag": 4, "head_max_age": "1h", "max_gas": 300000,
			"min_tip_gwei": "1", "max_tip_gwei": "5", "max_fee_gwei": "100"}],
		"assets": [{"id": "eip155:1337/slip44:1", "symbol": "COIN", "decimals": 18},
			{"id": "eip155:1337/erc20:%s", "symbol": "USDC", "decimals": 6}]}`, testConfirmations, w.token.Hex()), 0o600))
	w.createKey()
	w.serve()
	w.goLive()
	return w
}

// createKey puts the hot wallet's key into the keystore.
func (w *moneyWorld) createKey() {
	ring, err := vault.ParseKeyring(testEncryptionKey, "")
	require.NoError(w.t, err)
	defer ring.Wipe()
	store, err := vault.Open(filepath.Join(w.dir, "keystore"), ring)
	require.NoError(w.t, err)
	words, err := vault.ParseMnemonic([]byte(petstest.OtherWords))
	require.NoError(w.t, err)
	defer words.Wipe()
	require.NoError(w.t, words.Derive(vault.Path(0), nil, func(key *vault.PrivateKey) error {
		address, err := store.Create("hot-1", vault.Path(0), key)
		w.hot = address.String()
		return err
	}))
}

func (w *moneyWorld) wall() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *moneyWorld) minutes(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(time.Duration(n) * time.Minute)
}

func (w *moneyWorld) environ(more ...string) []string {
	return append(append(w.chain(), "PETS_STORE=embedded:"+filepath.Join(w.dir, "store")), more...)
}

// chain returns the settings that the test chain needs.
func (w *moneyWorld) chain() []string {
	return []string{"PETS_ASSET_REGISTRY=" + w.registry, "PETS_CHAIN=eip155:1337"}
}

// seat returns a person's working folder and environment: beside the server's store, or away from
// it with nothing but its address and a key.
func (w *moneyWorld) seat(who string) (dir string, environ []string) {
	server := []string{"PETS_SERVER=" + w.url, "PETS_KEY=" + w.keys[who], "PETS_APPROVER_KEY=" + w.signs[strings.TrimSuffix(who, "-approver")]}
	if w.away != "" {
		return w.away, append(w.chain(), server...)
	}
	return w.t.TempDir(), w.environ(server...)
}

// serve starts pets serve in this process and waits until it is ready.
func (w *moneyWorld) serve() {
	ctx, stop := context.WithCancel(context.Background())
	a := &cli.App{Place: open.Place{Err: w.log, Wall: w.wall}, Out: io.Discard, Dir: w.dir, CustodyPace: 200 * time.Millisecond, Environ: w.environ(
		"PETS_ADMIN_KEY="+petstest.AdminKey, "PETS_RPC_URLS="+w.proxy.URL(), "PETS_RPC_TEST_CHAIN=true", "PETS_KEYSTORE="+filepath.Join(w.dir, "keystore"),
		"ENCRYPTION_KEY="+testEncryptionKey, "PETS_RECONCILE_EVERY=24h")}
	ended := make(chan int, 1)
	go func() {
		ended <- pets.Run(ctx, a, []string{"serve", "--listen", "127.0.0.1:0", "--metrics-listen", "off"})
	}()
	w.t.Cleanup(func() { stop(); require.Zero(w.t, <-ended, w.log.String()) })
	address := regexp.MustCompile(`"address":"([^"]+)"`)
	require.Eventually(w.t, func() bool { return address.MatchString(w.log.String()) }, 20*time.Second, 5*time.Millisecond, "%s", w.log)
	w.url = address.FindStringSubmatch(w.log.String())[1]
}

// post sends a command that the command line does not have.
func (w *moneyWorld) post(who, path string, body any, into any) {
	w.t.Helper()
	c, err := client.New(client.Options{URL: w.url, Key: w.keys[who]})
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, c.Close()) }()
	require.NoError(w.t, c.Send(w.t.Context(), http.MethodPost, path, "only", body, into), path)
}

// get reads a view of main without advancing the clock.
func (w *moneyWorld) get(path string, into any) {
	w.t.Helper()
	c, err := client.New(client.Options{URL: w.url, Key: w.keys["bob"]})
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, c.Close()) }()
	require.NoError(w.t, c.Get(w.t.Context(), "/v1/portfolios/main"+path, into))
}

// goLive issues keys, and opens the live portfolio main after two people have agreed.
func (w *moneyWorld) goLive() {
	for _, k := range []struct{ name, user, role string }{{"olga", "olga", "operator"}, {"bob", "bob", "approver"}, {"olga-approver", "olga", "approver"}} {
		w.keys[k.name] = petstest.SecretPattern.FindString(w.ok("admin", "apikey", "issue", "--user", k.user, "--role", k.role))
	}
	w.post("olga", "/v1/portfolios", map[string]any{"id": "paper", "mode": "paper"}, nil)
	var asked struct{ ID string }
	w.post("olga", "/v1/portfolios/paper/overrides", map[string]any{"kind": "go_live", "portfolio": "main", "reason": "a month on paper"}, &asked)
	w.register()
	var v projections.Approval
	w.client("bob", func(c *client.Client) {
		require.NoError(w.t, c.Get(w.t.Context(), "/v1/portfolios/paper/approvals/override/"+asked.ID, &v))
	})
	var confirmed struct{ Revision uint64 }
	w.post("bob", "/v1/portfolios/paper/overrides/"+asked.ID+"/confirm", cli.Signed{Signature: approvaltest.Sign(w.t, v.Subject, "bob")}, &confirmed)
	w.post("olga", "/v1/portfolios", map[string]any{"id": "main", "mode": "live", "gate": map[string]any{"portfolio": "paper", "revision": confirmed.Revision}}, nil)
}

// register registers bob's key, which counts at once, and olga's.
func (w *moneyWorld) register() {
	w.t.Helper()
	w.signs = map[string]string{}
	w.signer("bob")
	w.signer("olga")
}

// signer registers an approver's key of a user: the first counts at once, for others bob gives a word.
func (w *moneyWorld) signer(user string) {
	w.t.Helper()
	w.signs[user] = petstest.ApproverFile(w.t, user)
	w.client("admin", func(c *client.Client) {
		require.NoError(w.t, c.Send(w.t.Context(), http.MethodPost, "/v1/approvers", "register "+user, map[string]string{"user": user, "public_key": approvaltest.Public(user)}, nil))
	})
	if user == "bob" {
		return
	}
	var list struct {
		Approvers []struct {
			Approver, User string
			Subject        *approval.Subject
		}
	}
	w.client("bob", func(c *client.Client) {
		require.NoError(w.t, c.Get(w.t.Context(), "/v1/approvers", &list))
		last := list.Approvers[len(list.Approvers)-1]
		require.Equal(w.t, user, last.User)
		require.NoError(w.t, c.Send(w.t.Context(), http.MethodPost, "/v1/approvers/"+last.Approver+"/vouch", "vouch for "+user, cli.Signed{Signature: approvaltest.Sign(w.t, *last.Subject, "bob")}, nil))
	})
}

// client calls do with a client that has the key of one of the people.
func (w *moneyWorld) client(who string, do func(*client.Client)) {
	w.t.Helper()
	c, err := client.New(client.Options{URL: w.url, Key: w.keys[who]})
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, c.Close()) }()
	do(c)
}

// carol gets the key of a second approver when she first comes in.
func (w *moneyWorld) carol() {
	w.t.Helper()
	if w.keys["carol"] != "" {
		return
	}
	var issued struct{ Secret string }
	w.post("admin", "/v1/api-keys", map[string]string{"user": "carol", "role": "approver"}, &issued)
	require.NotEmpty(w.t, issued.Secret)
	w.keys["carol"] = issued.Secret
	w.signer("carol")
}

// pets runs the command line as one of the people, without a terminal, with that person's PETS_KEY;
// "nobody" has none.
func (w *moneyWorld) pets(who string, args ...string) petstest.Ran {
	w.t.Helper()
	return w.petsAsked(who, func(io.Writer, string) (bool, bool) { return false, false }, args...)
}

// petsAsked runs it at a terminal where a person answers.
func (w *moneyWorld) petsAsked(who string, ask func(screen io.Writer, question string) (yes, terminal bool), args ...string) petstest.Ran {
	w.t.Helper()
	w.minutes(1)
	var out, errs bytes.Buffer
	dir, environ := w.seat(who)
	a := &cli.App{Place: open.Place{Err: &errs, Wall: w.wall}, Out: &out, Patience: 20 * time.Second, Dir: dir, Environ: environ, Ask: func(question string) (bool, bool) { return ask(&out, question) }}
	a.Secret = func(question string) []byte {
		_, _ = fmt.Fprintln(&errs, question)
		return []byte(petstest.Passphrase)
	}
	code := pets.Run(w.t.Context(), a, args)
	w.t.Logf("%s$ pets %s\n%s%s", who, strings.Join(args, " "), out.String(), errs.String())
	return petstest.Ran{Code: code, Out: out.String(), Err: errs.String()}
}

func (w *moneyWorld) ok(who string, args ...string) string {
	w.t.Helper()
	r := w.pets(who, args...)
	require.Equal(w.t, 0, r.Code, "pets %s: %s%s", strings.Join(args, " "), r.Out, r.Err)
	return r.Out
}

// refused runs a command that has to fail with a status and an error that contains words.
func (w *moneyWorld) refused(who string, code int, words string, args ...string) {
	w.t.Helper()
	r := w.pets(who, args...)
	require.Equal(w.t, code, r.Code, "pets %s: %s%s", strings.Join(args, " "), r.Out, r.Err)
	require.Contains(w.t, r.Err, words, "pets %s: %s", strings.Join(args, " "), r.Out)
}

// attemptJSON holds those of one of its transactions.
type attemptJSON struct {
	Transaction json.RawMessage
	Digest      string
	Cancel      bool
	TxHash      string `json:"tx_hash"`
	Sent        bool
}

// transferJSON holds the fields of a transfer that the tests read.
type transferJSON struct {
	Transfer, Status, Hash string
	Raise                  *struct{ Hash string }
	Kind, From, To         string
	Payment                domain.Payment
	Attempts               []attemptJSON
	Rebalance              *domain.Rebalance
	Code                   string
	ToSign                 *projections.ToSign `json:"to_sign"`
}

func (w *moneyWorld) transfer(id string) transferJSON {
	w.t.Helper()
	var v transferJSON
	petstest.ReadJSON(w.t, w.ok("bob", "transfers", id, "--json"), &v)
	return v
}

// until waits for a status of a transfer without advancing the clock.
func (w *moneyWorld) until(id, status string) transferJSON {
	w.t.Helper()
	var v transferJSON
	require.Eventually(w.t, func() bool {
		var list struct{ Transfers []transferJSON }
		w.get("/transfers", &list)
		for _, t := range list.Transfers {
			if t.Transfer == id {
				v = t
			}
		}
		return v.Status == status
	}, 20*time.Second, 20*time.Millisecond, "%s is not %s: %s", id, status, w.log)
	return v
}

// mined waits until the node has the transaction of a transfer, and mines blocks until it
// is final.
func (w *moneyWorld) mined(t transferJSON) {
	w.t.Helper()
	require.NotEmpty(w.t, t.Attempts)
	hash := common.HexToHash(t.Attempts[len(t.Attempts)-1].TxHash)
	node, err := ethclient.Dial(w.node.URL())
	require.NoError(w.t, err)
	defer node.Close()
	require.Eventually(w.t, func() bool {
		_, pending, err := node.TransactionByHash(w.t.Context(), hash)
		return err == nil && pending
	}, 20*time.Second, 5*time.Millisecond, "%s was not sent: %s", t.Transfer, w.log)
	w.node.Mine(testConfirmations)
}

// confirmed mines an approved transfer, and waits until that is recorded.
func (w *moneyWorld) confirmed(id string) {
	w.t.Helper()
	w.mined(w.until(id, string(treasury.Broadcast)))
	w.until(id, string(treasury.Confirmed))
}

// signCold acts as a person at the machine with the key, which has neither network nor store: it
// types the recipient's first and last digits and the words.
func (w *moneyWorld) signCold(args ...string) string {
	w.t.Helper()
	offline := &petstest.Shell{T: w.t, Dir: w.t.TempDir()}
	return w.typesWords(offline.SitWith(w.t.Context(), func(a *cli.App) { a.Wall = w.wall }, args...), args[2])
}

// typesWords types the recipient's first and last digits and the words.
func (w *moneyWorld) typesWords(seat *petstest.Seat, unsigned string) string {
	w.t.Helper()
	file, err := money.ReadColdFile(unsigned)
	require.NoError(w.t, err)
	if to := file.Payment.To; to != file.Payment.From { // what cancels a transfer goes to nobody
		seat.WaitFor("first 8 digits").Types(to[2:2+money.TypedDigits] + "\r").WaitFor("last 8 digits").Types(to[len(to)-money.TypedDigits:] + "\r")
	} else {
		seat.WaitFor("to agree: ").Types(file.Payment.HighestFee.String() + "\r")
	}
	return seat.WaitFor("not shown: ").Types(petstest.TestWords + "\r").WaitFor("Signed: 0x").Ends(0)
}

var transferPattern = regexp.MustCompile(`\bx\d+\b`)

// asked returns the id of a transfer that a command has just asked for.
func asked(t *testing.T, out string) string {
	t.Helper()
	id := transferPattern.FindString(out)
	require.NotEmpty(t, id, out)
	return id
}

// checksummed formats an address with its EIP-55 checksum.
func (w *moneyWorld) checksummed(address string) string { return common.HexToAddress(address).Hex() }
