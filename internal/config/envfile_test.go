package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/joho/godotenv"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
)

func TestNoFileIsNoMistake(t *testing.T) {
	values, err := readEnvFile(t.TempDir())
	require.NoError(t, err)
	require.Empty(t, values)
}

func TestReadEnvFile(t *testing.T) {
	dir := t.TempDir()
	file := "# a comment with $ and 'quotes\n\n  A=1 \r\nexport B=two words\nC='a $HOME # b \"c\" ü'\nD=\"x # y\"\nE=\nF=''\n# no newline at the end"
	require.NoError(t, os.WriteFile(filepath.Join(dir, envFile), []byte(file), 0o600))
	values, err := readEnvFile(dir)
	require.NoError(t, err)
	require.Equal(t, map[string]string{
		"A": "1", "B": "two words", "C": `a $HOME # b "c" ü`, "D": "x # y", "E": "", "F": "",
	}, values)
}

// The traps: what the reader would change without a word is refused, with the
// line and the name, and without the value.
func TestAmbiguousLinesAreRefused(t *testing.T) {
	for _, line := range []string{
		`KEY=pa$WORD`, `KEY=pa #ss`, `KEY=pa#ss`, `KEY="pa$WORD"`, `KEY="pa\nss"`, `KEY='pa\'ss'`, `KEY='pass`, `KEY="pass`,
		`KEY=''pass''`, `KEY='pass' # why`, `KEY='pass'word`, `KEY=pass'word'`, "KEY=`pass`", `KEY= pass`, `KEY =pass`, `KEY: pass`,
		`KEY`, `1KEY=pass`, `K-EY=pass`, "\ufeffKEY=pass", "KEY=pass\x00", "KEY=pass\rOTHER=1", "KEY=pass\u00a0",
	} {
		err := checkEnvFile("# first\n" + line + "\n")
		require.ErrorContains(t, err, ".env line 2: ", line)
		require.NotContains(t, err.Error(), "pass", line)
		require.Equal(t, domain.CodeInvalid, domain.CodeOf(err))
	}
}

func TestNameTwiceIsRefused(t *testing.T) {
	require.ErrorContains(t, checkEnvFile("A=1\nB=2\nA=1\n"), ".env line 3: A occurs twice in the file")
}

func TestLargeFileIsRefused(t *testing.T) {
	_, err := load(t, strings.Repeat("#", maxEnvFile))
	require.NoError(t, err)
	_, err = load(t, strings.Repeat("#", maxEnvFile+1))
	require.ErrorContains(t, err, "larger than 64 KiB")
}

func TestUnreadableFileIsAnError(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, envFile), 0o700))
	_, err := Load(dir, nil)
	require.ErrorContains(t, err, ".env cannot be read")
}

// Whatever line the check lets through, the reader gives back letter for letter.
func TestAcceptedValuesComeBackVerbatim(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.StringOf(rapid.RuneFrom([]rune(" \t'\"`$#\\=aZ0,.:/{}()é\u00a0\u0085\u2028\r!~"))).Draw(t, "value")
		quote := rapid.SampledFrom([]string{"", "'", `"`}).Draw(t, "quote")
		text := "FIRST=1\nKEY=" + quote + value + quote + "\nLAST=2\n"
		if checkEnvFile(text) != nil {
			t.Skip("refused")
		}
		got, err := godotenv.Unmarshal(text)
		if err != nil {
			t.Fatalf("accepted, but not read: %v", err)
		}
		want := value
		if quote == "" {
			want = strings.TrimRight(value, " \t\r")
		}
		inner := want
		if n := len(want); quote == "" && n > 1 && (want[0] == '\'' || want[0] == '"') {
			inner = want[1 : n-1] // the quotes came with the value
		}
		if got["KEY"] != inner || got["FIRST"] != "1" || got["LAST"] != "2" || len(got) != 3 {
			t.Fatalf("want %q, got %q", inner, got)
		}
	})
}

// "A stop never fails because of .env: it ignores a bad one and says so", and what in it
// is needed to find the server is used where it can be read.
func TestLoadToStopNeverFails(t *testing.T) {
	const found = "PETS_SERVER=http://10.0.0.5:7433\nPETS_KEY=key\n"
	for name, c := range map[string]struct {
		file    string
		environ []string
		server  string
		said    string
	}{
		"binary":          {file: "\x00\x01\xff\n\x7fELF\n" + found, server: "http://10.0.0.5:7433", said: "line 1"},
		"a limit":         {file: found + "MAX_DAILY_LOSS_PCT=5\n", server: "http://10.0.0.5:7433", said: "MAX_DAILY_LOSS_PCT"},
		"no assignment":   {file: found + "FOO BAR\n", server: "http://10.0.0.5:7433", said: "line 3"},
		"twice":           {file: found + "PETS_SERVER=http://10.0.0.6:1\n", server: "http://10.0.0.5:7433", said: "PETS_SERVER occurs twice in the file"},
		"too large":       {file: found + strings.Repeat("# comment\n", 10_000), server: "http://10.0.0.5:7433", said: "larger than 64 KiB"},
		"a store":         {file: found + "PETS_STORE=sqlite:x\n", server: "http://10.0.0.5:7433", said: "PETS_STORE must be"},
		"a server":        {file: "PETS_SERVER=10.0.0.5:7433\n", said: "PETS_SERVER must be"},
		"a portfolio":     {file: found + "PETS_PORTFOLIO=../x\n", server: "http://10.0.0.5:7433", said: "PETS_PORTFOLIO"},
		"the environment": {file: found, environ: []string{"PETS_STORE=x", "PETS_CA=/nonexistent", "PETS_RATE_BURST=many"}, server: "http://10.0.0.5:7433", said: "PETS_CA"},
	} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, envFile), []byte(c.file), 0o600))
		got, ignored := LoadToStop(dir, c.environ)
		require.Equal(t, c.server, got.Server, name)
		require.Equal(t, "embedded:./pets-data", got.Store, name)
		require.Equal(t, "main", got.Portfolio, name)
		require.Contains(t, errors.Join(ignored.Errors...).Error(), c.said, name)
		require.Less(t, len(ignored.Errors), 8, name)
	}
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, envFile), 0o700))
	_, ignored := LoadToStop(dir, []string{"PETS_SERVER=http://10.0.0.5:7433"})
	require.Contains(t, errors.Join(ignored.Errors...).Error(), ".env cannot be read")
	c, ignored := LoadToStop(t.TempDir(), []string{"PETS_SERVER=http://10.0.0.5:7433"})
	require.Empty(t, ignored.Errors)
	require.Equal(t, "http://10.0.0.5:7433", c.Server)
}

// "The environment wins", also over what nobody understands in the file, and what says
// nothing of a target leaves no doubt of it.
func TestWhatIsUnsure(t *testing.T) {
	all := []string{"PETS_SERVER", "PETS_STORE", "PETS_DIR", "PETS_PORTFOLIO"}
	for _, c := range []struct {
		file    string
		environ []string
		unsure  []string
	}{
		{file: "FOO BAR\nPETS_WITNESS='a\n"},
		{file: "FOO='PETS_STORE=x\n"},
		{file: "PETS_STORE='x\n", unsure: []string{"PETS_STORE"}},
		{file: "export PETS_STORE='x\n", environ: []string{"PETS_STORE=embedded:x"}},
		{file: "pets_server http://x\n", unsure: []string{"PETS_SERVER"}},
		{file: "PETS_SEVER='http://x\n", unsure: []string{"PETS_SERVER"}},
		{file: "PETS_DIR=a\nPETS_DIR=a\n", unsure: []string{"PETS_DIR"}},
		{file: strings.Repeat("# comment\n", 10_000), unsure: all},
		{file: strings.Repeat("# comment\n", 10_000), environ: []string{"PETS_SERVER=http://x", "PETS_DIR=", "PETS_STORE=embedded:x"}, unsure: []string{"PETS_PORTFOLIO"}},
		{environ: []string{"PETS_STOER=embedded:x"}, unsure: []string{"PETS_STORE"}},
		{environ: []string{"PETS_STOER=embedded:x", "PETS_STORE=embedded:x"}},
		{file: "SERVER=http://x\n", unsure: []string{"PETS_SERVER"}},
		{file: "MY_HOST=x\n", unsure: []string{"PETS_SERVER"}},
		{file: "MY_HOST=\nLOG_DIR=x\n"},
		{file: "SERVER=http://x\n", environ: []string{"PETS_SERVER=http://x"}},
		{file: "STORE='x\n", unsure: []string{"PETS_STORE"}},
		{file: "portfolio=x\n", unsure: []string{"PETS_PORTFOLIO"}},
		{environ: []string{"SERVER=x", "HOSTNAME=x", "STORE=x", "PORTFOLIO=x", "DATA_DIR=x"}},
		{environ: []string{"PETS_SERVER_URL=http://x"}, unsure: []string{"PETS_SERVER"}},
		{environ: []string{"PETS_URL=http://x", "PETS_DATA_DIR=x"}, unsure: []string{"PETS_SERVER", "PETS_STORE"}},
		{environ: []string{"PETS_RPC_URL=http://x", "PETS_BOT=alpha"}},
		{environ: []string{"MAX_DAILY_LOSS_PCT=5", "PETS_WITNESS=a\tb", "PETS_CA=/nonexistent"}},
	} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, envFile), []byte(c.file), 0o600))
		_, ignored := LoadToStop(dir, c.environ)
		require.Equal(t, c.unsure, ignored.Unsure, "%q %q", c.file, c.environ)
		if all, err := Load(dir, c.environ); err == nil {
			require.ElementsMatch(t, c.unsure, all.Unsure, "%q %q", c.file, c.environ)
		}
	}
}

// "What a stop needs": a witness that is named is the one that a local stop writes.
func TestTheWitnessOfAStop(t *testing.T) {
	c, ignored := LoadToStop(t.TempDir(), []string{"PETS_WITNESS=/w", "MAX_DAILY_LOSS_PCT=5"})
	require.Len(t, ignored.Errors, 1)
	require.Equal(t, "/w", c.WitnessDir())
}

// A pipe that nobody writes to would keep a stop waiting for ever.
func TestLoadToStopOpensNoPipe(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, envFile), 0o600))
	_, ignored := LoadToStop(dir, nil)
	require.Len(t, ignored.Errors, 1)
	require.ErrorContains(t, ignored.Errors[0], ".env cannot be read")
}
