package config

import (
	"os"
	"path/filepath"
	"strings"
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
	require.ErrorContains(t, checkEnvFile("A=1\nB=2\nA=1\n"), ".env line 3: A stands in the file twice")
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
