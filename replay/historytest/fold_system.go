package historytest

import (
	"time"

	"pets/domain"
	"pets/domain/keys"
	"pets/domain/system"
	"pets/eventstore"
)

var zero time.Time

// systemFold is the fold of the system stream. Its state is queried for
// everything that the stream has named.
type systemFold struct {
	s                          *system.State
	claimed, sealed, rotations map[string]bool
}

func (f *systemFold) Apply(rec eventstore.Record) error {
	event, err := domain.Decode(rec.Type, rec.Data)
	if err != nil {
		return err
	}
	if _, err := domain.DecodeMetadata(rec.Metadata); err != nil {
		return err
	}
	f.s.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, event)
	switch e := event.(type) {
	case *domain.WalletClaimed:
		f.claimed[e.Address] = true
	case *domain.KeyRotationStarted:
		f.rotations[e.Rotation] = true
	case *domain.KeyReencrypted:
		f.sealed[e.Wallet] = true
	}
	return nil
}

func (f *systemFold) State() (any, error) {
	encryption := f.s.Encryption()
	issued := map[string]system.Key{}
	hashes := map[string]string{}
	for _, k := range f.s.Keys() {
		issued[k.ID] = k
		if live, ok := f.s.ByHash(k.Hash); ok {
			hashes[k.Hash] = live.ID
		}
	}
	claims, sealed, rotations := map[string]keys.Claim{}, map[string]string{}, map[string]keys.Rotation{}
	for address := range f.claimed {
		claims[address], _ = encryption.ClaimOf(address)
	}
	for wallet := range f.sealed {
		sealed[wallet], _ = encryption.SealedUnder(wallet)
	}
	for name := range f.rotations {
		rotations[name], _ = encryption.Rotation(name)
	}
	open, _ := encryption.Open()
	last, _ := encryption.LastCompleted()
	since, _ := encryption.Since()
	return map[string]any{
		"next": f.s.Next, "time": f.s.Time, "keys": issued, "live": hashes, "claims": claims, "sealed": sealed,
		"rotations": rotations, "open": open.Name, "completed": last.Name, "latest": encryption.Latest(), "since": since,
	}, nil
}

// Views is empty: the state has everything.
func (f *systemFold) Views() (any, error) { return map[string]any{}, nil }
