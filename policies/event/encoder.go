package event

import (
	"encoding/json"
	"fmt"
	"io"
)

// An Encoder writes events as JSON lines, one Write of w for each. It is not
// safe for concurrent use.
type Encoder struct{ json *json.Encoder }

// NewEncoder makes an Encoder that writes to w.
func NewEncoder(w io.Writer) *Encoder {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false) // lines are for people too, who search for "<" as it stands
	return &Encoder{json: enc}
}

// Event writes e.
func (enc *Encoder) Event(e *Event) error {
	if err := enc.json.Encode(e); err != nil {
		return fmt.Errorf("writing event: %w", err)
	}
	return nil
}

// Summary writes s.
func (enc *Encoder) Summary(s *Summary) error {
	if err := enc.json.Encode(s); err != nil {
		return fmt.Errorf("writing summary: %w", err)
	}
	return nil
}
