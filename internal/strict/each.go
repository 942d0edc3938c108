package strict

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"pets/domain"
)

// pieceBytes is how much of a body [Each] reads at a time. A longer element is read whole.
const pieceBytes = 32 << 10

var pieces = sync.Pool{New: func() any { return &[pieceBytes]byte{} }}

// Each reads an object with one field, which is an array of objects, while it arrives, and
// calls do with each element, in order, up to the first that is wrong. Neither the array nor the body is ever held whole. An element,
// and the raw values in it, are valid only during the call. count is the number of elements.
//
// Errors are those of reading, and those that [Decode] has for the whole body. (Of an element
// that is not JSON, and wrong in another way before that, the former is reported.) An error
// may follow after elements for which do was called: nothing may be done with them before
// Each has returned. The caller limits the length of the body.
func Each[T any](body io.Reader, name string, do func(i int, element *T)) (count int, err error) {
	var element T
	v := reflect.ValueOf(&element).Elem()
	piece, _ := pieces.Get().(*[pieceBytes]byte)
	defer pieces.Put(piece)
	p := &parts{
		in: body, name: name, form: formOf(v.Type()), shape: shapeOf(v.Type()), element: v,
		do: func(i int) { do(i, &element) }, buffer: piece[:],
	}
	err = p.read()
	if p.failed != nil {
		err = p.failed
	}
	return p.count, err
}

// parts is a body that is read by [Each].
type parts struct {
	in      io.Reader
	name    string // of the field
	form    *form
	shape   *shape
	element reflect.Value
	do      func(i int)

	// The bytes at hand are buffer[:held]. Those before them, offset in all, are done with.
	buffer []byte
	held   int
	offset int64
	ended  bool  // nothing follows
	failed error // because reading failed

	stage stage
	count int
	// Of the general way: placeholder stands in the array for the elements that were read
	// before, and wrong is the first error of a type.
	placeholder bool
	wrong       error
}

// stage says what comes next in a body.
type stage int

const (
	theStart stage = iota
	theElements
	theBrace // that ends the object
	theEnd
)

// read reads the body in its plain form. What is not plain is left to the general way, from
// the element on in which it is found.
func (p *parts) read() error {
	for {
		r := plain{body: p.buffer[:p.held], borrows: true}
		r.next() // white space is not kept
		done := r.at
		for p.step(&r) {
			r.next()
			done = r.at
		}
		exhausted := r.exhausted()
		p.drop(done)
		switch {
		case p.ended && p.stage == theEnd && p.held == 0:
			return nil
		case p.ended || !exhausted:
			return p.general()
		}
		if p.fill(); p.failed != nil {
			return p.failed
		}
	}
}

// exhausted reports that a step may have failed because the bytes at hand ended.
func (r *plain) exhausted() bool { return r.at+len("false") > len(r.body) }

// step reads what comes next. It returns false if that is not plain, or not all there.
func (p *parts) step(r *plain) bool {
	switch p.stage {
	case theStart:
		name, ok := "", r.take('{')
		if ok {
			var text []byte
			text, ok = r.text()
			name = string(text)
		}
		if !ok || name != p.name || !r.take(':') || !r.take('[') {
			return false
		}
		p.stage = theElements
	case theElements:
		if r.take(']') {
			p.stage = theBrace
			return true
		}
		if p.count > 0 && !r.take(',') {
			return false
		}
		p.element.SetZero()
		if !r.object(p.form, p.element, nil) {
			return false
		}
		p.do(p.count)
		p.count++
	case theBrace:
		if !r.take('}') {
			return false
		}
		p.stage = theEnd
	default:
		return false
	}
	return true
}

// drop forgets the first n bytes at hand.
func (p *parts) drop(n int) {
	p.held = copy(p.buffer, p.buffer[n:p.held])
	p.offset += int64(n)
}

// fill reads until the buffer is full, or the body ends. A buffer that is full already has
// no whole element, and becomes twice as large: so an element is looked at a few times, in
// however small pieces it arrives.
func (p *parts) fill() {
	if p.held == len(p.buffer) {
		p.buffer = append(p.buffer, make([]byte, len(p.buffer))...)
	}
	for p.held < len(p.buffer) && !p.ended {
		n, err := p.in.Read(p.buffer[p.held:])
		p.held += n
		p.end(err)
	}
}

func (p *parts) end(err error) {
	if err == nil {
		return
	}
	p.ended = true
	if !errors.Is(err, io.EOF) {
		p.failed = err
	}
}

// Read reads the rest of the body, for the general way.
func (p *parts) Read(b []byte) (int, error) {
	if p.ended {
		return 0, io.EOF
	}
	n, err := p.in.Read(b)
	p.end(err)
	return n, err
}

// general reads the rest of the body in the general way. It gets a beginning that stands for
// what was read before.
func (p *parts) general() error {
	before := ""
	switch p.stage {
	case theStart:
	case theElements:
		before = fmt.Sprintf(`{%q:[`, p.name)
		if p.placeholder = p.count > 0; p.placeholder {
			before += "0"
		}
	case theBrace:
		before = fmt.Sprintf(`{%q:[]`, p.name)
	case theEnd:
		before = fmt.Sprintf(`{%q:[]}`, p.name)
	}
	dec := &decoder{
		jsontext.NewDecoder(io.MultiReader(strings.NewReader(before), bytes.NewReader(p.buffer[:p.held]), p)),
		p.offset - int64(len(before)),
	}
	whole := &shape{fields: map[string]field{p.name: {required: true, instead: []string{""}, shape: &shape{elem: p.shape, parts: p}}}}
	if err := whole.only(dec); err != nil {
		return err
	}
	return p.wrong
}

// next reads one element in the general way.
func (p *parts) next(dec *decoder, path string) error {
	raw, err := dec.ReadValue()
	switch {
	case err != nil:
		return syntaxError(err)
	case p.placeholder:
		p.placeholder = false
		return nil
	}
	inside := &decoder{jsontext.NewDecoder(bytes.NewBuffer(raw)), dec.InputOffset() - int64(len(raw))}
	if err := p.shape.walk(inside, fmt.Sprintf("%s[%d]", path, p.count)); err != nil {
		return err
	}
	if p.wrong == nil { // after a wrong element, only form is looked at
		p.element.SetZero()
		if err := json.Unmarshal(raw, p.element.Addr().Interface()); err == nil {
			p.do(p.count)
		} else {
			p.wrong = typeError(err, fmt.Sprintf("%s.%d", path, p.count))
		}
	}
	p.count++
	return nil
}

// notArray notes a field that holds something else.
func (p *parts) notArray(path string) {
	if p.wrong == nil {
		p.wrong = domain.Invalid(path, "must be an array")
	}
}

// decoder is a [jsontext.Decoder] of which the input begins at another byte of the body.
type decoder struct {
	*jsontext.Decoder
	shift int64
}

// InputOffset is in the body.
func (d *decoder) InputOffset() int64 { return d.Decoder.InputOffset() + d.shift }

// ReadToken returns errors with their place in the body.
func (d *decoder) ReadToken() (jsontext.Token, error) {
	t, err := d.Decoder.ReadToken()
	return t, d.shifted(err)
}

// ReadValue returns errors with their place in the body.
func (d *decoder) ReadValue() (jsontext.Value, error) {
	v, err := d.Decoder.ReadValue()
	return v, d.shifted(err)
}

// SkipValue returns errors with their place in the body.
func (d *decoder) SkipValue() error { return d.shifted(d.Decoder.SkipValue()) }

func (d *decoder) shifted(err error) error {
	var s *jsontext.SyntacticError
	if d.shift == 0 || !errors.As(err, &s) {
		return err
	}
	moved := *s
	moved.ByteOffset += d.shift
	return &moved
}
