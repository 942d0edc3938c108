package commands

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"

	"pets/domain"
)

// secret is a signature that is not released yet.
type secret struct {
	custody         *Custody
	portfolio, bot  string
	wallet, address string
	digest          [32]byte
	wanted, made    bool
	signature       [65]byte
}

// make signs. A key of another address engages the emergency stop.
func (s *secret) make(ctx context.Context) error {
	var err error
	s.signature, err = s.custody.sign(ctx, s.portfolio, s.wallet, s.address, s.digest)
	s.made = err == nil
	return err
}

// text is what is given away: 0x, r, s and v of 27 or 28, as wallets do.
func (s *secret) text() string {
	out := s.signature
	defer clear(out[:])
	out[64] += 27
	return "0x" + hex.EncodeToString(out[:])
}

func (s *secret) wipe() { clear(s.signature[:]) }

// sign opens the key for one signature.
func (c *Custody) sign(ctx context.Context, id, wallet, address string, digest [32]byte) ([65]byte, error) {
	signature, err := c.o.Signer.Sign(ctx, wallet, address, digest)
	if err != nil {
		clear(signature[:])
	}
	return signature, c.foreign(ctx, id, wallet, err)
}

// foreign engages the emergency stop where somebody has exchanged a key.
func (c *Custody) foreign(ctx context.Context, id, wallet string, err error) error {
	if !errors.Is(err, ErrForeignKey) {
		return err
	}
	c.breach(ctx, id, "the key of wallet "+wallet+" is that of another address")
	return &domain.Error{Code: domain.CodeHalted, Message: "the key of wallet " + wallet + " is that of another address; the emergency stop is engaged", Cause: ErrForeignKey}
}

func parseDigest(text string) (digest [32]byte, err error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(digest) || text != strings.ToLower(text) {
		return digest, domain.Invalid("digest", "must be 64 lower-case hex digits")
	}
	copy(digest[:], b)
	return digest, nil
}
