package tlskeys

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sstpwarden/inspect/tlswire"
)

// A taken record is one of a recorded connection.
type taken struct {
	client bool
	tlswire.Record
}

// A recording is connections that were recorded, with their key log.
type recording struct {
	keyLog      string
	connections [][]taken
}

// keys returns what the recording's key log holds.
func (r *recording) keys(t testing.TB) *Keys {
	t.Helper()
	k := &Keys{}
	if _, err := k.AddKeyLog(strings.NewReader(r.keyLog)); err != nil {
		t.Fatal(err)
	}
	return k
}

// load reads a recording from testdata. Its lines are
//
//	# a comment
//	key LINE of the key log
//	n           a connection begins
//	c HEX       a record from the client
//	s HEX       a record from the server
func load(t testing.TB, name string) *recording {
	t.Helper()
	file, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	rec := &recording{}
	lines := bufio.NewScanner(bytes.NewReader(file))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		kind, rest, _ := strings.Cut(lines.Text(), " ")
		switch kind {
		case "key":
			rec.keyLog += rest + "\n"
		case "n":
			rec.connections = append(rec.connections, nil)
		case "c", "s":
			b, err := hex.DecodeString(rest)
			if err != nil {
				t.Fatal(err)
			}
			last := &rec.connections[len(rec.connections)-1]
			*last = append(*last, taken{kind == "c", wholeRecord(t, b)})
		}
	}
	if err := lines.Err(); err != nil || len(rec.connections) == 0 {
		t.Fatalf("reading %s: no connection (%v)", name, err)
	}
	return rec
}

func wholeRecord(t testing.TB, b []byte) tlswire.Record {
	t.Helper()
	r, n, err := tlswire.ParseRecordHeader(b)
	if err != nil || len(b) != n+r.Length {
		t.Fatalf("not one record: %x (%v)", b, err)
	}
	r.Fragment = b[n:]
	return r
}

// opened is what an Opener gave for a connection.
type opened struct {
	Client, Server string // application data
	// Messages is the handshake messages in their order, "c" or "s" in front.
	Messages []string
	Errors   []error
}

// openAll opens a connection, and checks that fragments are left alone.
func openAll(t testing.TB, o *Opener, records []taken) opened {
	t.Helper()
	var got opened
	var client, server tlswire.Handshake
	for i, r := range records {
		before := bytes.Clone(r.Fragment)
		typ, plain, err := o.Open(r.client, r.Record)
		if !bytes.Equal(before, r.Fragment) {
			t.Fatalf("record %d: the fragment was overwritten", i)
		}
		if err != nil {
			got.Errors = append(got.Errors, err)
			continue
		}
		handshake, side, data := &server, "s ", &got.Server
		if r.client {
			handshake, side, data = &client, "c ", &got.Client
		}
		switch typ {
		case tlswire.ContentApplicationData:
			*data += string(plain)
		case tlswire.ContentHandshake:
			handshake.Feed(plain, func(m tlswire.Message) {
				got.Messages = append(got.Messages, side+m.Type.String())
			})
		default:
		}
	}
	return got
}
