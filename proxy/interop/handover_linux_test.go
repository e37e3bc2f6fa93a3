package interop

import (
	"crypto/tls"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"sstpwarden/pcaps/netlab/labtest"
)

// handed is how much is transferred of which the kernel shall carry nearly all.
const handed = 4 * bulk

// carriers are users of Debian that run nothing else. The kernel grants each user so
// many pages for pipes, and a proxy that gets none copies; what other tests' proxies
// have, or root's programs, is not to count.
var carriers = []string{"games", "news", "uucp"}

// What is settled the kernel carries: of a long download nearly nothing goes through
// the program, as strace sees it.
func TestHandover(t *testing.T) {
	t.Parallel()
	for i, w := range ways[:len(carriers)] {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			p := &passage{lab: newLab(t, "strace"), way: w, ca: labtest.Shared.CA}
			p.warden = p.lab.warden(append(p.flags(), "--user", carriers[i])...)
			p.web()
			trace := p.strace(p.warden.Pid())
			raw, err := p.dialTo(families["IPv4"].server + ":8443")
			if err != nil {
				t.Fatal(err)
			}
			defer raw.Close()
			conn := tls.Client(raw, &tls.Config{ServerName: labtest.Web4Name, RootCAs: p.roots()})
			if _, err := io.WriteString(conn, "GET /endless HTTP/1.1\r\nHost: "+labtest.Web4Name+"\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			if n, err := io.CopyN(io.Discard, conn, handed); err != nil {
				t.Fatalf("%d bytes: %v", n, err)
			}
			_ = raw.Close()
			p.Eventually("the tunnel has ended", func() bool { return p.warden.metric("tunnels") == 0 })
			moved := trace.stop()
			carried := p.warden.metric(`bytes_total{direction="to_client"}`)
			t.Logf("of %.0f bytes %d came to the client by splice, %d by write", carried, moved.spliced, moved.written)
			// A call that strace missed, in a thread just begun, is not the kernel's fault.
			if moved.spliced < handed*9/10 || moved.written > 1<<20 {
				t.Errorf("of %d bytes %d were spliced, and %d written", handed, moved.spliced, moved.written)
			}
			if n := p.warden.metric("spliced_total"); n != 1 {
				t.Errorf("%v tunnels were spliced", n)
			}
		})
	}
}

// A trace is strace, attached to a process.
type trace struct {
	*labtest.Process
	out string
}

// strace attaches to a process and all its threads.
func (l *lab) strace(pid int) *trace {
	l.T.Helper()
	tr := &trace{out: filepath.Join(l.Dir, "strace.out")}
	tr.Process = l.Start(l.Router, "strace", "strace", "-f", "-yy", "-s", "0", "-e", "trace=splice,read,write,writev,sendto,recvfrom",
		"-o", tr.out, "-p", strconv.Itoa(pid))
	tr.WaitFor("attached")
	return tr
}

// A movement is what a program moved to sockets, or from them, by system call.
type movement struct{ spliced, written, read int64 }

// With -yy strace says of a descriptor what it is: 7<TCP:[10.1.0.1:3128->10.1.0.2:40000]>.
var (
	tracedSplice = regexp.MustCompile(`splice\(.* (\d+)<TCPv?6?:.*\) = (\d+)$`)
	tracedWrite  = regexp.MustCompile(`(?:write|writev|sendto)\(\d+<TCP.*\) = (\d+)$`)
	tracedRead   = regexp.MustCompile(`(?:read|recvfrom)\(\d+<TCP.*\) = (\d+)$`)
	tracedResume = regexp.MustCompile(`^(\d+) <\.\.\. (\w+) resumed>.*\) = (\d+)$`)
	tracedBegin  = regexp.MustCompile(`^(\d+) (\w+)\((.*) <unfinished \.\.\.>$`)
)

// stop detaches, and sums up.
func (tr *trace) stop() movement {
	tr.T.Helper()
	tr.Signal(syscall.SIGINT)
	tr.Wait()
	b, err := os.ReadFile(tr.out)
	if err != nil {
		tr.T.Fatal(err)
	}
	var m movement
	begun := map[string]string{}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSuffix(line, "\n")
		if f := tracedBegin.FindStringSubmatch(line); f != nil {
			begun[f[1]] = f[2] + "(" + f[3]
			continue
		}
		if f := tracedResume.FindStringSubmatch(line); f != nil {
			line = begun[f[1]] + ") = " + f[3]
		}
		for re, sum := range map[*regexp.Regexp]*int64{tracedSplice: &m.spliced, tracedWrite: &m.written, tracedRead: &m.read} {
			if f := re.FindStringSubmatch(line); f != nil {
				n, err := strconv.ParseInt(f[len(f)-1], 10, 64)
				if err != nil {
					tr.T.Fatal(err)
				}
				*sum += n
			}
		}
	}
	if m == (movement{}) {
		tr.T.Fatalf("strace saw nothing:\n%s\n%s", labtest.Tail(string(b)), tr.Text())
	}
	return m
}

// What came in one segment with the CONNECT is the first that the server gets.
func TestEarlyBytes(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.warden(explicit()...)
	l.talker(binaryPort, talkBinary)
	for _, test := range []struct {
		name  string
		early []byte
	}{
		{"a byte", []byte{7}},
		{"a line", []byte("SSH-2.0-client\r\n")},
		{"64 KiB", noise()[:64<<10]},
	} {
		conn := l.connect(proxy4)
		head := fmt.Sprintf("CONNECT %s:%s HTTP/1.1\r\nHost: x\r\n\r\n", families["IPv4"].server, binaryPort)
		rest := noise()[1<<20 : 2<<20]
		go func() {
			_, _ = conn.Write(append([]byte(head), test.early...))
			_, _ = conn.Write(rest)
			_ = conn.CloseWrite()
		}()
		answer, err := readHead(conn)
		if err != nil || !strings.HasPrefix(answer, "HTTP/1.1 200 ") {
			t.Fatalf("%s: %q, %v", test.name, answer, err)
		}
		got, err := io.ReadAll(conn)
		if want := string(test.early) + string(rest); err != nil || string(got) != want {
			t.Errorf("%s: %v, %d bytes came back of %d, or others", test.name, err, len(got), len(want))
		}
	}
}
