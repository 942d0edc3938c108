package custody_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/commands/custody"
	"pets/domain"
	"pets/domain/treasury"
	"pets/eventstore/memory"
	"pets/internal/chain"
	"pets/internal/chain/chaintest"
	"pets/internal/evm"
)

// An address with a wrong checksum is a typing error; "a wallet belongs to one
// portfolio".
func TestAddressesAreChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.inMemory()
	lower := strings.ToLower(chaintest.Named("x").Hex())
	register := func(portfolio, address string, named map[string]string) error {
		return errorOf(s.custody.RegisterWallet(s.ctx(), portfolio, by(alice, commands.RegisterWallet{
			Wallet: "cold-2", Place: domain.WalletCold, Chain: chainID, Address: address, Named: named,
		})))
	}
	for _, address := range []string{"", "0x12", lower, strings.Replace(s.hot.Hex(), "F", "f", 1)} {
		s.code(domain.CodeInvalid, register(main, address, nil))
		s.code(domain.CodeInvalid, errorOf(s.custody.AddAddress(s.ctx(), main, by(alice, commands.AddAddress{Chain: chainID, Address: address, Label: "x"}))))
	}
	s.code(domain.CodeConflict, register(main, s.hot.Hex(), nil))
	s.code(domain.CodeInvalid, register(main, chaintest.Named("x").Hex(), map[string]string{"USDC": chainID + "/erc20:" + s.hot.Hex()}))
	require.NoError(t, register(main, chaintest.Named("x").Hex(), map[string]string{"USDC": s.usdc()}))
	wallet := s.state().Custody.Wallets["cold-2"]
	require.Len(t, wallet.Assets, 2, "the coin that fees are paid in comes with it")
	second := s.second()
	s.code(domain.CodeConflict, errorOf(s.custody.RegisterWallet(s.ctx(), second, by(alice, commands.RegisterWallet{
		Wallet: "hot-1", Place: domain.WalletHot, Chain: chainID, Address: s.hot.Hex(),
	}))))
	// The keystore knows keys by the names of wallets, across portfolios.
	s.code(domain.CodeConflict, errorOf(s.custody.RegisterWallet(s.ctx(), second, by(alice, commands.RegisterWallet{
		Wallet: "hot-1", Place: domain.WalletHot, Chain: chainID, Address: chaintest.Named("y").Hex(),
	}))))
	s.code(domain.CodeDenied, errorOf(s.custody.RegisterWallet(s.ctx(), main, by(olga, commands.RegisterWallet{}))))
}

// A wallet is loaded if its key has its address; its balances on the chain are recorded.
func TestAWalletIsLoaded(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	_, err := s.custody.LoadWallet(s.ctx(), main, by(alice, commands.LoadWallet{Wallet: "hot-1"}))
	require.NoError(t, err)
	loaded := eventsOf[*domain.WalletLoaded](s)
	require.Len(t, loaded, 3, "two when they were registered")
	require.Equal(t, []domain.WalletBalance{{Asset: coin, Amount: dec("100")}, {Asset: "USDC", Amount: dec("1500")}}, loaded[2].Balances)
	_, err = s.custody.VerifyWallet(s.ctx(), main, by(alice, commands.UseKey{Wallet: "hot-2", Purpose: "verify"}))
	require.NoError(t, err)
	require.Len(t, eventsOf[*domain.KeyUsed](s), 1)
	for _, wallet := range []string{"cold-1", "nobody"} {
		s.code(domain.CodeNotFound, errorOf(s.custody.LoadWallet(s.ctx(), main, by(alice, commands.LoadWallet{Wallet: wallet}))))
	}
	require.False(t, s.state().Stop.Engaged)
}

// Signed bytes of another transfer, or by another key, are refused; so are any for a
// wallet whose key is here.
func TestOnlyTheBytesOfTheTransferAreTaken(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	first := s.ask(commands.RequestTransfer{From: "cold", To: "hot", Amount: dec("10")})
	bring := func(id, raw string) error {
		return errorOf(s.custody.ImportSigned(s.ctx(), main, by(olga, commands.SignTransfer{Transfer: id, Raw: raw})))
	}
	s.code(domain.CodeConflict, bring(first, "0x00")) // not prepared
	require.NoError(t, s.work())
	raw := s.signedElsewhere(first)
	thief := chaintest.Named("thief")
	machine := evm.NewSignatory(s.registry)
	read, err := machine.Read(s.transfer(first).Last().Transaction)
	require.NoError(t, err)
	signature, err := thief.Sign(s.ctx(), [32]byte(common32(t, read.Digest)))
	require.NoError(t, err)
	_, err = machine.Assemble(read.Transaction, signature)
	require.ErrorIs(t, err, chain.ErrSignature)
	for _, wrong := range []string{"", "0x", "00", "0xzz", raw[:len(raw)-2], raw + "00", strings.Replace(raw, raw[40:44], "ffff", 1), "0x" + strings.Repeat("00", 5000)} {
		require.Error(t, bring(first, wrong))
	}
	require.Error(t, bring("x999", raw))
	require.NoError(t, bring(first, raw))
	require.NoError(t, bring(first, raw), "again")
	require.Equal(t, treasury.Signed, s.transfer(first).Status)
	second := s.ask(commands.RequestTransfer{From: "cold", To: "hot", Amount: dec("11")})
	require.Error(t, bring(second, raw), "of another transfer")
	s.until(first, treasury.Confirmed)
	s.until(second, treasury.Confirmed)

	hot := s.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("10")})
	require.NoError(t, s.work())
	s.code(domain.CodeConflict, bring(hot, raw))
	s.until(hot, treasury.Confirmed)
	s.agrees()
}

// A token that differs from the registry can never be paid with: the transfer fails.
func TestATokenThatIsNotWhatItShouldBe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var err error
	w.registry, err = chain.ParseRegistry("test.json", []byte(`{
		"chains": [{"id": "`+chainID+`", "name": "Test", "confirmations": 3, "max_lag": 4, "head_max_age": "1h", "max_gas": 300000,
			"min_tip_gwei": "1", "max_tip_gwei": "5", "max_fee_gwei": "100"}],
		"assets": [{"id": "`+chainID+`/slip44:1", "symbol": "COIN", "decimals": 18}, {"id": "`+w.usdc()+`", "symbol": "USDC", "decimals": 8}]}`))
	require.NoError(t, err)
	w.token.Mint(w.hot, 98_500_000_000)
	s := w.inMemory()
	id := s.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("1")})
	require.ErrorIs(t, s.work(), custody.ErrCannotPay)
	require.Equal(t, treasury.Failed, s.transfer(id).Status)
	require.Equal(t, domain.FailedRefused, s.transfer(id).Code)
	require.NoError(t, s.work())
}

// Another chain knows nothing about this one's transactions: a server that is configured
// for it does not consider a payment lost or replaced.
func TestAnotherChainIsNotAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.inMemory()
	id, _ := s.sending()
	r, err := chain.ParseRegistry("test.json", []byte(`{
		"chains": [{"id": "`+chainID+`", "name": "Test", "confirmations": 3, "max_lag": 4, "head_max_age": "1h", "max_gas": 300000,
			"min_tip_gwei": "1", "max_tip_gwei": "5", "max_fee_gwei": "100"}, {"id": "eip155:7", "name": "Other", "confirmations": 3, "max_lag": 4, "head_max_age": "1h",
			"max_gas": 300000, "min_tip_gwei": "1", "max_tip_gwei": "5", "max_fee_gwei": "100"}],
		"assets": [{"id": "`+chainID+`/slip44:1", "symbol": "COIN", "decimals": 18}, {"id": "eip155:7/slip44:1", "symbol": "COIN", "decimals": 18}]}`))
	require.NoError(t, err)
	seven := func(p *chaintest.Proxy) { p.Set(chaintest.On("eth_chainId", chaintest.Result(`"0x7"`))) }
	seven(w.a)
	seven(w.b)
	client, err := chain.New(chain.Config{Chain: r.Chains[1], Live: true, Endpoints: []chain.Endpoint{w.a.URL, w.b.URL}})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	other := w.serve(s.truth, func(o *custody.Options) { o.Chain = evm.NewChain(r, client) })
	calls := w.a.Calls("eth_getTransactionReceipt")
	s.code(domain.CodeConflict, other.work())
	require.Equal(t, calls, w.a.Calls("eth_getTransactionReceipt"))
	require.Equal(t, treasury.Broadcast, s.transfer(id).Status)
}

// Missing parts are reported, and nothing is done.
func TestACustodyWithoutKeysOrChain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store := memory.New()
	s := w.opened(store)
	id := s.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("10")})
	bare := w.serve(store, func(o *custody.Options) { *o = custody.Options{} })
	s.code(domain.CodeConflict, bare.work())
	for _, err := range []error{
		errorOf(bare.custody.Reconcile(s.ctx(), main, by(olga, commands.Reconcile{}))),
		errorOf(bare.custody.RegisterWallet(s.ctx(), main, by(alice, commands.RegisterWallet{}))),
		errorOf(bare.custody.AddAddress(s.ctx(), main, by(alice, commands.AddAddress{}))),
		errorOf(bare.custody.LoadWallet(s.ctx(), main, by(alice, commands.LoadWallet{Wallet: "hot-1"}))),
		errorOf(bare.custody.VerifyWallet(s.ctx(), main, by(alice, commands.UseKey{Wallet: "hot-1", Purpose: "verify"}))),
		errorOf(bare.custody.ImportSigned(s.ctx(), main, by(olga, commands.SignTransfer{Transfer: id, Raw: "0x00"}))),
	} {
		s.code(domain.CodeConflict, err)
	}
	_, err := bare.custody.ReadOrder(w.typed(tenShares))
	s.code(domain.CodeConflict, err)
	require.NoError(t, s.work())
	_, _, err = bare.custody.SignTransfer(s.ctx(), main, by(olga, commands.SignTransfer{Transfer: id}))
	s.code(domain.CodeConflict, err)
	s.until(id, treasury.Confirmed)
}
