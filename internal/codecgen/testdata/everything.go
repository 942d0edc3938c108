package domain

import (
	"encoding/json"
	"time"
)

const everythingType = "all.forms.v2"

type word string

type whole int

type yes bool

type grain struct {
	Weight Decimal `json:"weight"`
}

func (g grain) IsZero() bool { return g.Weight == One }

type inner struct {
	Bot   string `json:"bot,omitempty"`
	Grain grain  `json:"grain,omitzero"`
}

// Deepest and Outer are embedded, and Outer embeds.
type Deepest struct {
	Venue string `json:"venue,omitempty"`
}

type Outer struct {
	Deepest
	Bot2 string `json:"bot"`
}

// everything has every form of field that the generator knows.
type everything struct {
	Outer
	Plain   string
	Left    string             `json:"-"`
	Word    word               `json:"word,omitempty"`
	Words   []word             `json:"words"`
	Whole   whole              `json:"whole,omitzero"`
	Count   uint64             `json:"count,omitempty"`
	Yes     yes                `json:"yes,omitempty"`
	Yeses   []*bool            `json:"yeses,omitzero"`
	Amount  Decimal            `json:"amount,omitempty"`
	Wait    Duration           `json:"wait,omitempty"`
	Waits   []Duration         `json:"waits"`
	At      time.Time          `json:"at,omitempty"`
	Times   []time.Time        `json:"times"`
	Until   *time.Time         `json:"until"`
	Raw     json.RawMessage    `json:"raw"`
	Raws    []json.RawMessage  `json:"raws,omitempty"`
	Grain2  *grain             `json:"grain2"`
	Inner   inner              `json:"inner,omitzero"`
	Inners  []inner            `json:"inners,omitempty,omitzero"`
	Lists   [][]int            `json:"lists"`
	Prices  map[string]Decimal `json:"prices"`
	Notes   map[string]word    `json:"notes,omitzero"`
	Byname  []map[string]bool  `json:"byname"`
	Nowhere struct{}           `json:"-"`
}

// EventType implements Event.
func (e *everything) EventType() string { return typeOf(e) }

type everythingV1 struct {
	Plain string `json:"plain"`
}

func upEverything(old *everythingV1) *everything { return &everything{Plain: old.Plain} }
