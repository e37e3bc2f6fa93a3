package event

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// MaxLine is how many bytes a line may have that a Decoder reads.
const MaxLine = 4 << 20

// A Decoder reads events and summaries from JSON lines, as an [Encoder] wrote
// them. It is not safe for concurrent use.
type Decoder struct {
	r    *bufio.Reader
	buf  []byte
	line int
}

// NewDecoder makes a Decoder that reads from r, ahead of what it returns.
func NewDecoder(r io.Reader) *Decoder {
	return &Decoder{r: bufio.NewReaderSize(r, 64<<10)}
}

// A LineError says what is wrong with a line.
type LineError struct {
	Line int // from 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

func (e *LineError) Unwrap() error { return e.Err }

// Next returns what the next line holds, an Event or a Summary; the other is
// nil. Blank lines count and are passed over. At the end the error is io.EOF.
//
// A line that is not one of the two, or has a field that is not known here, is a
// *LineError; Next may be called again and goes on behind it. Other errors are
// the reader's.
func (d *Decoder) Next() (*Event, *Summary, error) {
	for {
		line, err := d.readLine()
		if len(line) > 0 {
			e, s, bad := decodeLine(line)
			if bad != nil {
				bad = &LineError{d.line, bad}
			}
			return e, s, bad
		}
		if err != nil {
			return nil, nil, err
		}
	}
}

// errTooLong is about a line of more than MaxLine bytes.
var errTooLong = fmt.Errorf("more than %d MiB: is this the output of audit --format json?", MaxLine>>20)

// readLine returns the next line, without the white space around it.
func (d *Decoder) readLine() ([]byte, error) {
	d.buf = d.buf[:0]
	d.line++
	tooLong := false
	for {
		part, err := d.r.ReadSlice('\n')
		if len(d.buf)+len(part) > MaxLine+1 {
			tooLong = true
		}
		if !tooLong {
			d.buf = append(d.buf, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && !errors.Is(err, io.EOF):
			return nil, fmt.Errorf("reading line %d: %w", d.line, err)
		case tooLong:
			return nil, &LineError{d.line, errTooLong}
		}
		return bytes.TrimSpace(d.buf), err
	}
}

// decodeLine tries an event first: most lines hold one.
func decodeLine(line []byte) (*Event, *Summary, error) {
	var e Event
	failed := decodeStrictly(line, &e)
	if failed == nil && e.EventType == TypeSSTP && e.Version == Version {
		if err := e.check(); err != nil {
			return nil, nil, err
		}
		return &e, nil, nil
	}
	var head struct {
		EventType *string `json:"event_type"`
		Version   *int    `json:"version"`
	}
	if err := json.Unmarshal(line, &head); err != nil {
		if _, ok := errors.AsType[*json.SyntaxError](err); ok {
			return nil, nil, fmt.Errorf("not JSON: %w; is this the output of audit --format json?", err)
		}
		return nil, nil, worded(err)
	}
	switch {
	case head.EventType == nil:
		return nil, nil, errors.New("no event_type: is this the output of audit --format json?")
	case *head.EventType != TypeSSTP && *head.EventType != TypeSummary:
		return nil, nil, fmt.Errorf("event_type is %q: want %s or %s", *head.EventType, TypeSSTP, TypeSummary)
	case head.Version == nil || *head.Version < 1:
		return nil, nil, errors.New("no version")
	case *head.Version != Version:
		return nil, nil, fmt.Errorf("written in version %d of events, and this program reads version %d: use the sstpwarden that wrote it, or a newer one", *head.Version, Version)
	case *head.EventType == TypeSSTP:
		return nil, nil, worded(failed)
	}
	var s Summary
	if err := decodeStrictly(line, &s); err != nil {
		return nil, nil, worded(err)
	}
	return nil, &s, nil
}

// decodeStrictly decodes one JSON value into v. Unknown fields are an error.
func decodeStrictly(line []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if rest := line[dec.InputOffset():]; len(bytes.TrimSpace(rest)) > 0 {
		return fmt.Errorf("%.20q stands behind the event", rest)
	}
	return nil
}

// worded says more of what encoding/json says too little of.
func worded(err error) error {
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &kind) && kind.Field == "":
		return fmt.Errorf("it is a %s, and no object: is this the output of audit --format json?", kind.Value)
	case errors.As(err, &kind):
		return fmt.Errorf("%s cannot be a %s", kind.Field, kind.Value)
	case bytes.Contains([]byte(err.Error()), []byte("unknown field")):
		return fmt.Errorf("%w: was this written by a newer sstpwarden?", err)
	}
	return err
}

// check finds what every event has.
func (e *Event) check() error {
	switch {
	case !e.SrcIP.IsValid():
		return errors.New("no src_ip")
	case !e.DestIP.IsValid():
		return errors.New("no dest_ip")
	case e.Detection.Verdict == 0:
		return errors.New("no verdict in detection")
	}
	return nil
}
