package commands

import (
	"context"

	"pets/domain"
)

// RotateKeys seals every key under the current encryption key; see [Engine.RotateKeys].
func (c *Custody) RotateKeys(ctx context.Context, caller domain.Caller, reason string) (RotationReport, error) {
	if c.o.Sealer == nil {
		return RotationReport{}, errNoSigner
	}
	return c.engine.RotateKeys(ctx, caller, c.o.Sealer, reason, nil)
}

// KeyStatus says how the encryption keys stand; see [Engine.KeyStatus].
func (c *Custody) KeyStatus(ctx context.Context) (KeyStatus, error) {
	if c.o.Sealer == nil {
		return KeyStatus{}, errNoSigner
	}
	return c.engine.KeyStatus(ctx, c.o.Sealer, c.o.Now().UTC())
}
