package vault

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"math/big"
	"slices"

	"github.com/tyler-smith/go-bip39"

	"pets/domain"
)

// Asked is how many words a person has to give back.
const Asked = 3

// ErrNotConfirmed reports that a word given back is not the one shown. It does
// not say which.
var ErrNotConfirmed error = domain.Errorf(domain.CodeInvalid, "these are not the words that were shown")

// Questions picks the positions (from 1) to ask back: random, different, in
// order. All are 0 after Wipe.
func (m *Mnemonic) Questions() [Asked]int {
	var asked [Asked]int
	words := m.Len()
	for i := 0; i < Asked && words >= Asked; {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(words)))
		if err != nil {
			panic("vault: no randomness") // crypto/rand itself ends the process first
		}
		if at := int(n.Int64()) + 1; !slices.Contains(asked[:], at) {
			asked[i] = at
			i++
		}
	}
	slices.Sort(asked[:])
	return asked
}

// Confirm compares the words given back for positions, in constant time and
// always all of them. White space around a word and its case are ignored. The
// caller wipes the answers.
func (m *Mnemonic) Confirm(positions [Asked]int, answers [Asked][]byte) error {
	s := m.open()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.numbers == nil {
		return ErrWiped
	}
	right := 1
	for i, at := range positions {
		if at < 1 || at > len(s.numbers) || slices.Contains(positions[:i], at) {
			return domain.Invalid("positions", "must be %d different ones from 1 to %d", Asked, len(s.numbers))
		}
		right &= sameWord(bip39.GetWordList()[s.numbers[at-1]], answers[i])
	}
	if right != 1 {
		return ErrNotConfirmed
	}
	return nil
}

// sameWord compares in the time of the longest word, and returns 1 if the words
// are equal. It compares the length too, so that a word filled up with zeros does
// not match.
func sameWord(word string, answer []byte) int {
	var want, got [maxWordLetters]byte
	defer wipe(want[:])
	defer wipe(got[:])
	copy(want[:], word)
	lower := bytes.ToLower(bytes.TrimSpace(answer))
	defer wipe(lower)
	copy(got[:], lower)
	sameLength := subtle.ConstantTimeEq(int32(len(word)), int32(min(len(lower), maxWordLetters+1))) //nolint:gosec // small
	return sameLength & subtle.ConstantTimeCompare(want[:], got[:])
}
