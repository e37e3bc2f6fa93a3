package matrix

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A corpus's labels come from its file, or from its folders.
func TestCorpus(t *testing.T) {
	dir := t.TempDir()
	for from, to := range map[string]string{
		"positive/ac-tls12-novj.pcap": "positive/tunnel.pcap",
		"positive/ac-tls12-novj.keys": "positive/tunnel.keys",
		"negative/imaps-tls12.pcap":   "sub/negative/web.pcap",
		"negative/mqtts-pubsub.pcap":  "web-a.pcap",
		"negative/smtps-curl.pcap":    "unknown.pcap",
	} {
		text, err := os.ReadFile("../testdata/" + from)
		if err != nil {
			t.Fatal(err)
		}
		to = filepath.Join(dir, to)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, LabelsFile), []byte("# what is known\nweb-*: negative\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	captures, err := FindCorpus(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range captures {
		got = append(got, c.Name+" "+string(c.Label)+" "+filepath.Base(c.Keys))
	}
	want := "positive/tunnel.pcap positive tunnel.keys|sub/negative/web.pcap negative .|unknown.pcap  .|web-a.pcap negative ."
	if strings.Join(got, "|") != want {
		t.Errorf("found %q", got)
	}
	secrets, err := ParseEngine("grep --text --count -e CLIENT_ -e DONE {keyed} {pcap}", `(?m)keyed:[1-9].*\n.*:0$`)
	if err != nil {
		t.Fatal(err)
	}
	secrets.Command = append([]string{"sh", "-c", `"$@" || true`, "sh"}, secrets.Command...) // grep's status is 1 for none
	r, err := RunCorpus(t.Context(), dir, captures, Options{Engines: []Engine{secrets}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range r.Cells {
		if f := r.Cells[i].Finding(secrets.Name); f == nil || f.Found != (i == 0) || f.Error != "" {
			t.Errorf("%s: an engine that opens TLS finds %+v", r.Cells[i].ID, f)
		}
	}
	if c := r.Counts; c.Right != 3 || c.Skipped != 1 || c.Errors != 0 || r.Scores[0].TruePositives != 1 || r.Scores[0].TrueNegatives != 2 || r.Scores[1].TruePositives != 1 {
		t.Errorf("%+v %+v", c, r.Scores)
	}
	if v := r.Cells[0].Finding(Opened); v == nil || v.Verdict != "confirmed" {
		t.Errorf("with keys %+v", v)
	}
}

func TestLabels(t *testing.T) {
	file := filepath.Join(t.TempDir(), LabelsFile)
	for _, tt := range []struct{ text, want string }{
		{"a: nonsense\n", `:1: "nonsense" is no label`},
		{"- a\n", `:1: write lines such as`},
		{"a: positive\n\"[\": negative\n", `:2: "[" is no pattern`},
		{"a: [\n", ":1: "},
	} {
		if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := loadLabels(file); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %q", tt.text, err, tt.want)
		}
	}
}
