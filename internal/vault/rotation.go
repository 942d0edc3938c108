package vault

import (
	"fmt"
	"maps"
	"slices"
)

// A rotation replaces the current encryption key. The caller appends its events:
// start, then Reencrypt for each wallet of Pending, then Complete. Every step can
// be killed at any point and repeated: the remaining work is determined by the
// files.

// Reencrypted is the result of [Keystore.Reencrypt]. From and To are the same if
// there was nothing to do.
type Reencrypted struct {
	Wallet  string
	Address Address
	From    string // key id
	To      string // key id
}

// SealedUnder returns which wallets are sealed under which key, sorted, without
// decrypting any. A retired key that is not in the result is no longer needed.
func (k *Keystore) SealedUnder() (map[string][]string, error) {
	entries, err := k.List()
	if err != nil {
		return nil, err
	}
	under := map[string][]string{}
	for _, e := range entries {
		under[e.KeyID] = append(under[e.KeyID], e.Wallet)
	}
	return under, nil
}

// Pending returns the wallets that are not sealed under the current key, sorted.
func (k *Keystore) Pending() ([]string, error) {
	entries, err := k.List()
	if err != nil {
		return nil, err
	}
	current := k.ring.Current()
	entries = slices.DeleteFunc(entries, func(e Entry) bool { return e.KeyID == current })
	wallets := make([]string, 0, len(entries))
	for _, e := range entries {
		wallets = append(wallets, e.Wallet)
	}
	return wallets, nil
}

// Reencrypt seals a wallet's key under the current encryption key. It opens it
// with the key it is sealed under, writes it to a new file, opens that from disk,
// compares the private keys and the address, and only then replaces the old file.
// A repeat changes nothing. It needs the old key: a [MissingKeyError] names it.
func (k *Keystore) Reencrypt(wallet string) (Reencrypted, error) {
	var done Reencrypted
	err := inSecret(func() error {
		return k.locked(func() (err error) {
			done, err = k.reencrypt(wallet)
			return err
		})
	})
	if err != nil {
		return Reencrypted{}, err
	}
	return done, nil
}

func (k *Keystore) reencrypt(wallet string) (Reencrypted, error) {
	p, err := k.placeOf(wallet)
	if err != nil {
		return Reencrypted{}, err
	}
	blob, _, err := k.read(p.name)
	if err != nil {
		return Reencrypted{}, err
	}
	from, _, err := splitBlob(p.name, blob)
	if err != nil {
		return Reencrypted{}, err
	}
	c, err := k.unsealAt(p, blob)
	if err != nil {
		return Reencrypted{}, err
	}
	defer c.key.Wipe()
	done := Reencrypted{wallet, c.address, from, k.ring.Current()}
	if done.From == done.To {
		// An earlier process may have done it and died before the flush, and the
		// caller is about to record that it is done.
		return done, k.syncDir()
	}
	return done, k.replace(p, c, k.fs.Rename)
}

// Complete returns nil if every key is sealed under the current encryption key,
// opens with it, and is flushed to disk: only then may a retired key be
// discarded. Otherwise it returns an [ErrIncomplete], or the problem with a file.
func (k *Keystore) Complete() error {
	pending, err := k.Pending()
	if err != nil {
		return err
	}
	if len(pending) > 0 {
		return fmt.Errorf("%w: %d keys are not sealed under %s, the first is %s", ErrIncomplete, len(pending), k.ring.Current(), pending[0])
	}
	problems, err := k.Check()
	if err != nil {
		return err
	}
	for _, wallet := range slices.Sorted(maps.Keys(problems)) {
		return fmt.Errorf("wallet %s: %w", wallet, problems[wallet])
	}
	return k.syncDir()
}
