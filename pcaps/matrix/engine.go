package matrix

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"sstpwarden/policies/nearest"
)

const (
	// engineTime bounds what an engine takes for one capture, if it does not say itself.
	engineTime = 2 * time.Minute
	// maxLate is how often an engine may take longer before it is not asked any more.
	maxLate = 3
)

// An Engine is a program that judges captures offline.
type Engine struct {
	Name string
	// Command is run for each capture, in an empty folder of its own. Of its words,
	// {pcap} stands for the capture without secrets (pcap), {keyed} for the same with
	// them (pcapng), and {dir} for the folder.
	Command []string
	// Match finds SSTP in what the command prints, or in the file Output of its folder
	// if that is set.
	Match  *regexp.Regexp
	Output string
	// Timeout bounds what it takes for one capture, 0 for two minutes. An engine that
	// takes longer three times is not asked any more.
	Timeout time.Duration

	late *atomic.Int32 // how often it took longer
}

// known are engines that need no more than their name. What they match is what each calls
// SSTP; where one has no such name, what an admin could act on.
var known = []struct {
	name, about string
	command     []string
	match       string
	output      string
}{
	{"tshark", "Wireshark's dissectors, without secrets", []string{"tshark", "-r", "{pcap}", "-Y", "sstp", "-T", "fields", "-e", "frame.number"}, `\d`, ""},
	{"tshark+keys", "the same with the secrets of TLS", []string{"tshark", "-r", "{keyed}", "-Y", "sstp", "-T", "fields", "-e", "frame.number"}, `\d`, ""},
	{"ndpiReader", "nDPI: a protocol called SSTP", []string{"ndpiReader", "-i", "{pcap}", "-v", "2"}, `(?i)\bsstp\b`, ""},
	{"ndpiReader-risk", "nDPI: the risk \"TLS (probably) Not Carrying HTTPS\"", []string{"ndpiReader", "-i", "{pcap}", "-v", "2"}, `TLS \(probably\) Not Carrying HTTPS`, ""},
	{"suricata", "Suricata with the rules that it is installed with", []string{"suricata", "-r", "{pcap}", "-l", "{dir}", "-k", "none"}, `(?i)"signature":"[^"]*sstp`, "eve.json"},
	{"snort", "Snort 3 with its own detectors", []string{"snort", "-r", "{pcap}", "-A", "alert_fast", "-q", "-k", "none"}, `(?i)sstp`, ""},
	{"zeek", "Zeek: a service or a notice called SSTP", []string{"zeek", "-C", "-r", "{pcap}", "LogAscii::use_json=T"}, `(?i)sstp`, "*.log"},
}

// KnownEngines returns the engines that have a name, what each goes by, and whether it is
// installed here.
func KnownEngines() (names, about []string, installed []bool) {
	for _, k := range known {
		_, err := exec.LookPath(k.command[0])
		names, about, installed = append(names, k.name), append(about, k.about), append(installed, err == nil)
	}
	return names, about, installed
}

// ParseEngine reads an engine: the name of a known one, or a command with {pcap} or {keyed}
// in it, then with what it prints of SSTP. Words of a command are parted by spaces; single
// and double quotes keep some together.
func ParseEngine(text, match string) (Engine, error) {
	for _, k := range known {
		if k.name == text {
			if _, err := exec.LookPath(k.command[0]); err != nil {
				return Engine{}, fmt.Errorf("engine %s: %s is not installed here", k.name, k.command[0])
			}
			if match == "" {
				match = k.match
			}
			re, err := regexp.Compile(match)
			if err != nil {
				return Engine{}, fmt.Errorf("engine %s: %w", k.name, err)
			}
			return Engine{Name: k.name, Command: k.command, Match: re, Output: k.output, late: new(atomic.Int32)}, nil
		}
	}
	command, err := splitWords(text)
	switch {
	case err != nil:
		return Engine{}, fmt.Errorf("engine %q: %w", text, err)
	case !strings.Contains(text, "{pcap}") && !strings.Contains(text, "{keyed}"):
		names, _, _ := KnownEngines()
		if w := nearest.Word(text, names); w != "" {
			return Engine{}, fmt.Errorf("engine %q is not known: did you mean %s?", text, w)
		}
		return Engine{}, fmt.Errorf("engine %q is none of %s, and no command: that has {pcap} in it", text, join(names))
	case match == "":
		return Engine{}, fmt.Errorf("engine %q: what does it print of SSTP? Say so with --match REGEX", text)
	}
	re, err := regexp.Compile(match)
	if err != nil {
		return Engine{}, fmt.Errorf("engine %q: --match: %w", text, err)
	}
	if _, err := exec.LookPath(command[0]); err != nil {
		return Engine{}, fmt.Errorf("engine %q: %s is not installed here", text, command[0])
	}
	return Engine{Name: filepath.Base(command[0]), Command: command, Match: re, late: new(atomic.Int32)}, nil
}

// splitWords parts a command's words.
func splitWords(text string) ([]string, error) {
	var out []string
	var word strings.Builder
	quote, in := rune(0), false
	for _, r := range text {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '"' || r == '\'':
			quote, in = r, true
		case r == ' ' || r == '\t' || r == '\n':
			if in {
				out = append(out, word.String())
				word.Reset()
			}
			in = false
		default:
			word.WriteRune(r)
			in = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("a quote %c is not closed", quote)
	}
	if in {
		out = append(out, word.String())
	}
	if len(out) == 0 {
		return nil, errors.New("it is empty")
	}
	return out, nil
}

// judge runs the engine on a capture.
func (e *Engine) judge(ctx context.Context, plain, keyed string) Finding {
	f := Finding{Judge: e.Name}
	limit := cmp.Or(e.Timeout, engineTime)
	if e.late.Load() >= maxLate {
		f.Error = fmt.Sprintf("%s was not asked: it took more than %v for each of %d captures", e.Command[0], limit, maxLate)
		return f
	}
	dir, err := os.MkdirTemp("", "sstplab-engine-")
	if err != nil {
		f.Error = err.Error()
		return f
	}
	defer func() { _ = os.RemoveAll(dir) }() // it is temporary
	replace := strings.NewReplacer("{pcap}", absolute(plain), "{keyed}", absolute(keyed), "{dir}", dir)
	args := make([]string, len(e.Command))
	for i, a := range e.Command {
		args[i] = replace.Replace(a)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	cmd.WaitDelay = time.Second
	// A shell's children end with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		switch last := lastLine(stderr.String()); {
		case errors.Is(ctx.Err(), context.DeadlineExceeded):
			e.late.Add(1)
			f.Error = fmt.Sprintf("%s: it takes more than %v", args[0], limit)
		case last == "":
			f.Error = fmt.Sprintf("%s: %v", args[0], err)
		default:
			f.Error = fmt.Sprintf("%s: %v: %s", args[0], err, last)
		}
		return f
	}
	text := stdout.Bytes()
	if e.Output != "" {
		if text, err = outputs(dir, e.Output); err != nil {
			f.Error = err.Error()
			return f
		}
	}
	if m := e.Match.Find(text); m != nil {
		f.Found, f.Detail = true, strings.TrimSpace(string(m[:min(len(m), 200)]))
	}
	return f
}

// outputs reads the files of a folder that match.
func outputs(dir, pattern string) ([]byte, error) {
	files, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		return nil, err
	}
	const most = 64 << 20
	var all []byte
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		b, err := io.ReadAll(io.LimitReader(file, most))
		_ = file.Close() // it was only read
		if err != nil {
			return nil, err
		}
		all = append(all, b...)
	}
	return all, nil
}

func absolute(path string) string {
	if a, err := filepath.Abs(path); err == nil {
		return a
	}
	return path
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
