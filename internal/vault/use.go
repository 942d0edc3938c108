package vault

// load reads and decrypts the key of a wallet and checks that file, wallet,
// address and key agree. The caller wipes the key.
func (k *Keystore) load(wallet string) (content, error) {
	p, err := k.placeOf(wallet)
	if err != nil {
		return content{}, err
	}
	blob, _, err := k.read(p.name)
	if err != nil {
		return content{}, err
	}
	return k.unsealAt(p, blob)
}

// unsealAt opens the blob of a place, and refuses one that belongs to another.
func (k *Keystore) unsealAt(p place, blob []byte) (content, error) {
	c, err := k.ring.unseal(p.name, p.wallet, blob)
	if err != nil {
		return content{}, err
	}
	if c.wallet != p.wallet || c.address != p.address {
		c.key.Wipe()
		return content{}, &ForeignBlobError{p.wallet, p.address, c.wallet, c.address}
	}
	return c, nil
}

// Address returns the address of a wallet's key, derived from the key.
func (k *Keystore) Address(wallet string) (Address, error) {
	var address Address
	err := k.withKey(wallet, func(key *PrivateKey) error {
		address = key.Address()
		return nil
	})
	return address, err
}

// DerivationPath returns the path that a wallet's key was derived at, for its
// recovery from the mnemonic.
func (k *Keystore) DerivationPath(wallet string) (path string, err error) {
	err = inSecret(func() error {
		c, err := k.load(wallet)
		if err != nil {
			return err
		}
		c.key.Wipe()
		path = c.path
		return nil
	})
	return path, err
}

// withKey calls f with the key of a wallet. The key exists only during the call
// and is wiped however f ends, also by a panic. Nothing f is given may outlive it.
// f should sign and return: in a build that erases memory the runtime keeps track
// of all that f allocates. No lock is held meanwhile.
func (k *Keystore) withKey(wallet string, f func(*PrivateKey) error) error {
	return inSecret(func() error {
		c, err := k.load(wallet)
		if err != nil {
			return err
		}
		defer c.key.Wipe()
		return f(c.key)
	})
}

// WithKeyOf calls f with the key of a wallet whose address is known from elsewhere. It
// refuses the key of another address with a [ForeignKeyError]: somebody has put another
// key in its place. The key exists only during the call; see withKey.
func (k *Keystore) WithKeyOf(wallet string, expected Address, f func(*PrivateKey) error) error {
	return k.withKey(wallet, func(key *PrivateKey) error {
		if key.Address() != expected {
			return &ForeignKeyError{wallet, expected, key.Address()}
		}
		return f(key)
	})
}

// Check decrypts every blob and returns the problems by wallet; empty means that
// all is well. An unexpected file is a problem under its name. The error reports
// that the check was impossible, or that others have access to the folder.
func (k *Keystore) Check() (map[string]error, error) {
	if err := k.judgeDir(); err != nil {
		return nil, err
	}
	found, strange, err := k.places()
	if err != nil {
		return nil, err
	}
	problems := map[string]error{}
	for _, name := range strange {
		problems[name] = strangeName(name)
	}
	for _, p := range found {
		if _, err := k.Address(p.wallet); err != nil {
			problems[p.wallet] = err
		}
	}
	return problems, nil
}
