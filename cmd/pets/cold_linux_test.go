package main

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
	"pets/internal/evm"
)

const (
	coldUSDC = "0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359"
	coldTo   = "0x8ba1f109551bD432803012645Ac136ddd64DBA72"
)

// unsignedTransfer is a file as pets cold export writes it: 12.5 USDC from the account of
// some words.
func unsignedTransfer(t testing.TB, from string) coldUnsigned {
	t.Helper()
	data := "a9059cbb" + strings.Repeat("0", 24) + strings.ToLower(coldTo[2:]) + strings.Repeat("0", 58) + "bebc20" // 12,500,000 units
	transaction := `{"chain_id":137,"from":"` + from + `","nonce":7,"to":"` + coldUSDC + `","value":"0","data":"0x` + data +
		`","gas":65000,"max_fee_per_gas":"200000000000","max_tip_per_gas":"30000000000","highest_fee":"50000000000000000"}`
	f := coldUnsigned{
		Version: coldFileVersion, Portfolio: "main", Transfer: "x12", Transaction: json.RawMessage(transaction),
		Payment: domain.Payment{
			Chain: "eip155:137", AssetID: "eip155:137/erc20:" + coldUSDC, From: from, To: coldTo,
			Amount: domain.MustDecimal("12.5"), HighestFee: domain.MustDecimal("0.05"),
		},
	}
	f.Hash = treasury.Hash("main", &domain.TransferRequested{Transfer: "x12", Kind: domain.TransferWithdrawal, Payment: f.Payment})
	return f
}

func (s *shell) carry(name string, v any) string {
	s.t.Helper()
	text, err := json.MarshalIndent(v, "", "  ")
	require.NoError(s.t, err)
	return s.file(name, string(text))
}

// brokenHome is the folder of a machine on which nothing of the product works but this.
func brokenHome(t testing.TB) *shell {
	s := newShell(t)
	s.file(".env", "this is no assignment")
	s.env = []string{"PETS_STORE=nowhere:/", "PETS_SERVER=no", "ENCRYPTION_KEY=x", "PETS_RPC_URLS=ftp://x", "TERM=xterm"}
	return s
}

// "sign works on a machine without network or store": with settings that nothing else
// would start with, in a network namespace without a network, in a process of its own.
func TestColdSign(t *testing.T) {
	s := brokenHome(t)
	f := unsignedTransfer(t, accountOf(t, otherWords, 0))
	file := s.carry("x12.cold.json", f)
	require.Equal(t, 1, s.run("state").code, "nothing else works here")

	seat := newSeat(t)
	c := s.process("cold", "sign", file)
	c.Stdin, c.Stdout, c.Stderr = seat.slave, seat.slave, seat.slave
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Cloneflags: syscall.CLONE_NEWNET}
	if err := c.Start(); err != nil { // not everybody may make one
		c = s.process("cold", "sign", file)
		c.Stdin, c.Stdout, c.Stderr = seat.slave, seat.slave, seat.slave
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		require.NoError(t, c.Start())
	}
	go func() { _ = c.Wait(); seat.ended <- c.ProcessState.ExitCode() }()
	seat.waitFor("pays      12.5 USDC").waitFor("to        " + coldTo).waitFor("on        Polygon (eip155:137), number 7").
		waitFor("fee       at most 0.05 POL").waitFor("approved  " + f.Hash).waitFor("last 4 characters: ").types("ba72\r")
	output := seat.waitFor("not shown: ").types(otherWords + "\r").waitFor("Signed: 0x").waitFor("pets cold import x12.signed.json").ends(0)
	notEchoed(t, output, "abandon art")
	noTraceOnDisk(t, s.dir, otherWords, 0)

	path := filepath.Join(s.dir, "x12.signed.json")
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	signed, err := readColdSigned(path)
	require.NoError(t, err)
	require.Equal(t, "main x12", signed.Portfolio+" "+signed.Transfer)
	raw, err := hex.DecodeString(signed.Raw[2:])
	require.NoError(t, err)
	var tx types.Transaction // as every node reads it
	require.NoError(t, tx.UnmarshalBinary(raw))
	sender, err := types.Sender(types.LatestSignerForChainID(tx.ChainId()), &tx)
	require.NoError(t, err)
	require.Equal(t, otherFirst, sender.Hex())
	require.Equal(t, common.HexToAddress(coldUSDC), *tx.To())
	require.Equal(t, uint64(7), tx.Nonce())
	require.Equal(t, tx.Hash().Hex(), signed.TxHash)
	left, err := os.ReadDir(s.dir)
	require.NoError(t, err)
	require.Len(t, left, 3, "the file, the signed file, .env: no store, no keystore")

	// Never over another file.
	s.sit("cold", "sign", file).waitFor("is there already").ends(1)
}

// Whoever sits there must read the recipient, and have the words of the sender.
func TestColdSignRefusals(t *testing.T) {
	s := brokenHome(t)
	file := s.carry("x12.cold.json", unsignedTransfer(t, accountOf(t, testWords, 4)))
	s.sit("cold", "sign", file).waitFor("characters: ").types("BA71\r").waitFor("nothing was signed").ends(1)
	s.sit("cold", "sign", file).waitFor("characters: ").types("BA72\r").waitFor("not shown: ").types(testWords + "\r").
		waitFor("is account 4 of them, not 0; use --index 4").ends(1)
	s.sit("cold", "sign", file).waitFor("characters: ").types("BA72\r").waitFor("not shown: ").types(otherWords + "\r").waitFor("none of the first 10").ends(1)
	s.sit("cold", "sign", file, "--words", "7").ends(2)
	s.sit("cold", "sign", file, "--index", "-1").ends(2)
	s.sit("cold", "sign", filepath.Join(s.dir, "none.json")).waitFor("no such file").ends(1)
	_, err := os.Stat(filepath.Join(s.dir, "x12.signed.json"))
	require.ErrorIs(t, err, os.ErrNotExist)
	s.sit("cold", "sign", file, "--index", "4", "--out", filepath.Join(s.dir, "out.json")).waitFor("characters: ").types("BA72\r").
		waitFor("not shown: ").types(testWords + "\r").waitFor("Signed: 0x").ends(0)
}

// "the transaction's own bytes … must say the same payment, else refuse"; and strict
// reading, with file and field, and nothing of what stood there.
func TestColdFile(t *testing.T) {
	s := newShell(t)
	registry, err := chain.Default()
	require.NoError(t, err)
	from := accountOf(t, otherWords, 0)
	read := func(change func(*coldUnsigned)) error {
		f := unsignedTransfer(t, from)
		change(&f)
		got, err := readColdFile(s.carry("f.json", f))
		if err == nil {
			_, err = got.check("f.json", evm.NewSignatory(registry))
		}
		return err
	}
	rehash := func(f *coldUnsigned) {
		f.Hash = treasury.Hash(f.Portfolio, &domain.TransferRequested{Transfer: f.Transfer, Kind: domain.TransferInternal, Payment: f.Payment})
	}
	require.NoError(t, read(func(*coldUnsigned) {}))
	for want, change := range map[string]func(*coldUnsigned){
		"its to differs":          func(f *coldUnsigned) { f.Payment.To = from; rehash(f) },
		"its amount differs":      func(f *coldUnsigned) { f.Payment.Amount = domain.MustDecimal("12.4"); rehash(f) },
		"its from differs":        func(f *coldUnsigned) { f.Payment.From = coldTo; rehash(f) },
		"its asset differs":       func(f *coldUnsigned) { f.Payment.AssetID = "eip155:137/slip44:966"; rehash(f) },
		"its chain differs":       func(f *coldUnsigned) { f.Payment.Chain = "eip155:1"; rehash(f) },
		"its highest_fee differs": func(f *coldUnsigned) { f.Payment.HighestFee = domain.MustDecimal("0.04"); rehash(f) },
		"hash is not that":        func(f *coldUnsigned) { f.Transfer = "x13" },
		"version 1":               func(f *coldUnsigned) { f.Version = 2 },
		"f.json: portfolio":       func(f *coldUnsigned) { f.Portfolio = "a b" },
		"transaction":             func(f *coldUnsigned) { f.Transaction = json.RawMessage(`{"chain_id":137}`) },
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
		"hash stands there twice":              strings.Replace(text, `"hash":`, `"hash":"","hash":`, 1),
		"key is a field that such a file does": strings.Replace(text, `"hash":`, `"key":"s3cret","hash":`, 1),
		"payment.amount does not have":         strings.Replace(text, `"12.5"`, `"s3cret"`, 1),
		"is not valid JSON":                    text + "s3cret",
		"transfer does not have":               strings.Replace(text, `"x12"`, `["s3cret"]`, 1),
		"bad.json is not valid JSON (byte 1)":  "",
		"larger than 64 KiB":                   text + strings.Repeat(" ", maxCarried),
	} {
		_, err := readColdFile(s.file("bad.json", bad))
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, filepath.Join(s.dir, "bad.json"))
		require.NotContains(t, err.Error(), "s3cret")
	}
}

// A program that is told to end while words stand on the screen wipes it.
func TestTerminated(t *testing.T) {
	s := newShell(t)
	s.setEnv("TERM", "xterm")
	seat := newSeat(t)
	c := s.process("wallet", "create", "vault", "--place", "cold")
	c.Stdin, c.Stdout, c.Stderr = seat.slave, seat.slave, seat.slave
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, c.Start())
	go func() { _ = c.Wait(); seat.ended <- c.ProcessState.ExitCode() }()
	seat.readWords()
	require.NoError(t, c.Process.Signal(syscall.SIGTERM))
	afterScreen(t, seat.waitFor("interrupted").ends(1))
}
