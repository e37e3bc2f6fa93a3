package matrix

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestParseEngine(t *testing.T) {
	for _, tt := range []struct {
		text, match string
		words       []string // nil for an error
		err         string
	}{
		{"cat {pcap}", "x", []string{"cat", "{pcap}"}, ""},
		{`sh -c 'cat "{pcap}"' "a b" c"d e"`, "x", []string{"sh", "-c", `cat "{pcap}"`, "a b", "cd e"}, ""},
		{"cat {pcap}", "", nil, "what does it print of SSTP?"},
		{"cat", "x", nil, "is none of tshark, "},
		{"cat {pcap}", "(", nil, "--match: error parsing regexp"},
		{`cat {pcap} "`, "x", nil, `a quote " is not closed`},
		{"", "x", nil, "it is empty"},
		{"no-such-program {pcap}", "x", nil, "no-such-program is not installed here"},
	} {
		e, err := ParseEngine(tt.text, tt.match)
		switch {
		case tt.words == nil && (err == nil || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("%q: %v, want %q", tt.text, err, tt.err)
		case tt.words != nil && (err != nil || !slices.Equal(e.Command, tt.words)):
			t.Errorf("%q: %q, %v", tt.text, e.Command, err)
		}
	}
}

// An engine is given the capture, and what it prints, or writes, is looked through.
func TestEngine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a b.pcap")
	if err := os.WriteFile(file, []byte("there is sstp in it"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		command, match, output string
		found                  bool
		detail, err            string
	}{
		{"cat {pcap}", "ss.p", "", true, "sstp", ""},
		{"cat {keyed}", "nothing", "", false, "", ""},
		{"cp {pcap} {dir}/out.log", "ss.p", "*.log", true, "sstp", ""},
		{"cp {pcap} out.log", "ss.p", "*.log", true, "sstp", ""},
		{"sh -c 'echo so it is >&2; exit 3' {pcap}", "x", "", false, "", "sh: exit status 3: so it is"},
	} {
		e, err := ParseEngine(tt.command, tt.match)
		if err != nil {
			t.Fatal(err)
		}
		e.Output = tt.output
		f := e.judge(t.Context(), file, file)
		if f.Found != tt.found || f.Detail != tt.detail || f.Error != tt.err || f.Judge != e.Name {
			t.Errorf("%s: %+v", tt.command, f)
		}
	}
}

// Wireshark reads what is recorded, and finds SSTP where it has the secrets.
func TestTshark(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	var engines []Engine
	for _, name := range []string{"tshark", "tshark+keys"} {
		e, err := ParseEngine(name, "")
		if err != nil {
			t.Fatal(err)
		}
		engines = append(engines, e)
	}
	r := runCells(t, Options{Engines: engines}, cell("sstpc", "softether", "1.3", "padding-both-32", Direct, ""), cell("go", benignServer, "1.3", None, Direct, "https-one"))
	for i := range r.Cells {
		c := &r.Cells[i]
		plain, keyed := c.Finding("tshark"), c.Finding("tshark+keys")
		if plain.Error != "" || keyed.Error != "" || plain.Found || keyed.Found != c.SSTP {
			t.Errorf("%s: without keys %+v, with %+v", c.ID, plain, keyed)
		}
	}
	if s := r.Scores[3]; s.Judge != "tshark+keys" || s.TruePositives != 1 || s.TrueNegatives != 1 {
		t.Errorf("%+v", r.Scores)
	}
}
