package main

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

	"pets/domain"
	"pets/internal/evm"
	"pets/internal/vault"
)

// recovered puts the key of words into the keystore, at a terminal.
func (s *shell) recovered(name, words, address string) {
	s.t.Helper()
	s.sit("wallet", "recover", name, "--address", address).waitFor("not shown: ").types(words + "\r").ends(0)
}

func keyID(t testing.TB, key string) string {
	t.Helper()
	ring, err := vault.ParseKeyring(key, "")
	require.NoError(t, err)
	return ring.Current()
}

// "pets keys generate": the key alone on standard output, so that it can be piped into a
// file, and what to do with it beside it.
func TestGenerateKey(t *testing.T) {
	s := newShell(t)
	first, second := s.run("keys", "generate"), s.run("keys", "generate")
	require.Equal(t, 0, first.code)
	require.NotEqual(t, first.out, second.out)
	require.Len(t, keyID(t, strings.TrimSuffix(first.out, "\n")), 8)
	for _, words := range []string{"ENCRYPTION_KEY", "chmod 600 .env", "apart from every backup"} {
		require.Contains(t, first.err, words)
	}
	require.NotContains(t, first.err, strings.TrimSpace(first.out))
	_, err := os.Stat(s.store())
	require.ErrorIs(t, err, os.ErrNotExist)
}

// "pets keys status|rotate", where no server runs: what seals what, due after 90 days, and
// a retired key can go once nothing uses it.
func TestRotateHere(t *testing.T) {
	s := liveShell(t)
	former := s.getEnv("ENCRYPTION_KEY")
	s.register("trading", domain.WalletHot, otherFirst)
	s.register("spare", domain.WalletHot, accountOf(t, testWords, 0))
	s.recovered("trading", otherWords, otherFirst)
	s.recovered("spare", testWords, accountOf(t, testWords, 0))
	out := s.ok("keys", "status")
	require.Contains(t, out, "current key  "+keyID(t, former))
	require.Contains(t, out, "spare, trading")
	var v keyStatus
	s.json(&v, "keys", "status")
	require.False(t, v.Due)
	require.Empty(t, v.Retired)
	late := func(a *app) { a.wall = func() time.Time { return time.Now().Add(90 * 24 * time.Hour) } }
	require.Contains(t, s.sitWith(t.Context(), late, "keys", "status").ends(0), "90 days old, DUE for rotation")
	s.fails(1, []string{"every wallet is sealed under key " + keyID(t, former)}, "keys", "rotate")

	// The former key is needed, and missing: nothing is lost, and it says what to do.
	key := vault.GenerateKey()
	s.setEnv("ENCRYPTION_KEY", key)
	r := s.run("keys", "status")
	require.Equal(t, 1, r.code, r.out)
	require.Contains(t, r.out, keyID(t, former)+"  spare, trading  CANNOT BE OPENED")
	require.NotContains(t, r.out, "nothing is sealed,")
	require.Contains(t, r.err, "spare, trading cannot be opened with this ENCRYPTION_KEY: sealed under "+keyID(t, former))
	r = s.run("keys", "status", "--json")
	require.Equal(t, 1, r.code)
	readJSON(t, r.out, &v)
	require.Equal(t, []string{keyID(t, former)}, v.Unopenable)
	p := serveFolder(t, filepath.Join(t.TempDir(), "store"), "PETS_KEYSTORE="+s.keys(), "ENCRYPTION_KEY=")
	require.Contains(t, p.errs.String(), "ENCRYPTION_KEY is not set, and the keystore is not empty")
	v.Unopenable = nil
	r = s.run("keys", "rotate", "--reason", "90 days")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.err, "run pets keys rotate again to go on")
	require.Contains(t, r.err, keyID(t, former))
	s.setEnv("ENCRYPTION_KEYS_RETIRED", former)
	out = s.ok("keys", "status")
	require.Contains(t, out, "ROTATION OPEN")
	require.Contains(t, out, "2 of 2 left")
	require.Contains(t, out, keyID(t, former)+"  still needed")

	r = s.run("keys", "rotate")
	require.Equal(t, 0, r.code, r.err)
	require.Equal(t, "sealed 1 of 2: spare\nsealed 2 of 2: trading\n", besides(r.err))
	require.Contains(t, r.out, "is complete: everything is sealed under "+keyID(t, key))
	out = s.ok("keys", "status")
	require.Contains(t, out, keyID(t, former)+"  seals nothing any more: take it out")
	require.Contains(t, s.ok("keys", "rotate"), "already")
	s.json(&v, "keys", "status")
	require.Equal(t, []string{keyID(t, former)}, v.Removable)
	s.setEnv("ENCRYPTION_KEYS_RETIRED", "")
	require.Contains(t, s.ok("wallet", "verify"), "spare: its key opens")
	for _, k := range []string{key, former} {
		require.NotContains(t, r.out+r.err+out+s.ok("events", "--json"), k)
	}
	noTraceOnDisk(t, s.dir, testWords, 0)
}

// "with a progress line per wallet; interrupted, it resumes": killed after any line, it goes
// on when it is run again, and every key is there.
func TestRotateKilled(t *testing.T) {
	const wallets = 24
	s := liveShell(t)
	former, key := s.getEnv("ENCRYPTION_KEY"), vault.GenerateKey()
	ring, err := vault.ParseKeyring(former, "")
	require.NoError(t, err)
	store, err := vault.Open(s.keys(), ring)
	require.NoError(t, err)
	m, err := vault.ParseMnemonic([]byte(otherWords))
	require.NoError(t, err)
	for i := range uint32(wallets) {
		_, err := storeKey(evm.NewKeys(store, ring), m, fmt.Sprintf("w%02d", i), i)
		require.NoError(t, err)
	}
	s.setEnv("ENCRYPTION_KEY", key)
	s.setEnv("ENCRYPTION_KEYS_RETIRED", former)
	var errs lockedBuffer
	c := s.process("keys", "rotate")
	c.Stderr = &errs
	require.NoError(t, c.Start())
	require.Eventually(t, func() bool { return strings.Contains(errs.String(), "sealed 3 of 24: w02\n") }, 10*time.Second, 100*time.Microsecond)
	require.NoError(t, c.Process.Kill())
	_ = c.Wait()
	// What was killed may have had no time for its witness: that is said once.
	if open := s.run("keys", "status").out; !strings.Contains(open, "ROTATION OPEN") {
		t.Log("it was faster than the kill")
	}
	r := s.run("keys", "rotate")
	require.Equal(t, 0, r.code, r.err)
	require.Contains(t, r.out, "everything is sealed under "+keyID(t, key))
	s.setEnv("ENCRYPTION_KEYS_RETIRED", "")
	require.Equal(t, wallets, strings.Count(s.ok("wallet", "verify", "--offline"), "its key opens"))
}

// Without a store, a keystore or a key it says which is missing, and makes none.
func TestKeysOfNothing(t *testing.T) {
	s := newShell(t)
	s.fails(1, []string{"there is no store at"}, "keys", "status")
	s.fails(1, []string{"there is no store at"}, "keys", "rotate")
	s.fails(1, []string{"there is no store at"}, "wallet", "verify")
	s.fails(2, []string{"ENCRYPTION_KEY is not set"}, "wallet", "verify", "--offline")
	s.fails(2, []string{"unknown command \"sing\""}, "wallet", "sing")
	s.fails(2, []string{"accepts 1 arg"}, "wallet", "record")
	left, err := os.ReadDir(s.dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

// Damage, and what others can read, is found and said loudly.
func TestBadKeystore(t *testing.T) {
	s := liveShell(t)
	s.register("trading", domain.WalletHot, otherFirst)
	s.register("spare", domain.WalletHot, accountOf(t, testWords, 0))
	s.recovered("trading", otherWords, otherFirst)
	s.recovered("spare", testWords, accountOf(t, testWords, 0))
	path := filepath.Join(s.keys(), "trading."+otherFirst+".key")
	require.NoError(t, os.Chmod(path, 0o644))
	r := s.run("wallet", "list")
	require.Equal(t, 0, r.code)
	require.Contains(t, r.err, "WARNING: others have access to "+path+" (mode 644): run chmod 600")
	require.Contains(t, r.out, "hot (main)")
	require.Contains(t, r.out, "NOT KNOWN")
	require.NoError(t, os.Chmod(path, 0o600))
	s.ok("wallet", "list")

	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, append(bytes.Clone(whole[:len(whole)-9]), "AAAAAAAA="...), 0o600))
	for _, args := range [][]string{{"wallet", "verify"}, {"wallet", "verify", "--offline"}} {
		r := s.run(args...)
		require.Equal(t, 1, r.code)
		require.Contains(t, r.out, "trading: BAD: ")
		require.Contains(t, r.out, "spare: its key opens")
		require.Contains(t, r.err, "1 of 2 keys are not what they should be")
	}
	var v struct {
		OK      bool
		Wallets []verdict
	}
	r = s.run("wallet", "verify", "--json")
	readJSON(t, r.out, &v)
	require.False(t, v.OK)
	require.Len(t, v.Wallets, 2)

	// The key of another under its name is a breach, and stops everything.
	other := filepath.Join(s.keys(), "spare."+accountOf(t, testWords, 0)+".key")
	blob, err := os.ReadFile(other)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, blob, 0o600))
	r = s.run("wallet", "verify", "trading")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.out, "BAD")
	require.Contains(t, s.ok("state"), "EMERGENCY STOP  security_breach")
}

// "A .env that others can read (not 600) is refused in live mode."
func TestOpenEnvFile(t *testing.T) {
	s := liveShell(t)
	path := s.file(".env", "ENCRYPTION_KEY='"+s.getEnv("ENCRYPTION_KEY")+"'")
	s.env = slices.DeleteFunc(s.env, func(v string) bool { return strings.HasPrefix(v, "ENCRYPTION_KEY=") })
	require.NoError(t, os.Chmod(path, 0o644))
	s.sit("wallet", "create", "trading").waitFor("chmod 600").ends(1)
	s.sit("wallet", "recover", "trading", "--address", otherFirst).waitFor("chmod 600").ends(1)
	s.fails(1, []string{"chmod 600"}, "wallet", "verify", "--offline")
	s.fails(1, []string{"chmod 600"}, "keys", "rotate")
	require.Contains(t, s.run("wallet", "list").err, "chmod 600")
	require.NoError(t, os.Chmod(path, 0o600))
	s.recovered("trading", otherWords, otherFirst)
}
