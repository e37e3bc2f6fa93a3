package export_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sstpwarden/rules"
)

// suricataConfig is no more than the rules need.
const suricataConfig = `%%YAML 1.1
---
default-log-dir: %[1]s
default-rule-path: %[1]s
rule-files: []
classification-file: %[1]s/classification.config
reference-config-file: %[1]s/reference.config
threshold-file: %[1]s/threshold.config
outputs:
  - fast: {enabled: yes, filename: fast.log}
stream: {midstream: false}
app-layer:
  protocols:
    http: {enabled: yes}
    tls:
      enabled: yes
      encryption-handling: full
      ja3-fingerprints: yes
      ja4-fingerprints: yes
`

const classification = `config classification: policy-violation,Potential Corporate Privacy Violation,1
config classification: misc-activity,Misc activity,3
`

var alerted = regexp.MustCompile(`SSTP ([a-z0-9_.]+):`)

// TestSuricata has Suricata take the rules, and says which of them hold of
// captures. Debian has it outside of its stable part, so that CI may not have it.
func TestSuricata(t *testing.T) {
	suricata, err := exec.LookPath("suricata")
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	write(t, dir, "classification.config", classification)
	write(t, dir, "reference.config", "")
	write(t, dir, "threshold.config", "")
	conf := write(t, dir, "suricata.yaml", fmt.Sprintf(suricataConfig, dir))
	all, err := rules.Load("testdata/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	main := write(t, dir, "sstp.rules", exported(t, "suricata", rules.Default()))
	for _, path := range []string{main, write(t, dir, "all.rules", exported(t, "suricata", all)), write(t, dir, "own.rules", exported(t, "suricata", load(t, own)))} {
		out, err := run(t, suricata, "-T", "-c", conf, "-l", dir, "-S", path)
		if err != nil || strings.Contains(out, "E: ") || strings.Contains(out, "W: detect") {
			t.Errorf("%v\n%s", err, out)
		}
	}
	for capture, want := range map[string]string{
		"positive/se-tls13-idle75":           "tls.control_lengths tls.server_softether",
		"positive/se-tls12-AES256GCM-idle40": "tls.control_lengths tls.server_softether",
		"positive/se-tls12-CHACHA-ping":      "tls.control_lengths tls.server_softether",
		"positive/ac-tls13-idle70":           "tls.control_lengths",
		"positive/ac-tls13-proxy-squid":      "connect.client_sstpc connect.sstpversion",
		"negative/ppp-over-tls13-socat":      "",
		"negative/connect-proxy-curl":        "",
		"negative/echo-s_client-443sizes":    "",
		"negative/accel-curl-visit":          "",
		"negative/wss-chatty-tls13":          "",
	} {
		path := filepath.Join("../../pcaps/testdata", capture+".pcap")
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
			continue
		}
		logs := t.TempDir()
		if out, err := run(t, suricata, "-c", conf, "-l", logs, "-k", "none", "-S", main, "-r", path); err != nil {
			t.Errorf("%s: %v\n%s", capture, err, out)
			continue
		}
		text, err := os.ReadFile(filepath.Join(logs, "fast.log"))
		if err != nil {
			t.Error(err)
		}
		var got []string
		for _, m := range alerted.FindAllStringSubmatch(string(text), -1) {
			got = append(got, m[1])
		}
		slices.Sort(got)
		if s := strings.Join(slices.Compact(got), " "); s != want {
			t.Errorf("%s: %q hold, want %q", capture, s, want)
		}
	}
}
