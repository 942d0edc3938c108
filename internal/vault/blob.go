package vault

import (
	"bytes"
	"encoding/hex"
	"encoding/json"

	"github.com/ethereum/go-ethereum/common"
	"github.com/fernet/fernet-go"

	"pets/domain"
)

// A blob is the complete content of a file: pets1:<kid>:<fernet token>.
const (
	blobMark    = "pets1"
	blobVersion = 1 // of the plaintext
	kidLength   = 8
	maxBlob     = 4096 // far above the longest wallet name and path
)

// minToken is the length in bytes of the shortest Fernet token: version, time,
// initial vector, one block, and the authentication code.
const minToken = 1 + 8 + 16 + 16 + 32

// content is the set of values that a blob binds together.
type content struct {
	wallet  string
	address Address
	path    string
	key     *PrivateKey
}

// plaintext is the JSON inside the token. The order of the fields is part of the
// format, since it is read only as it would be written.
type plaintext struct {
	Version int       `json:"version"`
	Wallet  string    `json:"wallet"`
	Address string    `json:"address"` // EIP-55
	Path    string    `json:"path"`
	Key     hexSecret `json:"key"` // last, and never a Go string
}

// hexSecret reads the key's hexadecimal digits in place: encoding/json would copy
// them to a string, which cannot be wiped.
type hexSecret struct{ into *[keyBytes]byte }

// UnmarshalJSON reads "…64 digits…".
func (h *hexSecret) UnmarshalJSON(text []byte) error {
	h.into = new([keyBytes]byte)
	if len(text) != 2*keyBytes+2 {
		return errNotAKey
	}
	if _, err := hex.Decode(h.into[:], text[1:len(text)-1]); err != nil {
		return errNotAKey // the library's error names the invalid digit
	}
	return nil
}

// encodePlain writes the plaintext into bytes that the caller wipes. Wallet,
// address and path hold nothing that JSON would escape.
func encodePlain(c content) ([]byte, error) {
	b := make([]byte, 0, maxBlob)
	b = append(b, `{"version":1,"wallet":"`...)
	b = append(b, c.wallet...)
	b = append(b, `","address":"`...)
	b = append(b, c.address.Hex()...)
	b = append(b, `","path":"`...)
	b = append(b, c.path...)
	b = append(b, `","key":"`...)
	err := c.key.use(func(secret *[keyBytes]byte) error {
		b = hex.AppendEncode(b, secret[:])
		return nil
	})
	return append(b, `"}`...), err
}

// decodePlain reads what encodePlain wrote, and nothing else: it encodes the
// result again and requires the same bytes, so no field can be missing,
// duplicated or unknown. The caller wipes the returned key.
func decodePlain(name string, plain []byte) (content, error) {
	var p plaintext
	err := json.Unmarshal(plain, &p)
	if p.Key.into == nil {
		return content{}, damaged(name, "the decrypted text has no key")
	}
	defer wipe(p.Key.into[:])
	if err != nil || p.Version != blobVersion || domain.CheckID("wallet", p.Wallet) != nil {
		return content{}, damaged(name, "the decrypted text cannot be read")
	}
	if _, err := parsePath(p.Path); err != nil {
		return content{}, damaged(name, "the derivation path cannot be read")
	}
	key, err := newPrivateKey(p.Key.into[:])
	if err != nil {
		return content{}, damaged(name, "the decrypted key is not a key")
	}
	c := content{p.Wallet, common.HexToAddress(p.Address), p.Path, key}
	again, err := encodePlain(c)
	defer wipe(again)
	if err != nil || !bytes.Equal(again, plain) || c.address != key.Address() {
		key.Wipe()
		return content{}, damaged(name, "address, key and text do not agree")
	}
	return c, nil
}

// seal encrypts under the current key.
func (k *Keyring) seal(c content) (blob []byte, err error) {
	plain, err := encodePlain(c)
	defer wipe(plain)
	if err != nil {
		return nil, err
	}
	id := k.Current()
	_, err = k.use(id, func(key *fernet.Key) error {
		token, err := fernet.EncryptAndSign(plain, key)
		blob = append([]byte(blobMark+":"+id+":"), token...)
		return err
	})
	return blob, err
}

// unseal decrypts a blob and checks that it is consistent. The caller checks
// whether it belongs to this wallet. The name is only for errors.
func (k *Keyring) unseal(name, wallet string, blob []byte) (c content, err error) {
	id, token, err := splitBlob(name, blob)
	if err != nil {
		return content{}, err
	}
	found, err := k.use(id, func(key *fernet.Key) error {
		plain := fernet.VerifyAndDecrypt(token, 0, []*fernet.Key{key})
		if plain == nil {
			return damaged(name, "it does not decrypt with key %s", id)
		}
		defer wipe(plain)
		c, err = decodePlain(name, plain)
		return err
	})
	if !found {
		return content{}, &MissingKeyError{Wallet: wallet, KeyID: id}
	}
	return c, err
}

// splitBlob splits a blob without decrypting it. It accepts only the canonical
// form of the token, because the library skips characters that it cannot read.
func splitBlob(name string, blob []byte) (id string, token []byte, err error) {
	mark, rest, _ := bytes.Cut(blob, []byte(":"))
	kid, token, found := bytes.Cut(rest, []byte(":"))
	if !found || string(mark) != blobMark || !isKeyID(kid) {
		return "", nil, damaged(name, "it does not begin with %s:<key id>:", blobMark)
	}
	raw, err := decodeCanonical(token)
	if err != nil || len(raw) < minToken || (len(raw)-minToken)%16 != 0 || raw[0] != 0x80 {
		return "", nil, damaged(name, "it does not hold a Fernet token")
	}
	return string(kid), token, nil
}

func isKeyID(b []byte) bool {
	raw, err := hex.DecodeString(string(b))
	return err == nil && len(b) == kidLength && hex.EncodeToString(raw) == string(b)
}
