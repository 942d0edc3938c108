package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/vault"
)

// "typed, no echo": in one line or several, with corrections; nothing of it is shown, and
// what is wrong is said by position.
func TestWordsAreTypedUnseen(t *testing.T) {
	s := newSeat(t)
	p, err := (&app{in: s.slave, out: s.slave}).prompter("pets test")
	require.NoError(t, err)
	ask := func(words int) chan error {
		got := make(chan error, 1)
		go func() {
			m, err := p.mnemonic(t.Context(), words)
			if err == nil {
				address, e := derived(m, 0)
				err = e
				if want := accountOf(t, map[int]string{24: testWords, 12: twelveWords}[words], 0); address.String() != want {
					err = fmt.Errorf("%s, not %s", address, want)
				}
			}
			got <- err
		}()
		s.waitFor("they are not shown: ")
		return got
	}
	got := ask(24)
	s.types(testWords + "\r")
	require.NoError(t, <-got)

	half := strings.Fields(testWords)
	got = ask(24)
	s.types(strings.Join(half[:10], " ") + "\r").waitFor("10 of 24 words, go on")
	s.types("sausage\x15" + strings.ToUpper(strings.Join(half[10:20], "\t")) + " \r").waitFor("20 of 24 words, go on")
	s.types("zooo\x7f\x7f\x7f\x08" + strings.Join(half[20:], "  ") + "\r")
	require.NoError(t, <-got)

	got = ask(12)
	s.types(strings.Replace(twelveWords, "junk", "jumk", 1) + "\r").waitFor("word 12 is not in the English BIP-39 list").waitFor("Try again").waitFor("not shown: ")
	s.types(strings.Replace(twelveWords, "junk", "test", 1) + "\r").waitFor("checksum").waitFor("not shown: ")
	s.types("test test\r\r").waitFor("of 12 words") // an empty line ends
	require.ErrorContains(t, <-got, "has 2 words")

	got = ask(24)
	s.types("legal \x03")
	require.ErrorIs(t, <-got, errInterrupted)
	got = ask(24)
	s.types(strings.Repeat("x", maxTyped))
	require.ErrorContains(t, <-got, "too long")
	for _, w := range []string{"legal", "winner", "SAUSAGE", "sausage", "junk", "jumk", "zooo", "xx"} {
		require.NotContains(t, s.output(), w)
	}
}

// What is no secret is shown as it is typed; a program that is told to end does so while
// it waits for a key.
func TestLinesAreSeen(t *testing.T) {
	s := newSeat(t)
	p, err := (&app{in: s.slave, out: s.slave}).prompter("pets test")
	require.NoError(t, err)
	got := make(chan string, 1)
	go func() {
		text, err := p.line(t.Context(), "Amount: ")
		got <- fmt.Sprint(text, err)
	}()
	s.waitFor("Amount: ").types("1.26\x7f5\x1b\r").waitFor("1.26\b \b5")
	require.Equal(t, "1.25<nil>", <-got)

	ctx, stop := context.WithCancel(t.Context())
	go func() {
		_, err := p.secret(ctx, "Secret: ")
		got <- err.Error()
	}()
	s.waitFor("Secret: ")
	stop()
	require.Equal(t, context.Canceled.Error(), <-got)
}

// "words never reach stdout when it is no terminal": whatever of the two is none, nothing
// is drawn, shown or asked, and the exit status is that of a mistake in use.
func TestOnlyAtATerminal(t *testing.T) {
	s := newShell(t)
	s.env = append(s.env, "ENCRYPTION_KEY="+vault.GenerateKey(), "PETS_KEYSTORE="+filepath.Join(s.dir, "keys"))
	file := s.file("x1.json", "{}")
	for _, args := range [][]string{
		{"wallet", "create", "w"},
		{"wallet", "create", "w", "--place", "cold"},
		{"wallet", "recover", "w", "--address", otherFirst},
		{"wallet", "recover", "w", "--drill", "--address", otherFirst},
		{"cold", "sign", file},
	} {
		s.fails(2, []string{"standard input is no terminal"}, args...)
		seat := newSeat(t)
		var out, errs bytes.Buffer
		a := &app{place: place{err: &errs}, in: seat.slave, out: &out, environ: s.env, dir: s.dir}
		require.Equal(t, 2, run(t.Context(), a, args))
		require.Empty(t, out.String())
		require.Contains(t, errs.String(), "standard output is no terminal")
		require.Empty(t, seat.output())
	}
	_, err := os.Stat(filepath.Join(s.dir, "keys"))
	require.ErrorIs(t, err, fs.ErrNotExist, "no keystore was made")
}
