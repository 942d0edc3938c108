package money_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/treasury"
	"pets/internal/chain"
	"pets/internal/cli/money"
	"pets/internal/evm"
	"pets/internal/pets/petstest"
)

const (
	coldUSDC = "0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359"
	coldTo   = "0x8ba1f109551bD432803012645Ac136ddd64DBA72"
)

// unsignedTransfer returns a file as pets cold export writes it: 12.5 USDC from the account of a
// mnemonic.
func unsignedTransfer(t testing.TB, from string) money.ColdUnsigned {
	t.Helper()
	data := "a9059cbb" + strings.Repeat("0", 24) + strings.ToLower(coldTo[2:]) + strings.Repeat("0", 58) + "bebc20" // 12,500,000 units
	transaction := `{"chain_id":137,"from":"` + from + `","nonce":7,"to":"` + coldUSDC + `","value":"0","data":"0x` + data +
		`","gas":65000,"max_fee_per_gas":"200000000000","max_tip_per_gas":"30000000000","highest_fee":"50000000000000000"}`
	f := money.ColdUnsigned{
		Version: money.ColdFileVersion, Portfolio: "main", Transfer: "x12", Transaction: json.RawMessage(transaction),
		Payment: domain.Payment{
			Chain: "eip155:137", AssetID: "eip155:137/erc20:" + coldUSDC, From: from, To: coldTo,
			Amount: domain.MustDecimal("12.5"), HighestFee: domain.MustDecimal("0.05"),
		},
	}
	f.Hash = treasury.Hash("main", &domain.TransferRequested{Transfer: "x12", Kind: domain.TransferWithdrawal, Payment: f.Payment})
	return f
}

// typesRecipient types the ends of the recipient's address, as they stand on paper.
func typesRecipient(seat *petstest.Seat, first, last string) *petstest.Seat {
	return seat.WaitFor("first 8 digits").Types(first + "\r").WaitFor("last 8 digits").Types(last + "\r")
}

// brokenHome is a working folder with settings with which only pets cold sign works.
func brokenHome(t testing.TB) *petstest.Shell {
	s := petstest.New(t)
	s.File(".env", "this is no assignment")
	s.Env = []string{"PETS_STORE=nowhere:/", "PETS_SERVER=no", "ENCRYPTION_KEY=x", "PETS_RPC_URLS=ftp://x", "TERM=xterm"}
	return s
}

// "sign works on a machine without network or store": with settings that nothing else
// would start with, in a network namespace without a network, in a process of its own.
func TestColdSign(t *testing.T) {
	t.Parallel()
	s := brokenHome(t)
	f := unsignedTransfer(t, petstest.AccountOf(t, petstest.OtherWords, 0))
	file := s.Carry("x12.cold.json", f)
	require.Equal(t, 1, s.Run("state").Code, "nothing else works here")

	seat := petstest.NewSeat(t)
	c := s.Process("cold", "sign", file)
	c.Stdin, c.Stdout, c.Stderr = seat.Slave, seat.Slave, seat.Slave
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Cloneflags: syscall.CLONE_NEWNET}
	if err := c.Start(); err != nil { // this user may not create a namespace
		c = s.Process("cold", "sign", file)
		c.Stdin, c.Stdout, c.Stderr = seat.Slave, seat.Slave, seat.Slave
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		require.NoError(t, c.Start())
	}
	go func() { _ = c.Wait(); seat.Ended <- c.ProcessState.ExitCode() }()
	seat.WaitFor("pays      12.5 USDC").WaitFor("on        Polygon (eip155:137), number 7").
		WaitFor("fee       at most 0.05 POL").WaitFor("hash      " + f.Hash).WaitFor("CLAIMS to be approved, and holds no signature").WaitFor("first 8 digits")
	require.NotContains(t, seat.Output(), coldTo, "what can be copied from the screen proves nothing")
	output := seat.Types("8BA1f109\r").WaitFor("last 8 digits").Types("dd64dba72"[1:] + "\r").WaitFor("not shown: ").Types(petstest.OtherWords + "\r").WaitFor("Signed: 0x").WaitFor("pets cold import x12.signed.json").Ends(0)
	petstest.NotEchoed(t, output, "abandon art")
	petstest.NoTraceOnDisk(t, s.Dir, petstest.OtherWords, 0)

	path := filepath.Join(s.Dir, "x12.signed.json")
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	signed, err := money.ReadColdSigned(path)
	require.NoError(t, err)
	require.Equal(t, "main x12", signed.Portfolio+" "+signed.Transfer)
	raw, err := hex.DecodeString(signed.Raw[2:])
	require.NoError(t, err)
	var tx types.Transaction // decoded as a node decodes it
	require.NoError(t, tx.UnmarshalBinary(raw))
	sender, err := types.Sender(types.LatestSignerForChainID(tx.ChainId()), &tx)
	require.NoError(t, err)
	require.Equal(t, petstest.OtherFirst, sender.Hex())
	require.Equal(t, common.HexToAddress(coldUSDC), *tx.To())
	require.Equal(t, uint64(7), tx.Nonce())
	require.Equal(t, tx.Hash().Hex(), signed.TxHash)
	left, err := os.ReadDir(s.Dir)
	require.NoError(t, err)
	require.Len(t, left, 3, "the file, the signed file, .env: no store, no keystore")

	// It never overwrites a file.
	s.Sit("cold", "sign", file).WaitFor("already exists").Ends(1)
}

// The person must read the recipient, and have the words of the sender.
func TestColdSignRefusals(t *testing.T) {
	t.Parallel()
	s := brokenHome(t)
	file := s.Carry("x12.cold.json", unsignedTransfer(t, petstest.AccountOf(t, petstest.TestWords, 4)))
	typesRecipient(s.Sit("cold", "sign", file), "8ba1f109", "d64DBA71").WaitFor("nothing was signed").Ends(1)
	s.Sit("cold", "sign", file).WaitFor("first 8 digits").Types("8ba1f108\r").WaitFor("nothing was signed").Ends(1)
	s.Sit("cold", "sign", file).WaitFor("first 8 digits").Types("BA72\r").WaitFor("nothing was signed").Ends(1)
	typesRecipient(s.Sit("cold", "sign", file), "8ba1f109", "d64DBA72").WaitFor("not shown: ").Types(petstest.TestWords + "\r").
		WaitFor("is account 4 of them, not 0; use --index 4").Ends(1)
	typesRecipient(s.Sit("cold", "sign", file), "8ba1f109", "d64DBA72").WaitFor("not shown: ").Types(petstest.OtherWords + "\r").WaitFor("none of the first 10").Ends(1)
	s.Sit("cold", "sign", file, "--words", "7").Ends(2)
	s.Sit("cold", "sign", file, "--index", "-1").Ends(2)
	s.Sit("cold", "sign", filepath.Join(s.Dir, "none.json")).WaitFor("no such file").Ends(1)
	_, err := os.Stat(filepath.Join(s.Dir, "x12.signed.json"))
	require.ErrorIs(t, err, os.ErrNotExist)
	typesRecipient(s.Sit("cold", "sign", file, "--index", "4", "--out", filepath.Join(s.Dir, "out.json")), "0x8ba1f109", "d64DBA72").
		WaitFor("not shown: ").Types(petstest.TestWords + "\r").WaitFor("Signed: 0x").Ends(0)
}

// "the transaction's own bytes … must say the same payment, else refuse"; and strict
// reading, with file and field, and nothing of what stood there.
func TestColdFile(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	registry, err := chain.Default()
	require.NoError(t, err)
	from := petstest.AccountOf(t, petstest.OtherWords, 0)
	read := func(change func(*money.ColdUnsigned)) error {
		f := unsignedTransfer(t, from)
		change(&f)
		got, err := money.ReadColdFile(s.Carry("f.json", f))
		if err == nil {
			_, err = got.Check("f.json", evm.NewSignatory(registry))
		}
		return err
	}
	rehash := func(f *money.ColdUnsigned) {
		f.Hash = treasury.Hash(f.Portfolio, &domain.TransferRequested{Transfer: f.Transfer, Kind: domain.TransferInternal, Payment: f.Payment})
	}
	require.NoError(t, read(func(*money.ColdUnsigned) {}))
	for want, change := range map[string]func(*money.ColdUnsigned){
		"its to differs":          func(f *money.ColdUnsigned) { f.Payment.To = from; rehash(f) },
		"its amount differs":      func(f *money.ColdUnsigned) { f.Payment.Amount = domain.MustDecimal("12.4"); rehash(f) },
		"its from differs":        func(f *money.ColdUnsigned) { f.Payment.From = coldTo; rehash(f) },
		"its asset differs":       func(f *money.ColdUnsigned) { f.Payment.AssetID = "eip155:137/slip44:966"; rehash(f) },
		"its chain differs":       func(f *money.ColdUnsigned) { f.Payment.Chain = "eip155:1"; rehash(f) },
		"its highest_fee differs": func(f *money.ColdUnsigned) { f.Payment.HighestFee = domain.MustDecimal("0.04"); rehash(f) },
		"hash is not that":        func(f *money.ColdUnsigned) { f.Transfer = "x13" },
		"versions 1 and 2":        func(f *money.ColdUnsigned) { f.Version = 3 },
		"f.json: approvals":       func(f *money.ColdUnsigned) { f.Version = 2 },
		"f.json: portfolio":       func(f *money.ColdUnsigned) { f.Portfolio = "a b" },
		"transaction":             func(f *money.ColdUnsigned) { f.Transaction = json.RawMessage(`{"chain_id":137}`) },
	} {
		require.ErrorContains(t, read(change), want)
	}
	text := func() string {
		b, err := json.Marshal(unsignedTransfer(t, from))
		require.NoError(t, err)
		return string(b)
	}()
	for want, bad := range map[string]string{
		"payment.amount is missing":            strings.Replace(text, `"amount":"12.5",`, "", 1),
		"payment.to is missing":                strings.Replace(text, `"to":"`+coldTo+`"`, `"to":null`, 1),
		"hash appears twice":                   strings.Replace(text, `"hash":`, `"hash":"","hash":`, 1),
		"key is a field that such a file does": strings.Replace(text, `"hash":`, `"key":"s3cret","hash":`, 1),
		"payment.amount does not have":         strings.Replace(text, `"12.5"`, `"s3cret"`, 1),
		"is not valid JSON":                    text + "s3cret",
		"transfer does not have":               strings.Replace(text, `"x12"`, `["s3cret"]`, 1),
		"bad.json is not valid JSON (byte 1)":  "",
		"larger than 64 KiB":                   text + strings.Repeat(" ", money.MaxCarried),
	} {
		_, err := money.ReadColdFile(s.File("bad.json", bad))
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, filepath.Join(s.Dir, "bad.json"))
		require.NotContains(t, err.Error(), "s3cret")
	}
}

// A program that is terminated while words are on the screen wipes the screen.
func TestTerminated(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	s.SetEnv("TERM", "xterm")
	seat := petstest.NewSeat(t)
	c := s.Process("wallet", "create", "vault", "--place", "cold")
	c.Stdin, c.Stdout, c.Stderr = seat.Slave, seat.Slave, seat.Slave
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, c.Start())
	go func() { _ = c.Wait(); seat.Ended <- c.ProcessState.ExitCode() }()
	seat.ReadWords()
	require.NoError(t, c.Process.Signal(syscall.SIGTERM))
	afterScreen(t, seat.WaitFor("interrupted").Ends(1))
}
