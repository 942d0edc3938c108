package money_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/domain/approval/approvaltest"
	"pets/internal/chain/chaintest"
	"pets/internal/cli/clitest"
	"pets/internal/pets/petstest"
	"pets/internal/testenv"
	"pets/internal/vault"
	"pets/projections"
)

// canary is a server with a keystore whose key the test knows, after it has signed an order and a
// transfer and has answered every request.
type canary struct {
	t     *testing.T
	dir   string
	key   []byte // the private key
	node  *chaintest.Chain
	url   string
	log   *clitest.Buffer
	child *exec.Cmd
	all   bytes.Buffer // every answer
}

const (
	canaryWords = "legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth title"
	orderForm   = `{"permit":%q,"typed_data":{"types":{"Order":[{"name":"salt","type":"uint256"},{"name":"maker","type":"address"},{"name":"signer","type":"address"},{"name":"taker","type":"address"},{"name":"tokenId","type":"uint256"},{"name":"makerAmount","type":"uint256"},{"name":"takerAmount","type":"uint256"},{"name":"expiration","type":"uint256"},{"name":"nonce","type":"uint256"},{"name":"feeRateBps","type":"uint256"},{"name":"side","type":"uint8"},{"name":"signatureType","type":"uint8"}]},"primaryType":"Order","domain":{"name":"Polymarket CTF Exchange","version":"1","chainId":1337,"verifyingContract":"0x4bFb41d5B3570DeFd03C39a9A4D8dE6Bd8B8982E"},"message":{"salt":"%d","maker":%q,"signer":%q,"taker":"0x0000000000000000000000000000000000000000","tokenId":"7","makerAmount":"%d","takerAmount":"10000000","expiration":"0","nonce":"0","feeRateBps":"0","side":"0","signatureType":"0"}}}`
)

func newCanary(t *testing.T, binary string, env ...string) *canary {
	c := &canary{t: t, dir: t.TempDir(), log: &clitest.Buffer{}, node: chaintest.New(t)}
	token := c.node.Deploy("USDC", 6)
	registry := filepath.Join(c.dir, "registry.json")
	require.NoError(t, os.WriteFile(registry, fmt.Appendf(nil, `{"chains":[{"id":"eip155:1337","name":"Test","confirmations":1,"max_lag":4,"head_max_age":"1h","max_gas":300000,"min_tip_gwei":"1","max_tip_gwei":"5","max_fee_gwei":"100"}],
		"assets":[{"id":"eip155:1337/slip44:1","symbol":"COIN","decimals":18},{"id":"eip155:1337/erc20:%s","symbol":"USDC","decimals":6}]}`, token.Hex()), 0o600))
	builtIn, err := os.ReadFile("../../../internal/typeddata/shapes.json")
	require.NoError(t, err)
	var known struct {
		Shapes []map[string]any `json:"shapes"`
	}
	require.NoError(t, json.Unmarshal(builtIn, &known))
	shape := known.Shapes[0]
	shape["chain_id"], shape["collateral"] = 1337, map[string]any{"id": "eip155:1337/erc20:" + token.Hex(), "decimals": 6}
	shapes, err := json.Marshal(map[string]any{"shapes": []any{shape}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(c.dir, "shapes.json"), shapes, 0o600))

	c.sealKey()
	petstest.LiveStore(t, filepath.Join(c.dir, "store"))
	address := c.address()
	token.Mint(address, 1000_000000)
	c.node.Send(&address, big.NewInt(1e18), nil)
	c.serve(binary, append(env,
		"PETS_STORE=embedded:"+filepath.Join(c.dir, "store"), "PETS_ADMIN_KEY="+petstest.AdminKey, "PETS_KEYSTORE="+filepath.Join(c.dir, "keys"),
		"ENCRYPTION_KEY="+testEncryptionKey, "PETS_CHAIN=eip155:1337", "PETS_RPC_URLS="+c.node.URL(), "PETS_RPC_TEST_CHAIN=true",
		"PETS_ASSET_REGISTRY="+registry, "PETS_ORDER_SHAPES="+filepath.Join(c.dir, "shapes.json")))
	c.uses(address)
	return c
}

// sealKey puts a known key into the keystore; the test then searches for it.
func (c *canary) sealKey() {
	ring, err := vault.ParseKeyring(testEncryptionKey, "")
	require.NoError(c.t, err)
	defer ring.Wipe()
	store, err := vault.Open(filepath.Join(c.dir, "keys"), ring)
	require.NoError(c.t, err)
	words, err := vault.ParseMnemonic([]byte(canaryWords))
	require.NoError(c.t, err)
	defer words.Wipe()
	require.NoError(c.t, words.Derive(vault.Path(0), nil, func(key *vault.PrivateKey) error {
		_, err := store.Create("hot-1", vault.Path(0), key)
		return err
	}))
	// m/44'/60'/0'/0/0 of these words, computed by another library.
	c.key, err = hex.DecodeString("ff25e57518abf6647749e5ebffbd8ab4382519f5f7a7d82db5365b18e464f4df")
	require.NoError(c.t, err)
	require.FileExists(c.t, filepath.Join(c.dir, "keys", "hot-1."+c.address().Hex()+".key"), "it is the key in the keystore")
}

func (c *canary) address() common.Address {
	key, err := crypto.ToECDSA(c.key)
	require.NoError(c.t, err)
	return crypto.PubkeyToAddress(key.PublicKey)
}

// serve starts the server in a process of its own.
func (c *canary) serve(binary string, env []string) {
	c.child = exec.Command(binary, "serve", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0")
	c.child.Dir, c.child.Env = c.dir, append(os.Environ(), env...)
	c.child.Stdout, c.child.Stderr = c.log, c.log
	require.NoError(c.t, c.child.Start())
	c.t.Cleanup(func() { _ = c.child.Process.Kill(); _ = c.child.Wait() })
	address := regexp.MustCompile(`"address":"([^"]+)"`)
	require.Eventually(c.t, func() bool { return address.MatchString(c.log.String()) }, 30*time.Second, 10*time.Millisecond, "%s", c.log)
	c.url = address.FindStringSubmatch(c.log.String())[1]
}

// ask sends a request and keeps the answer.
func (c *canary) ask(key, method, path, body string) (status int, answer string) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, strings.NewReader(body))
	require.NoError(c.t, err)
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Idempotency-Key", uuid.NewString())
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(r)
	require.NoError(c.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(c.t, err)
	fmt.Fprintf(&c.all, "%v\n%s\n", resp.Header, b)
	return resp.StatusCode, string(b)
}

// must posts to the live portfolio.
func (c *canary) must(key, path, body string) string {
	c.t.Helper()
	status, answer := c.ask(key, http.MethodPost, "/v1/portfolios/real"+path, body)
	require.Equal(c.t, http.StatusOK, status, "%s: %s", path, answer)
	return answer
}

func (c *canary) issue(body string) string {
	_, answer := c.ask(petstest.AdminKey, http.MethodPost, "/v1/api-keys", body)
	return petstest.SecretPattern.FindString(answer)
}

// uses makes the server sign an order and a transfer, refuse several, and fail at others.
func (c *canary) uses(hot common.Address) {
	operator := c.issue(`{"user":"olga","role":"operator"}`)
	approver := c.issue(`{"user":"bob","role":"approver"}`)
	bot := c.issue(`{"user":"alpha","role":"bot","portfolio":"real","bot":"alpha"}`)
	c.must(petstest.AdminKey, "/wallets", fmt.Sprintf(`{"wallet":"hot-1","place":"hot","chain":"eip155:1337","address":%q}`, hot.Hex()))
	c.must(petstest.AdminKey, "/wallets", fmt.Sprintf(`{"wallet":"cold-1","place":"cold","chain":"eip155:1337","address":%q}`, chaintest.Named("cold").Hex()))
	c.must(operator, "/deposits", `{"wallet":"hot","amount":"1000"}`)
	c.must(operator, "/deposits", `{"wallet":"hot","asset":"COIN","amount":"1"}`)
	c.must(operator, "/wallets/hot-1/verify", "")
	c.must(operator, "/wallets/hot-1/load", "")
	c.must(operator, "/reconcile", "")
	c.must(operator, "/markets", `{"market":"m","kind":"outcome","outcomes":["YES","NO"],"tokens":{"YES":"7","NO":"8"}}`)
	c.must(operator, "/bots", `{"id":"alpha","capital":"100"}`)
	c.must(operator, "/bots/alpha/start", "")
	var permit struct {
		ID string `json:"permit_id"`
	}
	require.NoError(c.t, json.Unmarshal([]byte(c.must(bot, "/permits", `{"bot":"alpha","market":"m","outcome":"YES","side":"buy","quantity":"10","limit_price":"0.5"}`)), &permit))
	order := func(salt, pays int) string {
		return fmt.Sprintf(orderForm, permit.ID, salt, hot.Hex(), hot.Hex(), pays)
	}
	require.Contains(c.t, c.must(bot, "/sign", order(1, 5_000_001)), `"signed":false`)
	require.Contains(c.t, c.must(bot, "/sign", order(1, 5_000_000)), `"signed":true`)
	for range 20 {
		c.must(bot, "/sign", order(1, 5_000_000))
	}
	require.Contains(c.t, c.must(bot, "/sign", order(2, 5_000_000)), `"signed":false`)
	c.ask(bot, http.MethodPost, "/v1/portfolios/real/sign", `{"permit":"p1","typed_data":{"types":{}}}`)

	answer := c.must(operator, "/transfers", `{"from":"hot","to":"cold","amount":"10","reason":"drill"}`)
	id := transferPattern.FindString(answer)
	_, list := c.ask(approver, http.MethodGet, "/v1/portfolios/real/approvals", "")
	hash := regexp.MustCompile(`"hash":"([0-9a-f]{64})"`).FindStringSubmatch(list)
	require.NotNil(c.t, hash, list)
	var shown projections.Approval
	_, one := c.ask(approver, http.MethodGet, "/v1/portfolios/real/approvals/transfer/"+id, "")
	require.NoError(c.t, json.Unmarshal([]byte(one), &shown))
	g := approvaltest.Sign(c.t, shown.Subject, "bob")
	c.must(approver, "/transfers/"+id+"/approve", fmt.Sprintf(`{"hash":%q,"signature":{"key":%q,"signature":%q}}`, hash[1], g.Key, g.Signature))
	require.Eventually(c.t, func() bool {
		c.node.Mine(1)
		_, list := c.ask(operator, http.MethodGet, "/v1/portfolios/real/transfers", "")
		return strings.Contains(list, `"status":"confirmed"`)
	}, 30*time.Second, 50*time.Millisecond, "%s", c.log)
	status, answer := c.ask(petstest.AdminKey, http.MethodPost, "/v1/keys/rotate", `{"reason":"drill"}`)
	require.Contains(c.t, []int{200, 409}, status, answer)
	c.looksAtEverything()
}

// looksAtEverything reads every route and the metrics.
func (c *canary) looksAtEverything() {
	_, document := c.ask(petstest.AdminKey, http.MethodGet, "/openapi.json", "")
	var doc struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	require.NoError(c.t, json.Unmarshal([]byte(document), &doc))
	gets := 0
	waiting := regexp.MustCompile(`"id":"(o\d+)"`).FindStringSubmatch(c.must(petstest.AdminKey, "/overrides", `{"kind":"limits","limits":{"loss_dust":"0.5"},"reason":"drill"}`))[1]
	for path, methods := range doc.Paths {
		if _, ok := methods["get"]; !ok || strings.HasSuffix(path, "/stream") {
			continue
		}
		path = strings.NewReplacer("{portfolio}", "real", "{kind}", "override", "{id}", waiting).Replace(path)
		if strings.HasSuffix(path, "/events") {
			path += "?limit=1000"
		}
		status, answer := c.ask(petstest.AdminKey, http.MethodGet, path, "")
		require.Equal(c.t, http.StatusOK, status, "%s: %s", path, answer)
		gets++
	}
	require.Greater(c.t, gets, 15)
	metrics := c.metricsAddress()
	resp, err := http.Get(metrics) //nolint:noctx // of our own child
	require.NoError(c.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(c.t, err)
	require.Contains(c.t, string(b), "pets_hot_share_ratio")
	c.all.Write(b)
}

// metricsAddress finds the listener that is not the API's by trying each port of the child.
func (c *canary) metricsAddress() string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", c.child.Process.Pid))
	require.NoError(c.t, err)
	for _, m := range regexp.MustCompile(`(?m)^ *\d+: 0100007F:([0-9A-F]{4}) 00000000:0000 0A`).FindAllStringSubmatch(string(text), -1) {
		var port int
		_, err := fmt.Sscanf(m[1], "%X", &port)
		require.NoError(c.t, err)
		url := fmt.Sprintf("http://127.0.0.1:%d/metrics", port)
		client := http.Client{Timeout: time.Second}
		resp, err := client.Get(url) //nolint:noctx // bounded by its timeout
		if err != nil {
			continue
		}
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		_ = resp.Body.Close()
		if bytes.Contains(b, []byte(`pets_hot_share_ratio{portfolio="real"}`)) && bytes.Contains(b, []byte("pets_encryption_key_age_seconds")) {
			return url
		}
	}
	c.t.Fatal("no listener shows the metrics of this server")
	return ""
}

// onDisk returns every file that the server wrote.
func (c *canary) onDisk() map[string][]byte {
	files := map[string][]byte{}
	require.NoError(c.t, filepath.WalkDir(c.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Type() == fs.ModeSocket { // a socket holds nothing
			return err
		}
		files[path], err = os.ReadFile(path)
		return err
	}))
	require.Greater(c.t, len(files), 4)
	return files
}

func requireNone(t *testing.T, where string, text []byte, secrets map[string]map[string][]byte) {
	t.Helper()
	for secret, all := range secrets {
		for form, bytesOf := range all {
			require.False(t, bytes.Contains(text, bytesOf), "%s holds the %s, as %s", where, secret, form)
		}
	}
}

// "No private key can be printed, logged, copied out of memory or found on disk in clear":
// of a whole server, after it has signed an order and a transfer and was asked for all it
// answers. The control is the same search for something that has to be there.
func TestCanary(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	c := newCanary(t, self, petstest.AsCommand+"=1")
	sealing, err := base64.URLEncoding.DecodeString(testEncryptionKey)
	require.NoError(t, err)
	secrets := map[string]map[string][]byte{
		"private key": testenv.Forms(c.key), "encryption key": testenv.Forms(sealing), "mnemonic": {"text": []byte("legal winner thank"), "last word": []byte("worth title")},
		"endpoint": {"url": []byte(strings.TrimPrefix(c.node.URL(), "http://"))},
	}
	requireNone(t, "an answer", c.all.Bytes(), secrets)
	requireNone(t, "the log", []byte(c.log.String()), secrets)
	for path, text := range c.onDisk() {
		requireNone(t, path, text, secrets)
	}
	exported := petstest.New(t)
	exported.Env = []string{"PETS_STORE=embedded:" + filepath.Join(c.dir, "store"), "PETS_PORTFOLIO=real"}
	requireNone(t, "the history", []byte(exported.Ok("events", "--json")), secrets)
	for _, command := range []string{"verify", "treasury", "transfers", "balances", "state"} {
		requireNone(t, "pets "+command, []byte(exported.Ok(command)), secrets)
	}
	// The search works: it finds the address, in each of its forms.
	address := testenv.Forms([]byte(c.address().Hex()))
	require.True(t, bytes.Contains(c.all.Bytes(), address["raw"]))
	signature := regexp.MustCompile(`"signature":"0x([0-9a-f]{130})"`).FindSubmatch(c.all.Bytes())
	require.NotNil(t, signature, "an order was signed")
	for path, text := range c.onDisk() {
		require.False(t, bytes.Contains(text, signature[1]), "%s holds a signature: whoever reads it could place the order", path)
	}
}

// The same for the memory of the server, in the build that is deployed.
func TestCanaryInMemory(t *testing.T) {
	testenv.OnlyLong(t, "builds the whole program anew, as it is deployed")
	if os.Getuid() != 0 {
		testenv.Lacks(t, "only root may look into another process")
	}
	binary := filepath.Join(t.TempDir(), "pets")
	build := exec.Command("go", "build", "-trimpath", "-o", binary, "pets/cmd/pets")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOEXPERIMENT=runtimesecret")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	c := newCanary(t, binary)
	for range 3_000 { // what is garbage is erased when it is collected
		c.ask(petstest.AdminKey, http.MethodGet, "/v1/portfolios/real/state", "")
		c.all.Reset()
	}
	found, err := testenv.InMemory(c.child.Process.Pid, "r", testenv.Forms(c.key))
	require.NoError(t, err)
	require.Empty(t, found, "copies of the private key, by form")
	// As a control, search for a value of the same length that the process does hold.
	found, err = testenv.InMemory(c.child.Process.Pid, "r", map[string][]byte{"address": []byte(c.address().Hex())})
	require.NoError(t, err)
	require.NotEmpty(t, found)
}
