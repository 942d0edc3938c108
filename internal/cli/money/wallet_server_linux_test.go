package money_test

import (
	"cmp"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/internal/chain/chaintest"
	"pets/internal/cli"
	"pets/internal/pets/petstest"
	"pets/internal/vault"
)

// custodial is a server with a keystore and a real chain, and the command line beside it.
type custodial struct {
	*petstest.Shell
	server *petstest.Process
	chain  *chaintest.Chain
	token  *chaintest.Token
	symbol string // of the token; "" is USDC
}

// withChain starts one; the accounts have 100 coins and 250 USDC each.
func withChain(t *testing.T, accounts ...string) *custodial {
	t.Helper()
	c := &custodial{Shell: petstest.LiveShell(t)}
	c.chainOf(t, accounts...)
	c.start()
	return c
}

// chainOf starts a chain, and sets what a server and the command line need to know of it.
func (c *custodial) chainOf(t *testing.T, accounts ...string) {
	t.Helper()
	var rich []chaintest.Account
	for _, a := range accounts {
		rich = append(rich, chaintest.Account{Address: common.HexToAddress(a)})
	}
	c.chain = chaintest.New(t, rich...)
	symbol := cmp.Or(c.symbol, "USDC")
	c.token = c.chain.Deploy(symbol, 6)
	for _, a := range rich {
		c.token.Mint(a.Address, 250_000_000)
	}
	c.chain.Mine(1)
	registry := c.File("registry.json", fmt.Sprintf(`{
		"chains": [{"id": "eip155:1337", "name": "Test", "confirmations": 2, "max_lag": 4, "head_max_age": "1h", "max_gas": 300000,
			"min_tip_gwei": "1", "max_tip_gwei": "50", "max_fee_gwei": "500"}],
		"assets": [{"id": "eip155:1337/slip44:1", "symbol": "COIN", "decimals": 18},
			{"id": "eip155:1337/erc20:%s", "symbol": %q, "decimals": 6}]}`, c.token.Hex(), symbol))
	c.Env = append(c.Env, "PETS_RPC_URLS="+c.chain.URL(), "PETS_RPC_TEST_CHAIN=true", "PETS_CHAIN=eip155:1337", "PETS_ASSET_REGISTRY="+registry, "PETS_RATE_LIMIT=0")
}

// start starts the server with the current settings.
func (c *custodial) start() {
	c.T.Helper()
	t, ok := c.T.(*testing.T)
	require.True(t, ok)
	c.server = petstest.ServeFolder(t, c.Store(), c.Env...)
	c.SetEnv("PETS_SERVER", c.server.URL)
	c.SetEnv("PETS_KEY", petstest.AdminKey)
}

func (c *custodial) stop() {
	require.NoError(c.T, c.server.Cmd.Process.Kill())
	_ = c.server.Cmd.Wait()
}

func (c *custodial) post(path string, body any) {
	c.T.Helper()
	require.NoError(c.T, c.server.Client(petstest.AdminKey).Portfolio("main").Post(c.Ctx, path, path+fmt.Sprint(body), body, nil))
}

// sitPatiently is Sit for commands that wait for the chain.
func (c *custodial) sitPatiently(args ...string) *petstest.Seat {
	return c.SitWith(c.Ctx, func(a *cli.App) { a.Patience = 10 * time.Second }, args...)
}

// An operator with a server: a wallet is created, registered and recorded in one go, and then
// verified and rotated by the server with its own keys.
func TestWalletsThroughTheServer(t *testing.T) {
	t.Parallel()
	c := withChain(t)
	seat := c.sitPatiently("wallet", "create", "trading")
	words := seat.ReadWords()
	seat.Types("\r").GiveBack(words)
	output := seat.WaitFor("Registered as the main hot wallet of portfolio main on eip155:1337").WaitFor("Its key is recorded").Ends(0)
	address := petstest.AccountOf(t, strings.Join(words, " "), 0)
	require.Contains(t, output, "pets wallet recover trading --drill --address "+address)
	require.Contains(t, c.Ok("wallet", "verify"), "trading: its key opens, and is that of "+address+" (revision")
	require.Contains(t, c.Ok("wallet", "verify", "trading", "--load"), "    0 USDC")
	require.Contains(t, c.Ok("wallet", "list"), "hot (main)")
	former := c.GetEnv("ENCRYPTION_KEY")
	require.Contains(t, c.Ok("keys", "status"), petstest.KeyID(t, former)+"  trading")
	output = c.sitPatiently("wallet", "recover", "trading", "--drill").WaitFor("not shown: ").Types(strings.Join(words, " ") + "\r").WaitFor("Recorded (revision").Ends(0)
	petstest.NoTrace(t, "the terminal", []byte(output), strings.Join(words, " "), 0)

	// A server that was not restarted would rotate to the former key, so it is refused.
	key := vault.GenerateKey()
	c.SetEnv("ENCRYPTION_KEY", key)
	c.SetEnv("ENCRYPTION_KEYS_RETIRED", former)
	c.Fails(1, []string{"the server was started with " + petstest.KeyID(t, former), "restart it first"}, "keys", "rotate")
	require.Contains(t, c.Ok("keys", "status"), "restart it before it rotates")
	c.stop()
	c.start()
	require.Contains(t, c.Ok("keys", "rotate", "--reason", "90 days"), "is complete: everything is sealed under "+petstest.KeyID(t, key))
	require.Contains(t, c.Ok("keys", "status"), petstest.KeyID(t, former)+"  seals nothing any more")
	require.Contains(t, c.Ok("wallet", "verify"), "trading: its key opens")

	// Without an API key for the server, the command says so.
	c.SetEnv("PETS_KEY", "")
	c.Fails(2, []string{"PETS_KEY is needed"}, "keys", "status")
	c.SetEnv("PETS_SERVER", "")
	c.Fails(1, []string{"locked by pid", "PETS_KEY"}, "keys", "status")
	c.Fails(1, []string{"locked by pid", "PETS_KEY"}, "wallet", "verify")
	require.Contains(t, c.Ok("wallet", "list"), "trading")
	log := c.server.Errs.String() + c.server.Out.String()
	petstest.NoTrace(t, "the log", []byte(log), strings.Join(words, " "), 0)
	require.NotContains(t, log, key)
	petstest.NoTraceOnDisk(t, c.Dir, strings.Join(words, " "), 0)
}

// "There is one way to ask for a yes": where a command asks everything else at its terminal, it
// asks for the yes there, too, wherever messages go: pets wallet recover … 2>log.
func TestRecoverWithMessagesInAFile(t *testing.T) {
	t.Parallel()
	c := withChain(t, petstest.OtherFirst)
	c.post("/wallets", commands.RegisterWallet{Wallet: "trading", Place: domain.WalletHot, Chain: "eip155:1337", Address: petstest.OtherFirst})
	c.post("/wallets", commands.RegisterWallet{Wallet: "vault", Place: domain.WalletCold, Chain: "eip155:1337", Address: petstest.AccountOf(t, petstest.TestWords, 0)})
	c.post("/deposits", map[string]any{"wallet": "hot", "amount": "250"})
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	defer func() { require.NoError(t, log.Close()) }()
	seat := c.SitWith(c.Ctx, func(a *cli.App) { a.Patience, a.Err = 10*time.Second, log }, "wallet", "recover", "trading")
	seat.WaitFor("not shown: ").Types(petstest.OtherWords + "\r")
	seat.WaitFor("or nothing for none: ").Types("1.5\r").WaitFor("to the cold wallet? [y/N] ").Types("y\r")
	seat.WaitFor("pets approve x").Ends(0)
	said, err := os.ReadFile(log.Name())
	require.NoError(t, err)
	require.Equal(t, "pets: acting on server "+c.server.URL+", portfolio main\n", string(said))
}

// "recover (…; load with the balance read from the chain, offer a small test transaction)"
func TestRecoverThroughTheServer(t *testing.T) {
	t.Parallel()
	c := withChain(t, petstest.OtherFirst)
	c.post("/wallets", commands.RegisterWallet{Wallet: "trading", Place: domain.WalletHot, Chain: "eip155:1337", Address: petstest.OtherFirst})
	c.post("/wallets", commands.RegisterWallet{Wallet: "vault", Place: domain.WalletCold, Chain: "eip155:1337", Address: petstest.AccountOf(t, petstest.TestWords, 0)})
	c.post("/deposits", map[string]any{"wallet": "hot", "amount": "250"})
	for _, more := range [][]string{{}, {"--drill"}} { // "Cold keys never touch the machine"
		output := c.sitPatiently(append([]string{"wallet", "recover", "vault"}, more...)...).WaitFor("is a cold wallet, and its words are never typed where").Ends(1)
		require.NotContains(t, output, "not shown: ")
	}

	seat := c.sitPatiently("wallet", "recover", "trading")
	seat.WaitFor("not shown: ").Types(petstest.OtherWords + "\r").WaitFor("Recorded (revision").WaitFor("trading holds:").WaitFor("100 COIN").WaitFor("250 USDC")
	seat.WaitFor("or nothing for none: ").Types("1.5\r").WaitFor("Ask for a transfer of 1.5 from trading to the cold wallet?").Types("yes\r")
	output := seat.WaitFor("it waits for the approval of another user (with a key of role approver): pets approve x").Ends(0)
	petstest.NoTrace(t, "the terminal", []byte(output), petstest.OtherWords, 0)
	var open struct {
		Transfers []struct {
			Status, Wallet, Reason string
			Payment                struct{ Amount string }
		}
	}
	require.NoError(t, c.server.Client(petstest.AdminKey).Portfolio("main").Get(c.Ctx, "/approvals", &open))
	require.Len(t, open.Transfers, 1)
	require.Equal(t, "trading 1.5 test after recovery", open.Transfers[0].Wallet+" "+open.Transfers[0].Payment.Amount+" "+open.Transfers[0].Reason)
	require.Equal(t, []string{"wallet.registered.v1", "wallet.registered.v1", "key.imported.v1", "wallet.loaded.v1"}, c.WalletEvents())

	// On another machine without the store, through the server.
	away := petstest.New(t)
	away.Env = []string{"PETS_SERVER=" + c.server.URL, "PETS_KEY=" + petstest.AdminKey, "PETS_STORE=embedded:" + filepath.Join(away.Dir, "none"), "PETS_KEYSTORE=" + away.Keys(), "TERM=xterm"}
	require.Contains(t, away.Ok("wallet", "list"), "NOT HERE")
	require.Contains(t, away.Ok("wallet", "verify", "trading"), "is that of "+petstest.OtherFirst)
	away.Ok("wallet", "record", "vault", "--tested", "--address", petstest.AccountOf(t, petstest.TestWords, 0))
}

// Whatever fails in between, the screen says how to complete it, and the exit status is that of a
// failure.
func TestHalfWays(t *testing.T) {
	t.Parallel()
	c := withChain(t)
	var issued struct{ Secret string }
	require.NoError(t, c.server.Client(petstest.AdminKey).Send(c.Ctx, http.MethodPost, "/v1/api-keys", "k", map[string]any{"user": "olga", "role": "operator"}, &issued))
	c.SetEnv("PETS_KEY", issued.Secret)
	seat := c.sitPatiently("wallet", "create", "trading")
	words := seat.ReadWords()
	seat.Types("\r").GiveBack(words)
	address := petstest.AccountOf(t, strings.Join(words, " "), 0)
	seat.WaitFor("the wallet is NOT registered").WaitFor("pets wallet register trading --place hot --chain eip155:1337 --address " + address).
		WaitFor("pets wallet record trading").Ends(1)
	c.post("/wallets", commands.RegisterWallet{Wallet: "trading", Place: domain.WalletHot, Chain: "eip155:1337", Address: address})
	c.Ok("wallet", "record", "trading")
	require.Contains(t, c.Ok("wallet", "verify"), "(revision")

	// The server goes away after the key was stored.
	c.SetEnv("PETS_STORE", "embedded:"+filepath.Join(c.Dir, "none"))
	c.stop()
	seat = c.Sit("wallet", "create", "second")
	words = seat.WaitFor("It is not known whether a wallet second is registered").ReadWords()
	seat.Types("\r").GiveBack(words)
	seat.WaitFor("NOT registered").WaitFor("pets wallet record second").Ends(1)
	c.Sit("wallet", "recover", "third").WaitFor("--address is needed").Ends(2)
}
