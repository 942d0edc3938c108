package live

import "pets/projections"

// loader yields the parts of checkpoints.
type loader interface {
	Load(kind, stream string, atMost uint64) (revision uint64, data []byte)
}

// TypesReader is the name of the reader that is a [projections.Types].
const TypesReader = "the types of the events"

// TypesOf returns the types of the records that the newest checkpoint of a stream covers, or nil
// where there is none that says them.
func TypesOf(all loader, stream string) *projections.Types {
	_, data := all.Load(viewsKind, stream, ^uint64(0))
	if data == nil {
		return nil
	}
	k, err := parseKept(data)
	if err != nil {
		return nil
	}
	for i := range k.readers {
		if k.readers[i].name != TypesReader {
			continue
		}
		types := projections.NewTypes()
		if types.Restore(k.readers[i].data) != nil {
			return nil
		}
		return types
	}
	return nil
}
