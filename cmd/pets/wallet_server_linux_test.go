package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/internal/chain/chaintest"
	"pets/internal/vault"
)

// custodial is a server with a keystore and a real chain, and the command line beside it.
type custodial struct {
	*shell
	server *process
	chain  *chaintest.Chain
	token  *chaintest.Token
}

// withChain starts one; the accounts have 100 coins and 250 USDC each.
func withChain(t *testing.T, accounts ...string) *custodial {
	t.Helper()
	c := &custodial{shell: liveShell(t)}
	c.chainOf(t, accounts...)
	c.start()
	return c
}

// chainOf starts a chain, and sets what a server and the command line need of it.
func (c *custodial) chainOf(t *testing.T, accounts ...string) {
	t.Helper()
	var rich []chaintest.Account
	for _, a := range accounts {
		rich = append(rich, chaintest.Account{Address: common.HexToAddress(a)})
	}
	c.chain = chaintest.New(t, rich...)
	c.token = c.chain.Deploy("USDC", 6)
	for _, a := range rich {
		c.token.Mint(a.Address, 250_000_000)
	}
	c.chain.Mine(1)
	registry := c.file("registry.json", fmt.Sprintf(`{
		"chains": [{"id": "eip155:1337", "name": "Test", "confirmations": 2, "max_lag": 4, "head_max_age": "1h", "max_gas": 300000,
			"min_tip_gwei": "1", "max_tip_gwei": "50", "max_fee_gwei": "500"}],
		"assets": [{"id": "eip155:1337/slip44:1", "symbol": "COIN", "decimals": 18},
			{"id": "eip155:1337/erc20:%s", "symbol": "USDC", "decimals": 6}]}`, c.token.Hex()))
	c.env = append(c.env, "PETS_RPC_URLS="+c.chain.URL(), "PETS_RPC_TEST_CHAIN=true", "PETS_CHAIN=eip155:1337", "PETS_ASSET_REGISTRY="+registry, "PETS_RATE_LIMIT=0")
}

// start starts the server with the settings as they are now.
func (c *custodial) start() {
	c.t.Helper()
	t, ok := c.t.(*testing.T)
	require.True(t, ok)
	c.server = serveFolder(t, c.store(), c.env...)
	c.setEnv("PETS_SERVER", c.server.url)
	c.setEnv("PETS_KEY", adminKey)
}

func (c *custodial) stop() {
	require.NoError(c.t, c.server.cmd.Process.Kill())
	_ = c.server.cmd.Wait()
}

func (c *custodial) post(path string, body any) {
	c.t.Helper()
	require.NoError(c.t, c.server.client(adminKey).Portfolio("main").Post(c.ctx, path, path+fmt.Sprint(body), body, nil))
}

// sitPatiently is for what a chain is asked for.
func (c *custodial) sitPatiently(args ...string) *seat {
	return c.sitWith(c.ctx, func(a *app) { a.patience = 10 * time.Second }, args...)
}

// The way of an operator with a server: created, registered and recorded in one go;
// verified and rotated by the server with its own keys.
func TestWalletsThroughTheServer(t *testing.T) {
	c := withChain(t)
	seat := c.sitPatiently("wallet", "create", "trading")
	words := seat.readWords()
	seat.types("\r").giveBack(words)
	output := seat.waitFor("Registered as the main hot wallet of portfolio main on eip155:1337").waitFor("Its key is recorded").ends(0)
	address := accountOf(t, strings.Join(words, " "), 0)
	require.Contains(t, output, "pets wallet recover trading --drill --address "+address)
	require.Contains(t, c.ok("wallet", "verify"), "trading: its key opens, and is that of "+address+" (revision")
	require.Contains(t, c.ok("wallet", "verify", "trading", "--load"), "    0 USDC")
	require.Contains(t, c.ok("wallet", "list"), "hot (main)")
	former := c.getEnv("ENCRYPTION_KEY")
	require.Contains(t, c.ok("keys", "status"), keyID(t, former)+"  trading")
	output = c.sitPatiently("wallet", "recover", "trading", "--drill").waitFor("not shown: ").types(strings.Join(words, " ") + "\r").waitFor("Recorded (revision").ends(0)
	noTrace(t, "the terminal", []byte(output), strings.Join(words, " "), 0)

	// A server that was not restarted would rotate to the former key: refused.
	key := vault.GenerateKey()
	c.setEnv("ENCRYPTION_KEY", key)
	c.setEnv("ENCRYPTION_KEYS_RETIRED", former)
	c.fails(1, []string{"the server was started with " + keyID(t, former), "restart it first"}, "keys", "rotate")
	require.Contains(t, c.ok("keys", "status"), "restart it before it rotates")
	c.stop()
	c.start()
	require.Contains(t, c.ok("keys", "rotate", "--reason", "90 days"), "is complete: everything is sealed under "+keyID(t, key))
	require.Contains(t, c.ok("keys", "status"), keyID(t, former)+"  seals nothing any more")
	require.Contains(t, c.ok("wallet", "verify"), "trading: its key opens")

	// Without a key for the server, beside it: said, not guessed.
	c.setEnv("PETS_KEY", "")
	c.fails(2, []string{"PETS_KEY is needed"}, "keys", "status")
	c.setEnv("PETS_SERVER", "")
	c.fails(1, []string{"locked by pid", "PETS_KEY"}, "keys", "status")
	c.fails(1, []string{"locked by pid", "PETS_KEY"}, "wallet", "verify")
	require.Contains(t, c.ok("wallet", "list"), "trading")
	log := c.server.errs.String() + c.server.out.String()
	noTrace(t, "the log", []byte(log), strings.Join(words, " "), 0)
	require.NotContains(t, log, key)
	noTraceOnDisk(t, c.dir, strings.Join(words, " "), 0)
}

// "recover (…; load with the balance read from the chain, offer a small test transaction)"
func TestRecoverThroughTheServer(t *testing.T) {
	c := withChain(t, otherFirst)
	c.post("/wallets", commands.RegisterWallet{Wallet: "trading", Place: domain.WalletHot, Chain: "eip155:1337", Address: otherFirst})
	c.post("/wallets", commands.RegisterWallet{Wallet: "vault", Place: domain.WalletCold, Chain: "eip155:1337", Address: accountOf(t, testWords, 0)})
	c.post("/deposits", map[string]any{"wallet": "hot", "amount": "250"})
	for _, more := range [][]string{{}, {"--drill"}} { // "Cold keys never touch the machine"
		output := c.sitPatiently(append([]string{"wallet", "recover", "vault"}, more...)...).waitFor("is a cold wallet, and its words are never typed where").ends(1)
		require.NotContains(t, output, "not shown: ")
	}

	seat := c.sitPatiently("wallet", "recover", "trading")
	seat.waitFor("not shown: ").types(otherWords + "\r").waitFor("Recorded (revision").waitFor("trading holds:").waitFor("100 COIN").waitFor("250 USDC")
	seat.waitFor("or nothing for none: ").types("1.5\r").waitFor("Ask for a transfer of 1.5 from trading to the cold wallet?").types("yes\r")
	output := seat.waitFor("it waits for the approval of another user (with a key of role approver): pets approve x").ends(0)
	noTrace(t, "the terminal", []byte(output), otherWords, 0)
	var open struct {
		Transfers []struct {
			Status, Wallet, Reason string
			Payment                struct{ Amount string }
		}
	}
	require.NoError(t, c.server.client(adminKey).Portfolio("main").Get(c.ctx, "/approvals", &open))
	require.Len(t, open.Transfers, 1)
	require.Equal(t, "trading 1.5 test after recovery", open.Transfers[0].Wallet+" "+open.Transfers[0].Payment.Amount+" "+open.Transfers[0].Reason)
	require.Equal(t, []string{"wallet.registered.v1", "wallet.registered.v1", "key.imported.v1", "wallet.loaded.v1"}, c.walletEvents())

	// On another machine, without the store, through the server.
	away := newShell(t)
	away.env = []string{"PETS_SERVER=" + c.server.url, "PETS_KEY=" + adminKey, "PETS_STORE=embedded:" + filepath.Join(away.dir, "none"), "PETS_KEYSTORE=" + away.keys(), "TERM=xterm"}
	require.Contains(t, away.ok("wallet", "list"), "NOT HERE")
	require.Contains(t, away.ok("wallet", "verify", "trading"), "is that of "+otherFirst)
	away.ok("wallet", "record", "vault", "--tested", "--address", accountOf(t, testWords, 0))
}

// Whatever is missing in the middle, the screen says what completes it, and the exit
// status is that of a failure.
func TestHalfWays(t *testing.T) {
	c := withChain(t)
	var issued issuedKey
	require.NoError(t, c.server.client(adminKey).Send(c.ctx, http.MethodPost, "/v1/api-keys", "k", map[string]any{"user": "olga", "role": "operator"}, &issued))
	c.setEnv("PETS_KEY", issued.Secret)
	seat := c.sitPatiently("wallet", "create", "trading")
	words := seat.readWords()
	seat.types("\r").giveBack(words)
	address := accountOf(t, strings.Join(words, " "), 0)
	seat.waitFor("the wallet is NOT registered").waitFor("pets wallet register trading --place hot --chain eip155:1337 --address " + address).
		waitFor("pets wallet record trading").ends(1)
	c.post("/wallets", commands.RegisterWallet{Wallet: "trading", Place: domain.WalletHot, Chain: "eip155:1337", Address: address})
	c.ok("wallet", "record", "trading")
	require.Contains(t, c.ok("wallet", "verify"), "(revision")

	// The server is gone after the key was stored.
	c.setEnv("PETS_STORE", "embedded:"+filepath.Join(c.dir, "none"))
	c.stop()
	seat = c.sit("wallet", "create", "second")
	words = seat.waitFor("Whether a wallet second is registered cannot be said").readWords()
	seat.types("\r").giveBack(words)
	seat.waitFor("NOT registered").waitFor("pets wallet record second").ends(1)
	c.sit("wallet", "recover", "third").waitFor("--address is needed").ends(2)
}
