package portfolio

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/treasury"
)

// Wallets, transfers and signatures are real money: “Only in live portfolios”.
func TestPaperHasNoCustody(t *testing.T) {
	h := trading(t)
	for name, f := range map[string]func(*Decision) error{
		"wallet":    func(d *Decision) error { return d.RegisterWallet(walletOf("hot-1", domain.WalletHot)) },
		"key":       func(d *Decision) error { return d.RecordKey(domain.KeyNew, domain.KeyCreated{}) },
		"loaded":    func(d *Decision) error { return d.LoadWallet(&domain.WalletLoaded{}) },
		"tested":    func(d *Decision) error { return d.TestRecovery(&domain.WalletRecoveryTested{}) },
		"used":      func(d *Decision) error { return d.UseKey(&domain.KeyUsed{}) },
		"added":     func(d *Decision) error { return d.AddAddress(&domain.AddressAdded{}) },
		"removed":   func(d *Decision) error { return d.RemoveAddress(&domain.AddressRemoved{}) },
		"transfer":  func(d *Decision) error { return d.RequestTransfer(TransferRequest{}) },
		"approve":   func(d *Decision) error { return d.ApproveTransfer("x1", "") },
		"reject":    func(d *Decision) error { return d.RejectTransfer("x1", "x") },
		"prepare":   func(d *Decision) error { return d.PrepareTransfer("x1", PreparedTransaction{}) },
		"reprice":   func(d *Decision) error { return d.RepriceTransfer("x1", PreparedTransaction{}) },
		"sign":      func(d *Decision) error { return d.SignTransfer(&domain.TransferSigned{}) },
		"broadcast": func(d *Decision) error { return d.BroadcastTransfer("x1", "") },
		"confirm":   func(d *Decision) error { return d.ConfirmTransfer(&domain.TransferConfirmed{}) },
		"fail":      func(d *Decision) error { return d.FailTransfer(&domain.TransferFailed{}) },
		"rebalance": func(d *Decision) error { return d.ProposeRebalance() },
		"reconcile": func(d *Decision) error { return d.Reconcile(1, noon, nil) },
	} {
		require.Equal(t, domain.CodeConflict, domain.CodeOf(f(h.s.Begin(h.now, h.caller))), name)
		require.Equal(t, domain.CodeNotFound, domain.CodeOf(f(New().Begin(h.now, h.caller))), "%s of no portfolio", name)
	}
	require.Error(t, h.s.Sendable("x1"))
}

func TestRegisterWallet(t *testing.T) {
	h := newHarness(t)
	h.open(domain.ModeLive)
	require.Nil(t, h.s.Custody.Main(domain.WalletHot))
	h.wallet(walletOf("hot-1", domain.WalletHot))
	h.wallet(walletOf("cold-1", domain.WalletCold))
	require.Equal(t, "hot-1", h.s.Custody.Main(domain.WalletHot).Wallet)
	h.wallet(walletOf("hot-2", domain.WalletHot))
	require.Equal(t, "hot-2", h.s.Custody.Main(domain.WalletHot).Wallet, "the latest is the main one")
	h.wallet(walletOf("hot-2", domain.WalletHot))
	require.Equal(t, []string{"command.noted"}, h.types(), "the same again")
	since := h.s.Custody.Wallets["hot-1"].At
	h.after(tick).wallet(walletOf("hot-1", domain.WalletHot))
	require.Equal(t, "hot-1", h.s.Custody.Main(domain.WalletHot).Wallet, "and the main one again")
	require.Equal(t, since, h.s.Custody.Wallets["hot-1"].At, "known for as long as before")

	h.wallet(walletOf("hot-1", domain.WalletHot, domain.WalletAsset{Asset: "WETH", ID: polygon + "/erc20:0x7ceb", Decimals: 18}))
	require.Len(t, h.s.Custody.Wallets["hot-1"].Assets, 3, "“registered again it may have more assets”")
	for name, c := range map[string]struct {
		code   domain.Code
		change func(*domain.WalletRegistered)
	}{
		"fewer assets":   {domain.CodeConflict, func(w *domain.WalletRegistered) {}},
		"other decimals": {domain.CodeConflict, func(w *domain.WalletRegistered) { w.Assets[0].Decimals = 18 }},
		"another token": {domain.CodeConflict, func(w *domain.WalletRegistered) {
			*w = *walletOf("hot-3", domain.WalletCold)
			w.Assets[0].ID = polygon + "/erc20:0x00"
		}},
		"other decimals elsewhere": {domain.CodeConflict, func(w *domain.WalletRegistered) {
			*w = *walletOf("hot-3", domain.WalletCold)
			w.Assets[0].Decimals = 18
		}},
		"another place":     {domain.CodeConflict, func(w *domain.WalletRegistered) { w.Place = domain.WalletCold }},
		"another address":   {domain.CodeConflict, func(w *domain.WalletRegistered) { w.Address = friend }},
		"of another wallet": {domain.CodeConflict, func(w *domain.WalletRegistered) { w.Wallet = "hot-3" }},
		"in other letters": {domain.CodeConflict, func(w *domain.WalletRegistered) {
			w.Wallet, w.Address = "hot-3", "0x"+strings.ToUpper(w.Address[2:])
		}},
		"no base asset":          {domain.CodeInvalid, func(w *domain.WalletRegistered) { w.Assets = w.Assets[1:] }},
		"what can be no wallet":  {domain.CodeInvalid, func(w *domain.WalletRegistered) { w.Address = "0x" }},
		"named as an address":    {domain.CodeInvalid, func(w *domain.WalletRegistered) { w.Wallet = friend }},
		"more to read than fits": {domain.CodeConflict, func(w *domain.WalletRegistered) { *w = *manyAssets("hot-99", 98) }},
	} {
		if name == "more to read than fits" {
			for i := range 4 {
				h.wallet(manyAssets(fmt.Sprintf("many-%d", i), 97))
			}
		}
		w := walletOf("hot-1", domain.WalletHot)
		c.change(w)
		h.refused(c.code, func(d *Decision) error { return d.RegisterWallet(w) })
	}
	upper := walletOf("hot-1", domain.WalletHot, domain.WalletAsset{Asset: "WETH", ID: polygon + "/erc20:0x7ceb", Decimals: 18}, domain.WalletAsset{Asset: "DAI", ID: polygon + "/erc20:0xda1", Decimals: 18})
	written := h.s.Custody.Wallets["hot-1"].Address
	upper.Address = "0x" + strings.ToUpper(upper.Address[2:])
	h.wallet(upper)
	require.Equal(t, written, h.s.Custody.Wallets["hot-1"].Address, "the address stays as it was written")
}

func manyAssets(name string, n int) *domain.WalletRegistered {
	w := walletOf(name, domain.WalletCold)
	for i := range n {
		w.Assets = append(w.Assets, domain.WalletAsset{Asset: fmt.Sprintf("T%d", i), ID: fmt.Sprintf("%s/erc20:%d", polygon, i), Decimals: 6})
	}
	return w
}

// “A portfolio has at most” as many wallets as every event can look at.
func TestWalletsAreBounded(t *testing.T) {
	h := newHarness(t)
	h.open(domain.ModeLive)
	for i := range maxWallets {
		h.s.Custody.Wallets[fmt.Sprint("w", i)] = &treasury.Wallet{WalletRegistered: *walletOf(fmt.Sprint("w", i), domain.WalletHot)}
	}
	require.Equal(t, domain.CodeConflict, domain.CodeOf(h.s.Begin(h.now, h.caller).RegisterWallet(walletOf("more", domain.WalletHot))))
	require.NoError(t, h.s.Begin(h.now, h.caller).RegisterWallet(walletOf("w7", domain.WalletHot)))
	for i := range maxContacts {
		h.s.Custody.Book[fmt.Sprint(i)] = &treasury.Contact{}
	}
	require.Equal(t, domain.CodeConflict, domain.CodeOf(h.s.Begin(h.now, h.caller).AddAddress(&domain.AddressAdded{Chain: polygon, Address: friend, Label: "x"})))
}

// "One stolen key that registers and retires does not use up for ever what there is": an
// admin's key that did so as often as it could leaves room the next day.
func TestRetiredWalletsDoNotUseUpTheList(t *testing.T) {
	h := newHarness(t)
	h.open(domain.ModeLive)
	add := func(name string, assets int) error {
		w := manyAssets(name, assets)
		w.Address = fmt.Sprintf("0x%04x%032x%04x", len(h.s.Custody.Wallets)+1, 0, len(h.s.Custody.Wallets)+1)
		d := h.s.Begin(h.now, h.caller)
		return d.RegisterWallet(w)
	}
	burn := func(assets int) (n int) {
		for ; n < 1_000; n++ {
			name := fmt.Sprint("burnt", len(h.s.Custody.Wallets))
			if err := add(name, assets); err != nil {
				require.Equal(t, domain.CodeConflict, domain.CodeOf(err), err)
				return n
			}
			require.NoError(t, h.s.Begin(h.now, h.caller).RetireWallet(name, "burnt"))
		}
		return n
	}
	for day := range 6 {
		require.Equal(t, maxNewWallets, burn(1), "day %d", day)
		require.ErrorContains(t, add("mine", 1), "within 24 h")
		h.after(24 * time.Hour)
	}
	require.Positive(t, burn(90), "with many assets")
	h.after(24 * time.Hour)
	require.Greater(t, len(h.s.Custody.Wallets), maxWallets)
	require.NoError(t, add("mine", 90))
}

// No event holds a key: only what it was called and when it was looked at.
func TestKeys(t *testing.T) {
	h := funded(t)
	w := h.s.Custody.Wallets["hot-1"]
	key := domain.KeyCreated{Wallet: "hot-1", Address: "0x" + strings.ToUpper(w.Address[2:]), Path: "m/44'/60'/0'/0/0", KeyID: "5b0c7a3f"}
	h.must(func(d *Decision) error { return d.RecordKey(domain.KeyNew, key) })
	require.Equal(t, []string{"key.created"}, h.types())
	key.KeyID = "00c7a3f1"
	h.after(tick).must(func(d *Decision) error { return d.RecordKey(domain.KeyRecovered, key) })
	require.Equal(t, []string{"key.imported"}, h.types())
	require.Equal(t, "00c7a3f1", h.s.Custody.Wallets["hot-1"].KeyID)
	h.must(func(d *Decision) error {
		return d.LoadWallet(&domain.WalletLoaded{Wallet: "hot-1", Address: w.Address, Block: 7, Balances: []domain.WalletBalance{{Asset: "USDC", Amount: dec("5")}}})
	})
	h.must(func(d *Decision) error {
		return d.TestRecovery(&domain.WalletRecoveryTested{Wallet: "hot-1", Address: w.Address})
	})
	h.must(func(d *Decision) error {
		return d.UseKey(&domain.KeyUsed{Wallet: "hot-1", Address: w.Address, Purpose: "verify"})
	})
	now := h.s.Custody.Wallets["hot-1"]
	require.Equal(t, [2]bool{true, true}, [2]bool{now.LoadedAt.Equal(h.now), now.TestedAt.Equal(h.now)})
	h.wallet(walletOf("hot-1", domain.WalletHot, domain.WalletAsset{Asset: "DAI", ID: polygon + "/erc20:0xda1", Decimals: 18}))
	now = h.s.Custody.Wallets["hot-1"]
	require.Equal(t, "00c7a3f1", now.KeyID, "registered anew, its key is the same")
	require.True(t, now.LoadedAt.Equal(h.now))

	for name, c := range map[string]struct {
		code domain.Code
		f    func(*Decision) error
	}{
		"of no wallet": {domain.CodeNotFound, func(d *Decision) error { return d.UseKey(&domain.KeyUsed{Wallet: "x", Purpose: "x"}) }},
		"of another address": {domain.CodeConflict, func(d *Decision) error {
			return d.UseKey(&domain.KeyUsed{Wallet: "hot-1", Address: friend, Purpose: "x"})
		}},
		"without a purpose":    {domain.CodeInvalid, func(d *Decision) error { return d.UseKey(&domain.KeyUsed{Wallet: "hot-1", Address: w.Address}) }},
		"a key id of 7 digits": {domain.CodeInvalid, func(d *Decision) error { k := key; k.KeyID = "0000000"; return d.RecordKey(domain.KeyNew, k) }},
		"a key id in capitals": {domain.CodeInvalid, func(d *Decision) error { k := key; k.KeyID = "0000000A"; return d.RecordKey(domain.KeyNew, k) }},
		"an origin of no name": {domain.CodeInvalid, func(d *Decision) error { return d.RecordKey("found", key) }},
		"an unprintable path":  {domain.CodeInvalid, func(d *Decision) error { k := key; k.Path = "\x00"; return d.RecordKey(domain.KeyNew, k) }},
		"tested with others": {domain.CodeConflict, func(d *Decision) error {
			return d.TestRecovery(&domain.WalletRecoveryTested{Wallet: "hot-1", Address: friend})
		}},
		"loaded with others":  {domain.CodeConflict, func(d *Decision) error { return d.LoadWallet(&domain.WalletLoaded{Wallet: "hot-1", Address: friend}) }},
		"holding an unknown":  {domain.CodeInvalid, func(d *Decision) error { return d.LoadWallet(loaded(w, "DOGE", "1")) }},
		"holding less than 0": {domain.CodeInvalid, func(d *Decision) error { return d.LoadWallet(loaded(w, "USDC", "-1")) }},
		"holding one twice":   {domain.CodeInvalid, func(d *Decision) error { return d.LoadWallet(loaded(w, "USDC", "1", "1")) }},
		"holding what is no sum": {domain.CodeInvalid, func(d *Decision) error {
			e := loaded(w, "USDC", "999999999999999")
			e.Balances[0].Amount = e.Balances[0].Amount.Add(e.Balances[0].Amount)
			return d.LoadWallet(e)
		}},
	} {
		_ = name
		h.refused(c.code, c.f)
	}
}

func loaded(w *treasury.Wallet, asset string, amounts ...string) *domain.WalletLoaded {
	e := &domain.WalletLoaded{Wallet: w.Wallet, Address: w.Address}
	for _, a := range amounts {
		e.Balances = append(e.Balances, domain.WalletBalance{Asset: asset, Amount: dec(a)})
	}
	return e
}

// “Recipients outside the address book are refused.”
func TestAddressBook(t *testing.T) {
	h := funded(t)
	add := func(address, label string) func(*Decision) error {
		return func(d *Decision) error {
			return d.AddAddress(&domain.AddressAdded{Chain: polygon, Address: address, Label: label})
		}
	}
	h.must(add(friend, "address 1111"))
	require.Equal(t, []string{"command.noted"}, h.types())
	h.refused(domain.CodeConflict, add(friend, "another name"))
	h.refused(domain.CodeInvalid, add("0x12", "x"))
	h.refused(domain.CodeInvalid, add(stranger, ""))
	h.refused(domain.CodeConflict, add(h.s.Custody.Wallets["hot-1"].Address, "a wallet of ours"))
	h.refused(domain.CodeInvalid, func(d *Decision) error { return d.AddAddress(&domain.AddressAdded{Address: stranger, Label: "x"}) })
	require.Equal(t, "olga", h.s.Custody.SortedBook()[0].User)

	ask := func(to string) func(*Decision) error {
		return func(d *Decision) error {
			return d.RequestTransfer(TransferRequest{From: "hot", To: to, Amount: dec("1"), Reason: "x"})
		}
	}
	h.refused(domain.CodeDenied, ask(stranger))
	h.must(add("0xABCDEFabcdefABCDEFabcdefABCDEFabcdefABCD", "letters"))
	h.must(ask("0xabcdefabcdefabcdefabcdefabcdefabcdefabcd"))
	require.Equal(t, "0xABCDEFabcdefABCDEFabcdefABCDEFabcdefABCD", lastOf[*domain.TransferRequested](h).To, "as it stands in the book")

	remove := func(reason string) func(*Decision) error {
		return func(d *Decision) error {
			return d.RemoveAddress(&domain.AddressRemoved{Chain: polygon, Address: friend, Reason: reason})
		}
	}
	x := h.approve(h.send("hot", friend, "10"))
	h.refused(domain.CodeInvalid, remove(""))
	h.must(remove("moved away"))
	h.refused(domain.CodeNotFound, remove("again"))
	h.refused(domain.CodeDenied, ask(friend))
	h.refused(domain.CodeDenied, func(d *Decision) error { return d.PrepareTransfer(x.Transfer, transactionOf(x, 1, "0.1")) })
	h.must(add(friend, "back again"))
	h.prepare(x, 1)
}
