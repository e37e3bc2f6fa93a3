package tlswire_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/tlswire"
)

func TestRecordHeader(t *testing.T) {
	for _, tt := range []struct {
		name string
		b    []byte
		want tlswire.Record
	}{
		{
			"hello", unhex(t, "16", "0301", "0200"),
			tlswire.Record{Type: tlswire.ContentHandshake, Version: tlswire.VersionTLS10, Length: 512},
		},
		{
			"empty", unhex(t, "17", "0303", "0000"),
			tlswire.Record{Type: tlswire.ContentApplicationData, Version: tlswire.VersionTLS12},
		},
		{
			"longest", unhex(t, "18", "0300", "4800"),
			tlswire.Record{Type: tlswire.ContentHeartbeat, Version: tlswire.VersionSSL30, Length: tlswire.MaxFragmentLen},
		},
		{
			"version to be ignored", unhex(t, "14", "03ff", "0001"),
			tlswire.Record{Type: tlswire.ContentChangeCipherSpec, Version: 0x03FF, Length: 1},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, n, err := tlswire.ParseRecordHeader(append(tt.b, 0xFF))
			if err != nil || n != tlswire.RecordHeaderLen {
				t.Fatalf("%d bytes, %v", n, err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("parsed (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.b, tt.want.AppendHeader(nil)); diff != "" {
				t.Errorf("appended (-want +got):\n%s", diff)
			}
			for i := range tt.b {
				if _, _, err := tlswire.ParseRecordHeader(tt.b[:i]); !isEOF(err) {
					t.Errorf("%d bytes: %v", i, err)
				}
			}
		})
	}
}

func TestRecordHeaderErrors(t *testing.T) {
	for _, tt := range []struct {
		name string
		b    []byte
		want tlswire.SyntaxError
		text string
	}{
		{
			"HTTP", []byte("GET / HTTP/1.1"),
			tlswire.SyntaxError{Field: "type", Offset: 0, Value: byte('G')},
			"tlswire: type at offset 0 is 71 (RFC 8446, Section 5.1)",
		},
		{"below the types", unhex(t, "13"), tlswire.SyntaxError{Field: "type", Offset: 0, Value: byte(19)}, ""},
		{"above the types", unhex(t, "19"), tlswire.SyntaxError{Field: "type", Offset: 0, Value: byte(25)}, ""},
		{"SSLv2 hello", unhex(t, "802e 01 0301"), tlswire.SyntaxError{Field: "type", Offset: 0, Value: byte(0x80)}, ""},
		{"major version", unhex(t, "16 02"), tlswire.SyntaxError{Field: "legacy_record_version", Offset: 1, Value: byte(2)}, ""},
		{"DTLS", unhex(t, "16 fefd 0000"), tlswire.SyntaxError{Field: "legacy_record_version", Offset: 1, Value: byte(0xFE)}, ""},
		{"half a length", unhex(t, "17 0303 49"), tlswire.SyntaxError{Field: "length", Offset: 3, Value: byte(0x49)}, ""},
		{"length", unhex(t, "17 0303 4801"), tlswire.SyntaxError{Field: "length", Offset: 3, Value: 0x4801}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, n, err := tlswire.ParseRecordHeader(tt.b)
			tt.want.Section = "RFC 8446, Section 5.1"
			var got *tlswire.SyntaxError
			if !errors.As(err, &got) || n != 0 {
				t.Fatalf("%d bytes, %v", n, err)
			}
			if diff := cmp.Diff(tt.want, *got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if tt.text != "" && got.Error() != tt.text {
				t.Error(got)
			}
		})
	}
}
