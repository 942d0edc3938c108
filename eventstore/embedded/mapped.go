package embedded

import (
	"runtime/debug"
	"sync"
)

// Mapper is a [File] whose bytes can be read from memory. The seam has it as an
// extra: on a file that cannot, or where mapping fails, everything is read by
// ReadAt.
type Mapper interface {
	// Map returns the first size bytes of the file as memory that is only read,
	// and how to let go of it.
	Map(size uint64) (memory []byte, unmap func() error, err error)
}

// mapping is a sealed segment in memory: a read that jumps about, as that of one
// stream among many, then costs no system call. Only sealed segments are mapped:
// their bytes do not change any more.
//
// The file may be made shorter under it by somebody else, or its disk may go
// away. The kernel answers a touch of such memory with a signal that would end
// the process, so every touch is one guarded copy (see copyOut), and one that
// fails is tried again by ReadAt, which says what is the matter.
type mapping struct {
	once  sync.Once
	mu    sync.RWMutex // held for reading while memory is touched
	bytes []byte       // nil: not mapped, or not any more
	unmap func() error
}

// copyOut copies n bytes from an offset of the mapped file into b; false where
// they cannot be had from memory.
func (m *mapping) copyOut(b []byte, file File, size, offset uint64) bool {
	m.once.Do(func() { m.open(file, size) })
	m.mu.RLock()
	defer m.mu.RUnlock()
	if offset+uint64(len(b)) > uint64(len(m.bytes)) {
		return false
	}
	return guardedCopy(b, m.bytes[offset:])
}

func (m *mapping) open(file File, size uint64) {
	mapper, ok := file.(Mapper)
	if !ok || size == 0 {
		return
	}
	if memory, unmap, err := mapper.Map(size); err == nil {
		m.mu.Lock()
		m.bytes, m.unmap = memory, unmap
		m.mu.Unlock()
	}
}

// close lets go of the memory when nobody touches it any more.
func (m *mapping) close() error {
	m.once.Do(func() {}) // nor will it be mapped from now on
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.unmap == nil {
		return nil
	}
	unmap := m.unmap
	m.bytes, m.unmap = nil, nil
	return unmap()
}

// guardedCopy is copy, but reports a memory fault instead of dying of it.
func guardedCopy(to, from []byte) (ok bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			if _, fault := p.(interface{ Addr() uintptr }); !fault {
				panic(p) // a defect of ours is no fault of the disk
			}
			ok = false
		}
	}()
	return copy(to, from) == len(to)
}
