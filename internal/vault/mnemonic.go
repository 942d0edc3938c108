package vault

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"io"
	"slices"
	"strconv"
	"sync"
	"unicode"
	"unsafe"

	"github.com/tyler-smith/go-bip39"
	"golang.org/x/text/unicode/norm"

	"pets/domain"
)

// Limits of a mnemonic.
const (
	mnemonicWords   = 24
	maxWordLetters  = 8
	maxMnemonicText = 4096
)

// Mnemonic is a BIP-39 sentence of English words, held as their numbers in the
// list. It can be shown once, confirmed and derived from, and not printed in any
// other way. The zero Mnemonic is a wiped one.
//
// go-bip39 takes the sentence as a Go string and copies it on the way to the
// seed. The string here shares bytes that are wiped; the library's own copies are
// erased only by a build in which [ErasesMemory] is true.
type Mnemonic struct {
	hidden
	words func() *sentence // a closure: reflection does not see into it
}

// sentence is the hidden content of a Mnemonic.
type sentence struct {
	mu      sync.Mutex
	numbers []uint16 // in the list; nil once wiped
}

// NewMnemonic generates a sentence of 24 words from 256 random bits.
func NewMnemonic() *Mnemonic {
	var m *Mnemonic
	_ = inSecret(func() error { // f returns nil
		entropy := make([]byte, 32)
		_, _ = rand.Read(entropy) // never fails: it ends the process instead
		defer wipe(entropy)
		m = hideWords(numbersOf(entropy))
		return nil
	})
	return m
}

// numbersOf cuts entropy and the first bits of its SHA-256 into numbers of 11
// bits.
func numbersOf(entropy []byte) []uint16 {
	sum := sha256.Sum256(entropy)
	bits := append(slices.Clone(entropy), sum[0])
	defer wipe(bits)
	numbers := make([]uint16, len(entropy)*8*33/32/11)
	for i := range numbers {
		for bit := i * 11; bit < (i+1)*11; bit++ {
			numbers[i] = numbers[i]<<1 | uint16(bits[bit/8]>>(7-bit%8)&1)
		}
	}
	return numbers
}

func hideWords(numbers []uint16) *Mnemonic {
	s := &sentence{numbers: numbers}
	return &Mnemonic{words: func() *sentence { return s }}
}

// ParseMnemonic parses a sentence of 24 words as a person typed it: normalised
// (NFKD), in any case, with any white space between the words. The caller wipes
// the text. Errors name the position of a word, never the word.
func ParseMnemonic(text []byte) (*Mnemonic, error) { return parseMnemonic(text, mnemonicWords) }

// RecoverMnemonic parses a sentence of 12, 15, 18, 21 or 24 words, as other
// wallets generate them, like [ParseMnemonic].
func RecoverMnemonic(text []byte) (*Mnemonic, error) {
	return parseMnemonic(text, 12, 15, 18, 21, 24)
}

func parseMnemonic(text []byte, lengths ...int) (*Mnemonic, error) {
	var m *Mnemonic
	err := inSecret(func() error {
		if len(text) > maxMnemonicText {
			return domain.Invalid("mnemonic", "has %d bytes; the most is %d", len(text), maxMnemonicText)
		}
		normal, erase := normalise(text)
		defer erase()
		numbers, err := lookUp(bytes.FieldsFunc(normal, unicode.IsSpace), lengths)
		if err != nil {
			return err
		}
		m = hideWords(numbers)
		return m.open().checksum()
	})
	if err != nil {
		m.Wipe()
		return nil, err
	}
	return m, nil
}

// normalise returns the NFKD form of a text, and a function that wipes all copies
// it made. The library may return the text itself if there is nothing to change;
// the caller's text is not wiped.
func normalise(text []byte) (normal []byte, erase func()) {
	own := bytes.Clone(text)
	normal = norm.NFKD.Bytes(own)
	return normal, func() {
		wipe(own)
		wipe(normal)
	}
}

func lookUp(words [][]byte, lengths []int) ([]uint16, error) {
	if !slices.Contains(lengths, len(words)) {
		return nil, domain.Invalid("mnemonic", "has %d words; it must have one of %v", len(words), lengths)
	}
	numbers := make([]uint16, len(words))
	for i, word := range words {
		n, ok := numberOf(word)
		if !ok {
			wipeNumbers(numbers)
			return nil, domain.Invalid("mnemonic", "word %d is not in the English BIP-39 list", i+1)
		}
		numbers[i] = n
	}
	return numbers, nil
}

// numberOf finds a word in the list, ignoring case; the list is all lower case.
func numberOf(word []byte) (uint16, bool) {
	if len(word) > maxWordLetters {
		return 0, false
	}
	var lower [maxWordLetters]byte
	defer wipe(lower[:])
	for i, b := range word {
		if b >= 'A' && b <= 'Z' {
			b += 'a' - 'A'
		}
		lower[i] = b
	}
	n, ok := slices.BinarySearchFunc(bip39.GetWordList(), lower[:len(word)], func(listed string, b []byte) int {
		return -compareText(b, listed)
	})
	return uint16(n), ok //nolint:gosec // the list has 2,048
}

// compareText is bytes.Compare against a string, without a copy of either.
func compareText(a []byte, b string) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return int(a[i]) - int(b[i])
		}
	}
	return len(a) - len(b)
}

// checksum uses the library, which refuses a sentence whose last bits do not
// match the hash.
func (s *sentence) checksum() error {
	return s.text(func(text string) error {
		if !bip39.IsMnemonicValid(text) {
			return domain.Invalid("mnemonic", "is not right: every word is in the list, but the checksum shows that a word is wrong or two words are swapped")
		}
		return nil
	})
}

// text calls f with the sentence, with single spaces between the words. The bytes
// of the string are wiped when f returns, so f must not keep any of it.
func (s *sentence) text(f func(string) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.numbers == nil {
		return ErrWiped
	}
	b := make([]byte, 0, mnemonicWords*(maxWordLetters+1))
	for i, n := range s.numbers {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(b, bip39.GetWordList()[n]...)
	}
	defer wipe(b)
	return f(unsafe.String(unsafe.SliceData(b), len(b))) //nolint:gosec // so that it can be wiped
}

// Derive calls f with the key at a path, such as [Path](0), and wipes it
// afterwards. The passphrase is part of the secret and usually empty. Another
// passphrase gives other keys; none can be recognised as wrong.
func (m *Mnemonic) Derive(path string, passphrase []byte, f func(*PrivateKey) error) error {
	return inSecret(func() error {
		seed, err := m.seed(passphrase)
		if err != nil {
			return err
		}
		defer wipe(seed)
		key, err := deriveKey(seed, path)
		if err != nil {
			return err
		}
		defer key.Wipe()
		return f(key)
	})
}

// seed stretches sentence and passphrase to 64 bytes, which the caller wipes.
func (m *Mnemonic) seed(passphrase []byte) (seed []byte, err error) {
	normal, erase := normalise(passphrase)
	defer erase()
	err = m.open().text(func(text string) error {
		seed, err = bip39.NewSeedWithErrorChecking(text, string(normal)) // the library wants a string
		return err
	})
	return seed, err
}

// Show writes the words, numbered, one per line. It is meant for a terminal,
// once; they must not be written anywhere else.
func (m *Mnemonic) Show(w io.Writer) error {
	s := m.open()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.numbers == nil {
		return ErrWiped
	}
	b := make([]byte, 0, mnemonicWords*(maxWordLetters+6))
	defer func() { wipe(b) }()
	for i, n := range s.numbers {
		if i < 9 {
			b = append(b, ' ')
		}
		b = strconv.AppendInt(b, int64(i+1), 10)
		b = append(b, ". "...)
		b = append(b, bip39.GetWordList()[n]...)
		b = append(b, '\n')
	}
	_, err := w.Write(b)
	return err
}

// Len is the number of words, 0 after Wipe.
func (m *Mnemonic) Len() int {
	s := m.open()
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.numbers)
}

// Wipe erases the words.
func (m *Mnemonic) Wipe() {
	s := m.open()
	s.mu.Lock()
	defer s.mu.Unlock()
	wipeNumbers(s.numbers)
	s.numbers = nil
}

func wipeNumbers(numbers []uint16) { clear(numbers) }

// open returns the hidden content; never nil.
func (m *Mnemonic) open() *sentence {
	if m == nil || m.words == nil {
		return &sentence{}
	}
	return m.words()
}
