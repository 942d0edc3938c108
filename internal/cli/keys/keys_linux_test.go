package keys_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands/custody"
	"pets/domain"
	"pets/internal/cli"
	"pets/internal/cli/clitest"
	"pets/internal/evm"
	"pets/internal/pets/petstest"
	"pets/internal/vault"
)

// "pets keys generate": the key alone on standard output, so that it can be redirected into a
// file, and instructions on standard error.
func TestGenerateKey(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	first, second := s.Run("keys", "generate"), s.Run("keys", "generate")
	require.Equal(t, 0, first.Code)
	require.NotEqual(t, first.Out, second.Out)
	require.Len(t, petstest.KeyID(t, strings.TrimSuffix(first.Out, "\n")), 8)
	for _, words := range []string{"ENCRYPTION_KEY", "chmod 600 .env", "apart from every backup"} {
		require.Contains(t, first.Err, words)
	}
	require.NotContains(t, first.Err, strings.TrimSpace(first.Out))
	_, err := os.Stat(s.Store())
	require.ErrorIs(t, err, os.ErrNotExist)
}

// "pets keys status|rotate", where no server runs: what seals what, due after 90 days, and
// a retired key can go once nothing uses it.
func TestRotateHere(t *testing.T) {
	t.Parallel()
	s := petstest.LiveShell(t)
	former := s.GetEnv("ENCRYPTION_KEY")
	s.Register("trading", domain.WalletHot, petstest.OtherFirst)
	s.Register("spare", domain.WalletHot, petstest.AccountOf(t, petstest.TestWords, 0))
	s.Recovered("trading", petstest.OtherWords, petstest.OtherFirst)
	s.Recovered("spare", petstest.TestWords, petstest.AccountOf(t, petstest.TestWords, 0))
	out := s.Ok("keys", "status")
	require.Contains(t, out, "current key  "+petstest.KeyID(t, former))
	require.Contains(t, out, "spare, trading")
	var v struct {
		custody.KeyStatus
		Retired, Removable, Unopenable []string
	}
	s.JSON(&v, "keys", "status")
	require.False(t, v.Due)
	require.Empty(t, v.Retired)
	late := func(a *cli.App) { a.Wall = func() time.Time { return time.Now().Add(90 * 24 * time.Hour) } }
	require.Contains(t, s.SitWith(t.Context(), late, "keys", "status").Ends(0), "90 days old, DUE for rotation")
	s.Fails(1, []string{"every wallet is sealed under key " + petstest.KeyID(t, former)}, "keys", "rotate")

	// If the former key is needed but missing, nothing is lost, and the error says what to do.
	key := vault.GenerateKey()
	s.SetEnv("ENCRYPTION_KEY", key)
	r := s.Run("keys", "status")
	require.Equal(t, 1, r.Code, r.Out)
	require.Contains(t, r.Out, petstest.KeyID(t, former)+"  spare, trading  CANNOT BE OPENED")
	require.NotContains(t, r.Out, "nothing is sealed,")
	require.Contains(t, r.Err, "spare, trading cannot be opened with this ENCRYPTION_KEY: sealed under "+petstest.KeyID(t, former))
	r = s.Run("keys", "status", "--json")
	require.Equal(t, 1, r.Code)
	petstest.ReadJSON(t, r.Out, &v)
	require.Equal(t, []string{petstest.KeyID(t, former)}, v.Unopenable)
	p := petstest.ServeFolder(t, filepath.Join(t.TempDir(), "store"), "PETS_KEYSTORE="+s.Keys(), "ENCRYPTION_KEY=")
	p.Says("ENCRYPTION_KEY is not set, and the keystore is not empty")
	v.Unopenable = nil
	r = s.Run("keys", "rotate", "--reason", "90 days")
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Err, "run pets keys rotate again to go on")
	require.Contains(t, r.Err, petstest.KeyID(t, former))
	s.SetEnv("ENCRYPTION_KEYS_RETIRED", former)
	out = s.Ok("keys", "status")
	require.Contains(t, out, "ROTATION OPEN")
	require.Contains(t, out, "2 of 2 left")
	require.Contains(t, out, petstest.KeyID(t, former)+"  still needed")

	r = s.Run("keys", "rotate")
	require.Equal(t, 0, r.Code, r.Err)
	require.Equal(t, "sealed 1 of 2: spare\nsealed 2 of 2: trading\n", petstest.Besides(r.Err))
	require.Contains(t, r.Out, "is complete: everything is sealed under "+petstest.KeyID(t, key))
	out = s.Ok("keys", "status")
	require.Contains(t, out, petstest.KeyID(t, former)+"  seals nothing any more: take it out")
	require.Contains(t, s.Ok("keys", "rotate"), "already")
	s.JSON(&v, "keys", "status")
	require.Equal(t, []string{petstest.KeyID(t, former)}, v.Removable)
	s.SetEnv("ENCRYPTION_KEYS_RETIRED", "")
	require.Contains(t, s.Ok("wallet", "verify"), "spare: its key opens")
	for _, k := range []string{key, former} {
		require.NotContains(t, r.Out+r.Err+out+s.Ok("events", "--json"), k)
	}
	petstest.NoTraceOnDisk(t, s.Dir, petstest.TestWords, 0)
}

// "with a progress line per wallet; interrupted, it resumes": killed after any line, it goes
// on when it is run again, and every key is there.
func TestRotateKilled(t *testing.T) {
	t.Parallel()
	const wallets = 24
	s := petstest.LiveShell(t)
	former, key := s.GetEnv("ENCRYPTION_KEY"), vault.GenerateKey()
	ring, err := vault.ParseKeyring(former, "")
	require.NoError(t, err)
	store, err := vault.Open(s.Keys(), ring)
	require.NoError(t, err)
	m, err := vault.ParseMnemonic([]byte(petstest.OtherWords))
	require.NoError(t, err)
	for i := range uint32(wallets) {
		err := m.Derive(vault.Path(i), nil, func(k *vault.PrivateKey) error {
			_, err := evm.NewKeys(store, ring).Create(fmt.Sprintf("w%02d", i), vault.Path(i), k)
			return err
		})
		require.NoError(t, err)
	}
	s.SetEnv("ENCRYPTION_KEY", key)
	s.SetEnv("ENCRYPTION_KEYS_RETIRED", former)
	var errs clitest.Buffer
	c := s.Process("keys", "rotate")
	c.Stderr = &errs
	require.NoError(t, c.Start())
	require.Eventually(t, func() bool { return strings.Contains(errs.String(), "sealed 3 of 24: w02\n") }, 10*time.Second, 100*time.Microsecond)
	require.NoError(t, c.Process.Kill())
	_ = c.Wait()
	// A killed run may not have written its witness; a warning says so once.
	if open := s.Run("keys", "status").Out; !strings.Contains(open, "ROTATION OPEN") {
		t.Log("it was faster than the kill")
	}
	r := s.Run("keys", "rotate")
	require.Equal(t, 0, r.Code, r.Err)
	require.Contains(t, r.Out, "everything is sealed under "+petstest.KeyID(t, key))
	s.SetEnv("ENCRYPTION_KEYS_RETIRED", "")
	require.Equal(t, wallets, strings.Count(s.Ok("wallet", "verify", "--offline"), "its key opens"))
}

// Without a store, a keystore or a key, the error says which is missing, and none is created.
func TestKeysOfNothing(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	s.Fails(1, []string{"there is no store at"}, "keys", "status")
	s.Fails(1, []string{"there is no store at"}, "keys", "rotate")
	s.Fails(1, []string{"there is no store at"}, "wallet", "verify")
	s.Fails(2, []string{"ENCRYPTION_KEY is not set"}, "wallet", "verify", "--offline")
	s.Fails(2, []string{"pets wallet has no such command; see"}, "wallet", "sing")
	s.Fails(2, []string{"accepts 1 arg"}, "wallet", "record")
	left, err := os.ReadDir(s.Dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

// "A message repeats no key, and no word of a wallet": typed where there is no place for it, it
// would go on to a log.
func TestAMistypedSecretIsNotRepeated(t *testing.T) {
	s := petstest.New(t)
	fernet := strings.TrimSpace(s.Run("keys", "generate").Out)
	private := strings.Repeat("0123456789abcdef", 4)
	for _, secret := range []string{fernet, private, "0x" + private, petstest.SomeKey, "abandon"} {
		for _, line := range [][]string{
			{secret},
			{"keys", secret},
			{"keys", "rotate", secret},
			{"keys", "status", secret},
			{"state", secret},
			{"wallet", "recover", "hot", "--words", secret, "ability"},
			{"wallet", "recover", "hot", "--index", secret},
			{"wallet", "recover", secret, "ability", "able"},
			{"deposit", secret},
			{"permit", "ask", "--quantity", secret},
			{"events", "--from=" + secret},
			{"state", "--at", secret},
			{"serve", "--listen=" + secret},
		} {
			r := s.Run(line...)
			require.NotEqual(t, 0, r.Code, "%v", line)
			require.NotContains(t, r.Out+r.Err, secret, "%v", line)
		}
	}
	s.Fails(2, []string{"did you mean rotate?"}, "keys", "rotat")
	s.Fails(2, []string{"the value of --words is no valid int"}, "wallet", "recover", "hot", "--words", "many")
}

// Damage, and files that others can read, are found and reported.
func TestBadKeystore(t *testing.T) {
	t.Parallel()
	s := petstest.LiveShell(t)
	s.Register("trading", domain.WalletHot, petstest.OtherFirst)
	s.Register("spare", domain.WalletHot, petstest.AccountOf(t, petstest.TestWords, 0))
	s.Recovered("trading", petstest.OtherWords, petstest.OtherFirst)
	s.Recovered("spare", petstest.TestWords, petstest.AccountOf(t, petstest.TestWords, 0))
	path := filepath.Join(s.Keys(), "trading."+petstest.OtherFirst+".key")
	require.NoError(t, os.Chmod(path, 0o644))
	r := s.Run("wallet", "list")
	require.Equal(t, 0, r.Code)
	require.Contains(t, r.Err, "WARNING: others have access to "+path+" (mode 644): run chmod 600")
	require.Contains(t, r.Out, "hot (main)")
	require.Contains(t, r.Out, "NOT KNOWN")
	require.NoError(t, os.Chmod(path, 0o600))
	s.Ok("wallet", "list")

	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, append(bytes.Clone(whole[:len(whole)-9]), "AAAAAAAA="...), 0o600))
	for _, args := range [][]string{{"wallet", "verify"}, {"wallet", "verify", "--offline"}} {
		r := s.Run(args...)
		require.Equal(t, 1, r.Code)
		require.Contains(t, r.Out, "trading: BAD: ")
		require.Contains(t, r.Out, "spare: its key opens")
		require.Contains(t, r.Err, "1 of 2 keys are not what they should be")
	}
	var v struct {
		OK      bool
		Wallets []struct {
			Wallet, Address, Problem string
			OK                       bool
		}
	}
	r = s.Run("wallet", "verify", "--json")
	petstest.ReadJSON(t, r.Out, &v)
	require.False(t, v.OK)
	require.Len(t, v.Wallets, 2)

	// Another key under its name is a breach, and stops everything.
	other := filepath.Join(s.Keys(), "spare."+petstest.AccountOf(t, petstest.TestWords, 0)+".key")
	blob, err := os.ReadFile(other)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, blob, 0o600))
	r = s.Run("wallet", "verify", "trading")
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Out, "BAD")
	require.Contains(t, s.Ok("state"), "EMERGENCY STOP  security_breach")
}

// "A .env that others can read (not 600) is refused in live mode."
func TestOpenEnvFile(t *testing.T) {
	t.Parallel()
	s := petstest.LiveShell(t)
	path := s.File(".env", "ENCRYPTION_KEY='"+s.GetEnv("ENCRYPTION_KEY")+"'")
	s.Env = slices.DeleteFunc(s.Env, func(v string) bool { return strings.HasPrefix(v, "ENCRYPTION_KEY=") })
	require.NoError(t, os.Chmod(path, 0o644))
	s.Sit("wallet", "create", "trading").WaitFor("chmod 600").Ends(1)
	s.Sit("wallet", "recover", "trading", "--address", petstest.OtherFirst).WaitFor("chmod 600").Ends(1)
	s.Fails(1, []string{"chmod 600"}, "wallet", "verify", "--offline")
	s.Fails(1, []string{"chmod 600"}, "keys", "rotate")
	require.Contains(t, s.Run("wallet", "list").Err, "chmod 600")
	require.NoError(t, os.Chmod(path, 0o600))
	s.Recovered("trading", petstest.OtherWords, petstest.OtherFirst)
}
