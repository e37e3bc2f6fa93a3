package nfq

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// kernelFile lists the queues of the thread's network namespace. Opened once it stays with
// that namespace, and can be read without privileges.
const kernelFile = "/proc/thread-self/net/netfilter/nfnetlink_queue"

// A kernelList is the kernel's list of queues.
type kernelList struct {
	file   *os.File // nil for none
	denied error    // why there is none
}

// open opens the list. It is root's, whatever capabilities others have: to go without it
// is no error.
func (l *kernelList) open() (err error) {
	if l.file, err = os.Open(kernelFile); errors.Is(err, fs.ErrPermission) {
		l.denied, err = err, nil
	}
	if err != nil {
		return fmt.Errorf("opening the kernel's list of queues, which needs NETFILTER_NETLINK_QUEUE (module nfnetlink_queue): %w", err)
	}
	return nil
}

// counts reads the line of a queue.
func (l *kernelList) counts(queue uint16) (KernelCounts, error) {
	if l.file == nil {
		return KernelCounts{}, l.denied
	}
	text, err := io.ReadAll(io.NewSectionReader(l.file, 0, 1<<20))
	if err != nil {
		return KernelCounts{}, err
	}
	return parseKernelCounts(string(text), queue)
}

func (l *kernelList) close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

// parseKernelCounts finds a queue's line. Its columns are (net/netfilter/nfnetlink_queue.c,
// seq_show): number, port, waiting, copy mode, copy range, dropped, dropped for the socket,
// sequence, 1.
func parseKernelCounts(text string, queue uint16) (k KernelCounts, err error) {
	for line := range strings.Lines(text) {
		columns := strings.Fields(line)
		if len(columns) < 8 || columns[0] != strconv.Itoa(int(queue)) {
			continue
		}
		for i, to := range map[int]*uint64{2: &k.Waiting, 5: &k.Dropped, 6: &k.UserDropped, 7: &k.Sequence} {
			if *to, err = strconv.ParseUint(columns[i], 10, 64); err != nil {
				return KernelCounts{}, fmt.Errorf("reading column %d of %q: %w", i+1, line, err)
			}
		}
		return k, nil
	}
	return KernelCounts{}, fmt.Errorf("queue %d is not among the kernel's", queue)
}
