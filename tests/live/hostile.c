/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * In place of qosd-sandbox: the same program, but for contracts whose text says `hostile MODE`, for which
 * it does wrong. Exit code CLEAN: nothing of what it tried before the last door worked; FIRST + n: the
 * n-th did.
 */
int sandbox_main(int argc, char **argv);
#define main sandbox_main
#include "../../daemon/sandbox/main.c"
#undef main

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>

enum { CLEAN = 60, FIRST };

#define MORE 64 /* than any of its limits: MiB of memory, descriptors */

static bool works(long r)
{
	return r >= 0;
}

/* --- before the last door: what namespaces, limits and the empty root let pass --- */

static bool tries_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return works(pid);
}

static bool tries_memory(void)
{
	return mmap(NULL, (size_t)MORE << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
	       MAP_FAILED;
}

static bool tries_files(void)
{
	return works(open("/etc/passwd", O_RDONLY)) || works(open("/proc/self/status", O_RDONLY)) ||
	       works(open("/x", O_WRONLY | O_CREAT, 0600)) || works(mkdir("/x", 0700));
}

static bool tries_descriptor(void)
{
	return works(open("/", O_RDONLY)) || works(dup(QOS_TALK_SOCKET)) ||
	       works(socket(AF_INET, SOCK_DGRAM, 0));
}

static bool tries_others(void)
{
	return works(kill(-1, 0)) || works(kill(2, 0)) ||
	       works(ptrace(PTRACE_ATTACH, 2, NULL, NULL));
}

static bool tries_rights(void)
{
	const struct rlimit more = {MORE, MORE};
	const struct sched_param param = {.sched_priority = 50};

	return works(setuid(0)) || works(setrlimit(RLIMIT_NOFILE, &more)) ||
	       works(sched_setscheduler(0, SCHED_FIFO, &param)) || works(setpriority(0, 0, -10));
}

static bool tries_mounts(void)
{
	return works(mount("none", "/", "tmpfs", 0, NULL)) || works(chroot("/")) ||
	       works(unshare(CLONE_NEWNS)) || works(sethostname("x", 1));
}

static bool tries_bpf(void)
{
	char attr[128] = {};

	return works(syscall(SYS_bpf, 0 /* BPF_MAP_CREATE */, attr, sizeof(attr))) ||
	       works(syscall(SYS_perf_event_open, attr, 0, -1, -1, 0));
}

static bool (*const tries[])(void) = {tries_fork,   tries_memory, tries_files,	tries_descriptor,
				      tries_others, tries_rights, tries_mounts, tries_bpf};

static void before(void)
{
	for (size_t i = 0; i < QOS_ARRAY_SIZE(tries); i++) {
		if (tries[i]())
			_exit(FIRST + (int)i);
	}
	_exit(CLEAN);
}

/* --- behind it: each call ends it --- */

static const struct {
	const char *name;
	long number;
} calls[] = {
	{"read", SYS_read},
	{"write", SYS_write},
	{"openat", SYS_openat},
	{"socket", SYS_socket},
	{"clone", SYS_clone},
	{"execve", SYS_execve},
	{"ptrace", SYS_ptrace},
	{"mmap", SYS_mmap},
	{"mprotect", SYS_mprotect},
	{"brk", SYS_brk},
	{"kill", SYS_kill},
	{"bpf", SYS_bpf},
	{"sendmsg", SYS_sendmsg},
	{"recvmsg", SYS_recvmsg},
	{"prctl", SYS_prctl},
	{"ioctl", SYS_ioctl},
	{"unshare", SYS_unshare},
	{"close", SYS_close},
	{"nanosleep", SYS_clock_nanosleep},
};

static void make_call(const char *name)
{
	for (size_t i = 0; i < QOS_ARRAY_SIZE(calls); i++) {
		if (!strcmp(calls[i].name, name))
			syscall(calls[i].number, 0, 0, 0, 0, 0, 0);
	}
	_exit(CLEAN);
}

/* --- what it says --- */

static void send_bytes(size_t size)
{
	send(QOS_TALK_SOCKET, &talk, size, MSG_NOSIGNAL);
}

static void wait_for_ping(void)
{
	struct pollfd wait = {.fd = QOS_TALK_SOCKET, .events = POLLIN};

	poll(&wait, 1, -1);
	answer();
}

static void fill_ask(uint32_t attribute, int64_t value)
{
	talk = (struct qos_talk){.type = QOS_TALK_ASK, .n = 1};
	talk.requests[0] = (struct qos_rules_request){1, attribute, value};
}

static void flood(void)
{
	for (;;) {
		fill_ask(QOS_RULES_ATTRIBUTE_ID(QOS_RULES_CPU_RUNTIME, 0), 1000000);
		say();
	}
}

/* What is not its own, and what is out of range: a hundred times, and then it behaves. */
static void greedy(void)
{
	for (int i = 0; i < 20; i++) {
		fill_ask(QOS_RULES_ATTRIBUTE_ID(QOS_RULES_CPU_RUNTIME, 1), 1000000);
		say();
		fill_ask(QOS_RULES_ATTRIBUTE_ID(QOS_RULES_CPU_RUNTIME, 0), INT64_MAX);
		say();
		fill_ask(QOS_RULES_ATTRIBUTE_ID(QOS_RULES_CPU_RUNTIME, 0), INT64_MIN);
		say();
		fill_ask(QOS_RULES_ATTRIBUTE_ID(QOS_RULES_MISSED, 0), 1);
		say();
		fill_ask(UINT32_MAX, 1);
		say();
	}
	for (;;)
		wait_for_ping();
}

static void garbage(void)
{
	memset(&talk, 0xff, sizeof(talk));
	send_bytes(sizeof(talk));
}

static void pieces(void)
{
	fill_ask(QOS_RULES_ATTRIBUTE_ID(QOS_RULES_CPU_RUNTIME, 1), 1);
	send_bytes(qos_talk_size(&talk) - 1);
}

static void answers_unasked(void)
{
	talk = (struct qos_talk){.type = QOS_TALK_PONG, .serial = 77};
	say();
}

static void ready_twice(void)
{
	talk = (struct qos_talk){.type = QOS_TALK_READY, .n = 1};
	say();
}

static void spin(void)
{
	for (volatile int i = 0;; i++)
		;
}

static void spin_in_pieces(void)
{
	struct pollfd wait = {.fd = QOS_TALK_SOCKET, .events = POLLIN};

	for (;;) {
		for (volatile int i = 0; i < 10000000; i++)
			;
		if (poll(&wait, 1, 1) == 1)
			answer();
	}
}

static void keep_silent(void)
{
	poll(NULL, 0, -1);
}

static void crash(void)
{
	*(volatile int *)NULL = 1;
}

static const struct {
	const char *name;
	void (*run)(void);
} modes[] = {
	{"flood", flood},   {"greedy", greedy},	       {"garbage", garbage},
	{"pieces", pieces}, {"pong", answers_unasked}, {"twice", ready_twice},
	{"spin", spin},	    {"hog", spin_in_pieces},   {"silent", keep_silent},
	{"crash", crash},
};

static void misbehave(const char *mode, const char *n_state)
{
	if (!strcmp(mode, "early"))
		before();
	if (!strcmp(mode, "unready"))
		keep_silent();
	if (qos_confine() < 0)
		_exit(QOS_TALK_NO_FILTER);
	if (!strncmp(mode, "call-", 5))
		make_call(mode + 5);
	talk = (struct qos_talk){
		.type = QOS_TALK_READY, .n = 1, .serial = strtoul(n_state, NULL, 10)};
	say();
	for (size_t i = 0; i < QOS_ARRAY_SIZE(modes); i++) {
		if (!strcmp(modes[i].name, mode))
			modes[i].run();
	}
	for (;;)
		wait_for_ping();
}

int main(int argc, char **argv)
{
	static char text[65536];
	ssize_t n = pread(QOS_TALK_TEXT, text, sizeof(text) - 1, 0);
	char *word = n > 0 ? strstr(text, "hostile ") : NULL;

	if (word) {
		word += strlen("hostile ");
		word[strcspn(word, " \n\"")] = '\0';
		misbehave(word, argv[1]);
	}
	return sandbox_main(argc, argv);
}
