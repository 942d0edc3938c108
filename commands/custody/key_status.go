package custody

import (
	"context"
	"maps"
	"slices"
	"time"

	"pets/domain"
	"pets/domain/keys"
)

// KeyStatus is the status of the encryption keys, according to the files and to the
// stream.
type KeyStatus struct {
	// Current is the id of the key that seals now.
	Current string `json:"current"`
	// InUse has every key that a wallet is sealed under now, sorted by id. A retired key
	// that is not in it is no longer needed, unless a rotation is open.
	InUse []KeyUse `json:"in_use"`
	// Open is the rotation under way, or absent.
	Open *OpenRotation `json:"open_rotation,omitempty"`
	// LastCompleted is the rotation that was completed last, or absent.
	LastCompleted *CompletedRotation `json:"last_completed,omitempty"`
	// Since is when the age of the key began to count: when the last rotation to
	// another key was completed or, before any, when a rotation was first started
	// or a wallet first claimed. It is null if no key is known.
	Since *time.Time `json:"since"`
	// Age is the time since then, such as 2160h0m0s; 0s if no key is known.
	Age domain.Duration `json:"age"`
	// DueAt is 90 days after Since.
	DueAt *time.Time `json:"due_at"`
	// Due reports that a rotation is due: the age is 90 days or more.
	Due bool `json:"due"`
}

// KeyUse is one encryption key and the wallets sealed under it, sorted.
type KeyUse struct {
	Key     string   `json:"key"`
	Wallets []string `json:"wallets"`
}

// OpenRotation is a rotation that was started and not completed.
type OpenRotation struct {
	Rotation  string    `json:"rotation"`
	To        string    `json:"to"`
	Reason    string    `json:"reason,omitempty"`
	StartedAt time.Time `json:"started_at"`
	// Total counts the wallets it set out to re-encrypt; Left are those whose
	// re-encryption is not recorded yet.
	Total int      `json:"total"`
	Left  []string `json:"left"`
}

// CompletedRotation is a rotation that is over.
type CompletedRotation struct {
	Rotation    string    `json:"rotation"`
	To          string    `json:"to"`
	CompletedAt time.Time `json:"completed_at"`
}

// KeyStatus returns the current status of the encryption keys. It changes nothing and
// opens no blob.
func (c *Custodian) KeyStatus(ctx context.Context) (KeyStatus, error) {
	if c.o.Sealer == nil {
		return KeyStatus{}, errNoSigner
	}
	state, err := c.engine.SystemState(ctx)
	if err != nil {
		return KeyStatus{}, err
	}
	under, err := c.o.Sealer.SealedUnder()
	if err != nil {
		return KeyStatus{}, errKeystore(err)
	}
	status := KeyStatus{Current: c.o.Sealer.Current(), InUse: keysInUse(under)}
	status.add(state.Encryption(), c.engine.WallClock())
	return status, nil
}

// keysInUse sorts the keystore's list, without keys that have no wallets.
func keysInUse(under map[string][]string) []KeyUse {
	used := make([]KeyUse, 0, len(under))
	for _, id := range slices.Sorted(maps.Keys(under)) {
		if len(under[id]) > 0 {
			used = append(used, KeyUse{id, slices.Sorted(slices.Values(under[id]))})
		}
	}
	return used
}

// add adds what the stream knows.
func (s *KeyStatus) add(k *keys.State, now time.Time) {
	if r, under := k.Open(); under {
		s.Open = &OpenRotation{
			Rotation: r.Name, To: r.To, Reason: r.Reason, StartedAt: r.StartedAt, Total: len(r.Wallets), Left: append([]string{}, r.Left...),
		}
	}
	if r, any := k.LastCompleted(); any {
		s.LastCompleted = &CompletedRotation{r.Name, r.To, *r.CompletedAt}
	}
	if since, known := k.Since(); known {
		due := since.Add(keys.RotateEvery)
		s.Since, s.DueAt = &since, &due
	}
	s.Age, s.Due = domain.Duration(k.Age(now)), k.Due(now)
}
