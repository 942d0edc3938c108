package vault

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tyler-smith/go-bip39"
	"golang.org/x/text/unicode/norm"

	"pets/domain"
)

type bip39Vectors struct {
	Vectors []struct{ Entropy, Mnemonic, Seed string }
}

// The 24 English vectors of BIP-39's reference implementation, passphrase TREZOR:
// entropy gives words, words give the seed.
func TestBIP39(t *testing.T) {
	var v bip39Vectors
	load(t, "bip39.json", &v)
	require.Len(t, v.Vectors, 24)
	for _, vector := range v.Vectors {
		entropy, err := hex.DecodeString(vector.Entropy)
		require.NoError(t, err)
		require.Equal(t, vector.Mnemonic, wordsOf(t, hideWords(numbersOf(entropy))))

		m, err := RecoverMnemonic([]byte(vector.Mnemonic))
		require.NoError(t, err)
		seed, err := m.seed([]byte("TREZOR"))
		require.NoError(t, err)
		require.Equal(t, vector.Seed, hex.EncodeToString(seed))

		_, err = ParseMnemonic([]byte(vector.Mnemonic))
		require.Equal(t, len(entropy) == 32, err == nil, "24 words exactly")
	}
}

// wordsOf is the sentence as Show gives it, without the numbers.
func wordsOf(t *testing.T, m *Mnemonic) string {
	t.Helper()
	var shown bytes.Buffer
	require.NoError(t, m.Show(&shown))
	var words []string
	for i, line := range strings.Split(strings.TrimSuffix(shown.String(), "\n"), "\n") {
		word, found := strings.CutPrefix(line, fmt.Sprintf("%2d. ", i+1))
		require.True(t, found, line)
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// "NewMnemonic() 24 words", never the same, with a right checksum.
func TestNewMnemonic(t *testing.T) {
	seen := map[string]bool{}
	for range 200 {
		m := NewMnemonic()
		require.Equal(t, 24, m.Len())
		words := wordsOf(t, m)
		require.False(t, seen[words])
		seen[words] = true
		_, err := bip39.NewSeedWithErrorChecking(words, "")
		require.NoError(t, err)
		again, err := ParseMnemonic([]byte(words))
		require.NoError(t, err)
		require.Equal(t, words, wordsOf(t, again))
	}
}

// sentence24 is the sentence of 256 bits that are 0.
const sentence24 = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon art"

// "NFKD", any case, any white space: these are all the same sentence. The trap is
// that a library takes two spaces and makes another seed of them.
func TestOneSentenceManyTexts(t *testing.T) {
	want := addressOf(t, sentence24, "")
	for _, text := range []string{
		"  " + sentence24 + "\n", strings.ReplaceAll(sentence24, " ", "  "), strings.ReplaceAll(sentence24, " ", "\r\n"),
		strings.ReplaceAll(sentence24, " ", "\u3000"), strings.ReplaceAll(sentence24, " ", "\u00a0\t"), strings.ToUpper(sentence24),
		strings.ReplaceAll(sentence24, "abandon", "Abandon"),
		strings.ReplaceAll(sentence24, "a", "\uff41"), // full-width letters are compatible with a
	} {
		require.Equal(t, want, addressOf(t, text, ""), "%q", text)
	}
}

func addressOf(t *testing.T, text, passphrase string) (address Address) {
	t.Helper()
	m, err := ParseMnemonic([]byte(text))
	require.NoError(t, err)
	require.NoError(t, m.Derive(Path(0), []byte(passphrase), func(key *PrivateKey) error {
		address = key.Address()
		return nil
	}))
	return address
}

// "Optional passphrase (NFKD)": é is é, composed or not, and not e.
func TestPassphrase(t *testing.T) {
	composed, apart := norm.NFC.String("caf\u00e9"), norm.NFD.String("caf\u00e9")
	require.NotEqual(t, composed, apart)
	require.Equal(t, addressOf(t, sentence24, composed), addressOf(t, sentence24, apart))
	require.NotEqual(t, addressOf(t, sentence24, composed), addressOf(t, sentence24, "cafe"))
	require.NotEqual(t, addressOf(t, sentence24, ""), addressOf(t, sentence24, " "))
	require.NotEqual(t, addressOf(t, sentence24, "a"), addressOf(t, sentence24, "A"), "its case counts")
}

// What the caller gave is the caller's: neither sentence nor passphrase is
// changed, or a second derivation would silently give another key.
func TestArgumentsAreNotTouched(t *testing.T) {
	for _, passphrase := range []string{"plain", "caf\u00e9", ""} {
		text, secret := []byte(sentence24), []byte(passphrase)
		m, err := ParseMnemonic(text)
		require.NoError(t, err)
		require.Equal(t, sentence24, string(text))
		var first, second Address
		require.NoError(t, m.Derive(Path(0), secret, func(key *PrivateKey) error { first = key.Address(); return nil }))
		require.Equal(t, passphrase, string(secret))
		require.NoError(t, m.Derive(Path(0), secret, func(key *PrivateKey) error { second = key.Address(); return nil }))
		require.Equal(t, first, second)
		require.Equal(t, addressOf(t, sentence24, passphrase), second)
		answers := [Asked][]byte{[]byte(" Abandon"), []byte("abandon"), []byte("art")}
		require.NoError(t, m.Confirm([Asked]int{1, 2, 24}, answers))
		require.Equal(t, " Abandon", string(answers[0]))
		require.Equal(t, "abandon", string(answers[1]))
	}
}

// "Errors name the position of the unknown word but not the words."
func TestBadSentences(t *testing.T) {
	words := strings.Fields(sentence24)
	with := func(at int, word string) string {
		changed := append([]string(nil), words...)
		changed[at-1] = word
		return strings.Join(changed, " ")
	}
	for at := 1; at <= 24; at++ {
		for _, word := range []string{"qwertyuiop", "abandom", "aban", "xyzzy", "zzz", "aaaa", "1", "zoológico", "abandon,", "abandonabandon"} {
			_, err := ParseMnemonic([]byte(with(at, word)))
			require.Equal(t, domain.CodeInvalid, domain.CodeOf(err))
			require.EqualError(t, err, fmt.Sprintf("mnemonic word %d is not in the English BIP-39 list", at), word)
		}
	}
	for name, text := range map[string]string{
		"checksum":  with(24, "zoo"),
		"order":     with(1, "art"),
		"23 words":  strings.Join(words[1:], " "),
		"25 words":  sentence24 + " abandon",
		"12 words":  "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about",
		"none":      "",
		"too long":  strings.Repeat("abandon ", 1000),
		"no spaces": strings.ReplaceAll(sentence24, " ", ""),
		"commas":    strings.ReplaceAll(sentence24, " ", ","),
		"not UTF-8": "\xff" + sentence24,
		"a null":    strings.ReplaceAll(sentence24, " ", "\x00"),
	} {
		_, err := ParseMnemonic([]byte(text))
		require.Equal(t, domain.CodeInvalid, domain.CodeOf(err), name)
		noEcho(t, err, "abandon")
	}
	for n := range 30 { // "12, 15, 18, 21 accepted for recovery"
		_, err := RecoverMnemonic([]byte(strings.TrimSpace(strings.Repeat("abandon ", n))))
		length := strings.Contains(err.Error(), fmt.Sprintf("has %d words", n))
		require.Equal(t, n != 12 && n != 15 && n != 18 && n != 21 && n != 24, length, n)
	}
}

// The limit of the text.
func TestLongSentences(t *testing.T) {
	padded := sentence24 + strings.Repeat(" ", maxMnemonicText-len(sentence24))
	require.Len(t, padded, maxMnemonicText)
	addressOf(t, padded, "")
	_, err := ParseMnemonic([]byte(padded + " "))
	require.ErrorContains(t, err, "the most is 4096")
}

// Every word of the list is found, whatever its case, and none beside it.
func TestEveryWord(t *testing.T) {
	list := bip39.GetWordList()
	require.Len(t, list, 2048)
	for i, word := range list {
		require.LessOrEqual(t, len(word), maxWordLetters)
		for _, text := range []string{word, strings.ToUpper(word)} {
			n, ok := numberOf([]byte(text))
			require.True(t, ok, word)
			require.Equal(t, i, int(n))
		}
		_, ok := numberOf([]byte(word + "q"))
		require.False(t, ok)
	}
}

// "Which three positions to ask (random)": different, in order, all of them some
// time.
func TestQuestions(t *testing.T) {
	m := NewMnemonic()
	seen := map[int]int{}
	for range 2000 {
		asked := m.Questions()
		require.True(t, 1 <= asked[0] && asked[0] < asked[1] && asked[1] < asked[2] && asked[2] <= 24, asked)
		for _, at := range asked {
			seen[at]++
		}
	}
	for at := 1; at <= 24; at++ {
		require.InDelta(t, 250, seen[at], 100, "2,000 times 3 of 24 is 250 each")
	}
}

// "A check in constant time", that says right or wrong and not which.
func TestConfirm(t *testing.T) {
	m, err := ParseMnemonic([]byte(sentence24))
	require.NoError(t, err)
	answers := func(words ...string) (a [Asked][]byte) {
		for i, word := range words {
			a[i] = []byte(word)
		}
		return a
	}
	asked := [Asked]int{1, 12, 24}
	for _, right := range [][]string{{"abandon", "abandon", "art"}, {" Abandon\n", "ABANDON", "\tart "}} {
		require.NoError(t, m.Confirm(asked, answers(right...)))
	}
	require.NoError(t, m.Confirm([Asked]int{24, 1, 2}, answers("art", "abandon", "abandon")), "in any order")
	for _, wrong := range [][]string{
		{"art", "abandon", "art"},
		{"abandon", "art", "art"},
		{"abandon", "abandon", "abandon"},
		{"", "", ""},
		{"abandon", "abandon", ""},
		{"abandon", "abandon", "ar"},
		{"abandon", "abandon", "arts"},
		{"abandon", "abandon", "art\x00"},
		{"abandon", "abandon", "art\x00\x00\x00\x00\x00\x00"},
		{"abandonabandon", "abandon", "art"},
		{"abandon\x00\x00", "abandon", "art"},
		{"abandon\x00", "abandon", "art"},
	} {
		err := m.Confirm(asked, answers(wrong...))
		require.ErrorIs(t, err, ErrNotConfirmed, "%q", wrong)
		require.Equal(t, domain.CodeInvalid, domain.CodeOf(err))
	}
	for _, positions := range [][Asked]int{{0, 1, 2}, {1, 2, 25}, {1, 1, 2}, {1, 2, 2}, {-1, 1, 2}, {}} {
		err := m.Confirm(positions, answers("abandon", "abandon", "abandon"))
		require.ErrorContains(t, err, "positions must be 3 different ones from 1 to 24")
	}
}

// A wiped mnemonic does nothing any more, and its words are gone.
func TestWipedMnemonic(t *testing.T) {
	m := NewMnemonic()
	numbers := m.words().numbers
	m.Wipe()
	require.Equal(t, make([]uint16, 24), numbers)
	for _, gone := range []*Mnemonic{m, nil, {}} {
		require.Zero(t, gone.Len())
		require.ErrorIs(t, gone.Show(&bytes.Buffer{}), ErrWiped)
		require.ErrorIs(t, gone.Derive(Path(0), nil, nothing), ErrWiped)
		require.ErrorIs(t, gone.Confirm([Asked]int{1, 2, 3}, [Asked][]byte{}), ErrWiped)
		require.Equal(t, [Asked]int{}, gone.Questions())
		gone.Wipe()
	}
}

// "Derive(path) … through a closure": the key dies with it, also by a panic.
func TestDerivedKeysDie(t *testing.T) {
	m := NewMnemonic()
	var kept *PrivateKey
	failed := errors.New("failed")
	require.ErrorIs(t, m.Derive(Path(0), nil, func(key *PrivateKey) error { kept = key; return failed }), failed)
	require.ErrorIs(t, second(kept.Sign([32]byte{1})), ErrWiped)
	require.Panics(t, func() { _ = m.Derive(Path(0), nil, func(key *PrivateKey) error { kept = key; panic("why") }) })
	require.ErrorIs(t, second(kept.Sign([32]byte{1})), ErrWiped)
	for _, path := range badPaths {
		require.Equal(t, domain.CodeInvalid, domain.CodeOf(m.Derive(path, nil, nothing)))
	}
}

// What is written to a terminal is not left in memory.
func TestShowWipesWhatItWrote(t *testing.T) {
	m := NewMnemonic()
	var held []byte
	require.NoError(t, m.Show(writerFunc(func(b []byte) (int, error) { held = b; return len(b), nil })))
	require.NotEmpty(t, held)
	require.Equal(t, make([]byte, len(held)), held)
	failed := errors.New("the terminal is gone")
	require.ErrorIs(t, m.Show(writerFunc(func([]byte) (int, error) { return 0, failed })), failed)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// From words to a wallet, and back from words alone.
func TestFromWordsToWallet(t *testing.T) {
	m, k := NewMnemonic(), newStore(t)
	var created Address
	require.NoError(t, m.Derive(Path(3), nil, func(key *PrivateKey) (err error) {
		created, err = k.Create("hot", Path(3), key)
		return err
	}))
	file := readFile(t, filepath.Join(k.dir, fileOf("hot", created)))
	for _, word := range strings.Fields(wordsOf(t, m)) {
		if len(word) > 4 { // shorter ones stand in base64 by chance
			require.NotContains(t, string(file), word, "never written anywhere")
		}
	}
	path, err := k.DerivationPath("hot")
	require.NoError(t, err)
	again, err := ParseMnemonic([]byte(wordsOf(t, m)))
	require.NoError(t, err)
	require.NoError(t, again.Derive(path, nil, func(key *PrivateKey) error {
		require.Equal(t, created, key.Address())
		return k.WithKeyOf("hot", key.Address(), nothing)
	}))
}
