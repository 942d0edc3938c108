package cli_test

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

	"pets/internal/cli"
	"pets/internal/cli/clitest"
	"pets/internal/open"
	"pets/internal/pets"
	"pets/internal/pets/petstest"
	"pets/internal/vault"
)

// "typed, no echo": in one line or several, with corrections; nothing of it is shown, and
// what is wrong is said by position.
func TestWordsAreTypedUnseen(t *testing.T) {
	t.Parallel()
	s := petstest.NewSeat(t)
	p, err := (&cli.App{In: s.Slave, Out: s.Slave}).Prompter("pets test")
	require.NoError(t, err)
	ask := func(words int) chan error {
		got := make(chan error, 1)
		go func() {
			m, err := p.Mnemonic(t.Context(), words)
			if err == nil {
				address, e := petstest.Derived(m, 0)
				err = e
				if want := petstest.AccountOf(t, map[int]string{24: petstest.TestWords, 12: petstest.TwelveWords}[words], 0); address.String() != want {
					err = fmt.Errorf("%s, not %s", address, want)
				}
			}
			got <- err
		}()
		s.WaitFor("they are not shown: ")
		return got
	}
	got := ask(24)
	s.Types(petstest.TestWords + "\r")
	require.NoError(t, <-got)

	half := strings.Fields(petstest.TestWords)
	got = ask(24)
	s.Types(strings.Join(half[:10], " ") + "\r").WaitFor("10 of 24 words, go on")
	s.Types("sausage\x15" + strings.ToUpper(strings.Join(half[10:20], "\t")) + " \r").WaitFor("20 of 24 words, go on")
	s.Types("zooo\x7f\x7f\x7f\x08" + strings.Join(half[20:], "  ") + "\r")
	require.NoError(t, <-got)

	got = ask(12)
	s.Types(strings.Replace(petstest.TwelveWords, "junk", "jumk", 1) + "\r").WaitFor("word 12 is not in the English BIP-39 list").WaitFor("Try again").WaitFor("not shown: ")
	s.Types(strings.Replace(petstest.TwelveWords, "junk", "test", 1) + "\r").WaitFor("checksum").WaitFor("not shown: ")
	s.Types("test test\r\r").WaitFor("of 12 words") // an empty line ends
	require.ErrorContains(t, <-got, "has 2 words")

	got = ask(24)
	s.Types("legal \x03")
	require.ErrorIs(t, <-got, cli.ErrInterrupted)
	got = ask(24)
	s.Types(strings.Repeat("x", cli.MaxTyped))
	require.ErrorContains(t, <-got, "too long")
	for _, w := range []string{"legal", "winner", "SAUSAGE", "sausage", "junk", "jumk", "zooo", "xx"} {
		require.NotContains(t, s.Output(), w)
	}
}

// Text that is no secret is echoed as it is typed; a program that is terminated ends while it waits
// for a key.
func TestLinesAreSeen(t *testing.T) {
	t.Parallel()
	s := petstest.NewSeat(t)
	p, err := (&cli.App{In: s.Slave, Out: s.Slave}).Prompter("pets test")
	require.NoError(t, err)
	got := make(chan string, 1)
	go func() {
		text, err := p.Line(t.Context(), "Amount: ")
		got <- fmt.Sprint(text, err)
	}()
	s.WaitFor("Amount: ").Types("1.26\x7f5\x1b\r").WaitFor("1.26\b \b5")
	require.Equal(t, "1.25<nil>", <-got)

	ctx, stop := context.WithCancel(t.Context())
	go func() {
		_, err := p.Secret(ctx, "Secret: ")
		got <- err.Error()
	}()
	s.WaitFor("Secret: ")
	stop()
	require.Equal(t, context.Canceled.Error(), <-got)
}

// "words never reach stdout when it is no terminal": whatever of the two is none, nothing
// is drawn, shown or asked, and the exit status is that of a mistake in use.
func TestOnlyAtATerminal(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	s.Env = append(s.Env, "ENCRYPTION_KEY="+vault.GenerateKey(), "PETS_KEYSTORE="+filepath.Join(s.Dir, "keys"))
	file := s.File("x1.json", "{}")
	for _, args := range [][]string{
		{"wallet", "create", "w"},
		{"wallet", "create", "w", "--place", "cold"},
		{"wallet", "recover", "w", "--address", petstest.OtherFirst},
		{"wallet", "recover", "w", "--drill", "--address", petstest.OtherFirst},
		{"cold", "sign", file},
	} {
		s.Fails(2, []string{"standard input is no terminal"}, args...)
		seat := petstest.NewSeat(t)
		var out, errs bytes.Buffer
		a := &cli.App{Place: open.Place{Err: &errs}, In: seat.Slave, Out: &out, Environ: s.Env, Dir: s.Dir}
		require.Equal(t, 2, pets.Run(t.Context(), a, args))
		require.Empty(t, out.String())
		require.Contains(t, errs.String(), "standard output is no terminal")
		require.Empty(t, seat.Output())
	}
	_, err := os.Stat(filepath.Join(s.Dir, "keys"))
	require.ErrorIs(t, err, fs.ErrNotExist, "no keystore was made")
}

// "80 columns everywhere": what is said and asked at a terminal, at 80 and at 120; a command
// goes on below as a shell takes it.
func TestPromptsFit(t *testing.T) {
	t.Parallel()
	for _, width := range []int{80, 120} {
		s := petstest.NewSeat(t)
		p, err := (&cli.App{In: s.Slave, Out: s.Slave, Environ: []string{fmt.Sprint("COLUMNS=", width)}}).Prompter("pets test")
		require.NoError(t, err)
		p.Say("%s", strings.Repeat("many words ", 20)+"of one sentence.")
		p.Say("    pets wallet register trading --place hot --chain eip155:137 --address 0xc3281A55C8d70D407a410ff8f55bF413C9c36e23")
		got := make(chan string, 1)
		go func() {
			answer, _ := p.Line(t.Context(), strings.Repeat("a long question ", 10)+"? ")
			got <- answer
		}()
		s.WaitFor("? ").Types("yes\r")
		require.Equal(t, "yes", <-got)
		output := strings.ReplaceAll(s.Output(), "\r", "")
		clitest.FitsByWords(t, width, output)
		require.Contains(t, output, "--address")
		if width == 80 {
			require.Contains(t, output, " \\\n      --address 0xc3281A55C8d70D407a410ff8f55bF413C9c36e23")
		}
	}
}
