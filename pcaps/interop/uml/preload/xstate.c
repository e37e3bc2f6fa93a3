/*
 * Lets User-Mode Linux set its processes' registers on processors whose state
 * is larger than the 2696 bytes that kernels before 6.13 keep of it (AMX).
 *
 * Linux takes PTRACE_SETREGSET of NT_X86_XSTATE only as a whole. What the
 * caller knows is the beginning of it; what follows are components which the
 * header's bitmap says are not in use, so zeros complete it.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static char state[1 << 16];

static long set_state(pid_t pid, const struct iovec *known)
{
	static size_t size;
	struct iovec whole = { state, sizeof state };

	if (size == 0) {
		if (syscall(SYS_ptrace, PTRACE_GETREGSET, pid, NT_X86_XSTATE, &whole) < 0)
			return -1;
		size = whole.iov_len;
		memset(state, 0, size);
	}
	memcpy(state, known->iov_base, known->iov_len < size ? known->iov_len : size);
	whole.iov_len = size;
	return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, NT_X86_XSTATE, &whole);
}

long ptrace(enum __ptrace_request request, ...)
{
	va_list list;
	va_start(list, request);
	pid_t pid = va_arg(list, pid_t);
	void *addr = va_arg(list, void *);
	void *data = va_arg(list, void *);
	va_end(list);

	if (request == PTRACE_SETREGSET && addr == (void *)NT_X86_XSTATE)
		return set_state(pid, data);
	if (request == PTRACE_PEEKTEXT || request == PTRACE_PEEKDATA || request == PTRACE_PEEKUSER) {
		/* The system call stores the word; the library function returns it. */
		long word;
		if (syscall(SYS_ptrace, request, pid, addr, &word) < 0)
			return -1;
		errno = 0;
		return word;
	}
	return syscall(SYS_ptrace, request, pid, addr, data);
}
