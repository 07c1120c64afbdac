/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The daemon's side of a sandbox. It is judged by four things: what it says (a valid message, and no more
 * ASKs than it got events), that it answers, how much CPU time it takes, and that it is there. Whoever
 * fails once is not heard again, and killed by qos_sandbox_free.
 *
 * Once it is ready it runs at the lowest SCHED_FIFO priority: before ordinary work, behind the daemon and
 * behind every contract. RLIMIT_RTTIME kills what runs on and on; the look at its CPU time what runs too
 * much in pieces.
 *
 * Weakness: while contracts take all of a CPU it waits, and rules with it; that is the price of a
 * process that nobody has to admit.
 */
#include "kern/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>

#include "kern/chain.h"
#include "kern/proc.h"
#include "kern/sandbox_parts.h"
#include "kern/sched.h"
#include "util/clock.h"

#define PRIORITY  1
#define BACKLOG	  128 /* events that may have waited in the ring */
#define UNCOUNTED 64  /* asks for which the events need not be counted again */
#define BURY_MS	  500
#define LITTLE_NS 5000000ULL
/* Between what systemd-nspawn(1) gives to containers and 2^31: nobody's (systemd's UIDS-GIDS.md). */
#define UID_FIRST 2147400000U

/* A process: of a sandbox, or one that was killed and is not buried yet. */
struct process {
	pid_t pid; /* 0: no process */
	int pidfd;
	bool dying;
};

struct qos_sandbox_pool {
	int program_fd;
	int root_fd;
	int epoll_fd;
	int timer_fd;
	size_t n; /* sandboxes */
	struct process processes[QOS_SANDBOXES_MAX];
};

struct qos_sandbox {
	struct qos_sandbox_pool *pool;
	struct process *process;
	int socket;
	size_t n_state;
	size_t n_programs;
	bool ready;
	bool hung_up; /* how it ended will be known in a moment */
	uint64_t serial;
	uint64_t asked_ns; /* since when an answer is due; 0: none is */
	uint64_t began_ns; /* CPU time then */
	uint64_t looked_ns;
	uint64_t used_ns; /* CPU time at the last look */
	uint64_t n_asks;
	unsigned int taken;
	unsigned int percent; /* of a CPU, between the last two looks */
	char end[96];	      /* empty: it goes on */
};

/* --- the pool --- */

/* A directory that is empty and stays so: nothing can be made in one that is deleted. */
static int open_root(const char *run_dir)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;

	if (asprintf(&path, "%s/sandbox-root", run_dir) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	rmdir(path);
	if (mkdir(path, 0111) < 0)
		return -errno;
	fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || chmod(path, 0111) < 0 || rmdir(path) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int listen_to(const struct qos_sandbox_pool *pool, int fd)
{
	struct epoll_event event = {.events = EPOLLIN};

	return epoll_ctl(pool->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int open_pool(struct qos_sandbox_pool *pool, const char *program, const char *run_dir)
{
	pool->program_fd = open(program, O_PATH | O_CLOEXEC);
	if (pool->program_fd < 0)
		return -errno;
	pool->root_fd = open_root(run_dir);
	if (pool->root_fd < 0)
		return pool->root_fd;
	pool->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	pool->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (pool->epoll_fd < 0 || pool->timer_fd < 0)
		return -errno;
	return listen_to(pool, pool->timer_fd);
}

int qos_sandbox_pool_new(const char *program, const char *run_dir, struct qos_sandbox_pool **ret)
{
	struct qos_sandbox_pool *pool = calloc(1, sizeof(*pool));
	int r;

	if (!pool)
		return -ENOMEM;
	pool->program_fd = pool->root_fd = pool->epoll_fd = pool->timer_fd = -1;
	r = open_pool(pool, program, run_dir);
	if (r < 0)
		qos_sandbox_pool_free(pool);
	else
		*ret = pool;
	return r;
}

/* A child on its way to its program has copies of all our descriptors for a moment: so what is only closed is
 * still heard, and nobody could stop that. */
static void stop_listening(const struct qos_sandbox_pool *pool, int *fd)
{
	if (*fd >= 0)
		epoll_ctl(pool->epoll_fd, EPOLL_CTL_DEL, *fd, NULL);
	qos_closep(fd);
}

/* true: it is gone. */
static bool bury(const struct qos_sandbox_pool *pool, struct process *process, int patience_ms)
{
	struct pollfd wait = {.fd = process->pidfd, .events = POLLIN};
	siginfo_t info;

	if (poll(&wait, 1, patience_ms) <= 0)
		return false;
	waitid(P_PID, (id_t)process->pid, &info, WEXITED | WNOHANG);
	stop_listening(pool, &process->pidfd);
	*process = (struct process){};
	return true;
}

/* Those that cannot die now (all CPUs are taken) are left to PID 1. */
void qos_sandbox_pool_free(struct qos_sandbox_pool *pool)
{
	if (!pool)
		return;
	for (size_t i = 0; i < QOS_SANDBOXES_MAX; i++) {
		if (pool->processes[i].pid && !bury(pool, &pool->processes[i], BURY_MS))
			close(pool->processes[i].pidfd);
	}
	qos_closep(&pool->timer_fd);
	qos_closep(&pool->epoll_fd);
	qos_closep(&pool->root_fd);
	qos_closep(&pool->program_fd);
	free(pool);
}

int qos_sandbox_pool_fd(const struct qos_sandbox_pool *pool)
{
	return pool->epoll_fd;
}

static void arm(struct qos_sandbox_pool *pool)
{
	const struct timespec every = {.tv_nsec = pool->n ? QOS_SANDBOX_WATCH_NS : 0};
	const struct itimerspec spec = {.it_interval = every, .it_value = every};

	timerfd_settime(pool->timer_fd, 0, &spec, NULL);
}

bool qos_sandbox_pool_dispatch(struct qos_sandbox_pool *pool)
{
	uint64_t times;

	for (size_t i = 0; i < QOS_SANDBOXES_MAX; i++) {
		if (pool->processes[i].dying)
			bury(pool, &pool->processes[i], 0);
	}
	return read(pool->timer_fd, &times, sizeof(times)) == sizeof(times);
}

bool qos_sandbox_pool_has(const struct qos_sandbox_pool *pool, pid_t pid)
{
	for (size_t i = 0; i < QOS_SANDBOXES_MAX; i++) {
		if (pool->processes[i].pid == pid)
			return true;
	}
	return false;
}

/* --- one of them --- */

static void kill_it(const struct process *process)
{
	syscall(SYS_pidfd_send_signal, process->pidfd, SIGKILL, NULL, 0);
}

void qos_sandbox_free(struct qos_sandbox *sandbox)
{
	if (!sandbox)
		return;
	if (sandbox->process) {
		kill_it(sandbox->process);
		sandbox->process->dying = true;
		sandbox->pool->n--;
		arm(sandbox->pool);
	}
	stop_listening(sandbox->pool, &sandbox->socket);
	free(sandbox);
}

pid_t qos_sandbox_pid(const struct qos_sandbox *sandbox)
{
	return sandbox->process->pid;
}

const char *qos_sandbox_end(const struct qos_sandbox *sandbox)
{
	return sandbox->end[0] ? sandbox->end : NULL;
}

/* The first reason stays. */
static void end(struct qos_sandbox *sandbox, const char *why)
{
	if (!sandbox->end[0])
		snprintf(sandbox->end, sizeof(sandbox->end), "%s", why);
}

static void end_by_exit(struct qos_sandbox *sandbox, const siginfo_t *info)
{
	if (info->si_code == CLD_EXITED && info->si_status >= QOS_SANDBOX_WAIT &&
	    info->si_status < QOS_SANDBOX_STEPS)
		snprintf(sandbox->end, sizeof(sandbox->end), "it could not be shut in: %s failed",
			 qos_sandbox_steps[info->si_status]);
	else if (info->si_code == CLD_EXITED && info->si_status > 0 &&
		 info->si_status < QOS_TALK_EXITS)
		end(sandbox, qos_talk_exits[info->si_status]);
	else if (info->si_code == CLD_EXITED)
		snprintf(sandbox->end, sizeof(sandbox->end), "it ended with exit code %d",
			 info->si_status);
	else if (info->si_status == SIGSYS)
		end(sandbox, "it made a system call that it may not make");
	else
		snprintf(sandbox->end, sizeof(sandbox->end), "signal %d ended it", info->si_status);
}

/* It hung up: how did it end? Its files are closed before it is dead, so that may not be known yet; then
 * its pidfd tells when it is. It is buried later. */
static void end_by_hangup(struct qos_sandbox *sandbox)
{
	struct pollfd wait = {.fd = sandbox->process->pidfd, .events = POLLIN};
	siginfo_t info = {};

	if (sandbox->end[0])
		return;
	if (poll(&wait, 1, 0) == 1 &&
	    waitid(P_PID, (id_t)sandbox->process->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
		end_by_exit(sandbox, &info);
	else if (!sandbox->hung_up)
		epoll_ctl(sandbox->pool->epoll_fd, EPOLL_CTL_DEL, sandbox->socket, NULL);
	sandbox->hung_up = true;
}

static uint64_t cpu_time(const struct qos_sandbox *sandbox)
{
	struct timespec now;
	clockid_t clock;

	if (clock_getcpuclockid(sandbox->process->pid, &clock) != 0 ||
	    clock_gettime(clock, &now) < 0)
		return 0;
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* --- starting --- */

static int text_file(const char *text, size_t len)
{
	_cleanup_close_ int fd = memfd_create("contract", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return lseek(fd, 0, SEEK_SET) < 0 ? -errno : TAKE_FD(fd);
}

static int start(struct qos_sandbox *sandbox, const struct qos_sandbox_plan *plan)
{
	char n_state[24], n_keys[24], ring[24];
	char *const arguments[] = {
		"qosd-sandbox", n_state, n_keys, ring, plan->fresh ? "fresh" : "goes-on", NULL};
	struct qos_sandbox_enter enter = {
		.ring_fd = plan->ring_fd,
		.state_fd = plan->n_state ? plan->state_fd : -1,
		.root_fd = sandbox->pool->root_fd,
		.program_fd = sandbox->pool->program_fd,
		.uid = UID_FIRST + (uint32_t)(sandbox->process - sandbox->pool->processes),
		.arguments = arguments};
	_cleanup_close_ int text = text_file(plan->text, plan->len), theirs = -1;
	int pair[2], pidfd = -1, r;
	pid_t pid = 0;

	if (text < 0)
		return text;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	sandbox->socket = pair[0];
	theirs = pair[1];
	snprintf(n_state, sizeof(n_state), "%zu", plan->n_state);
	snprintf(n_keys, sizeof(n_keys), "%zu", plan->n_keys);
	snprintf(ring, sizeof(ring), "%d", QOS_CHAIN_RING_BYTES);
	enter.text_fd = text;
	enter.socket_fd = theirs;
	r = qos_sandbox_enter(&enter, sandbox->socket, &pid, &pidfd);
	if (!pid)
		return r;
	*sandbox->process = (struct process){.pid = pid, .pidfd = pidfd};
	sandbox->pool->n++;
	arm(sandbox->pool);
	if (r == 0)
		r = listen_to(sandbox->pool, sandbox->socket);
	return r < 0 ? r : listen_to(sandbox->pool, pidfd);
}

static struct process *find_free(struct qos_sandbox_pool *pool)
{
	for (size_t i = 0; i < QOS_SANDBOXES_MAX; i++) {
		if (!pool->processes[i].pid)
			return &pool->processes[i];
	}
	return NULL;
}

static int complain(struct qos_diag *diag, int error)
{
	qos_diag_error(diag, NULL, "no sandbox can be started: %s", strerror(-error));
	qos_diag_hint(diag,
		      "qosctl doctor says what a sandbox needs; placement: kernel needs none");
	return error;
}

int qos_sandbox_new(struct qos_sandbox_pool *pool, const struct qos_sandbox_plan *plan,
		    struct qos_diag *diag, struct qos_sandbox **ret)
{
	_cleanup_sandbox_ struct qos_sandbox *sandbox = calloc(1, sizeof(*sandbox));
	struct process *process;
	int r;

	if (!sandbox)
		return -ENOMEM;
	sandbox->socket = -1;
	qos_sandbox_pool_dispatch(pool);
	process = find_free(pool);
	if (!process) {
		r = qos_diag_error(diag, NULL, "%d contracts have their rules in a process already",
				   QOS_SANDBOXES_MAX);
		qos_diag_hint(diag, "placement: kernel has no such limit");
		return r;
	}
	sandbox->pool = pool;
	sandbox->n_state = plan->n_state;
	sandbox->n_programs = plan->n_programs;
	sandbox->process = process;
	sandbox->asked_ns = sandbox->looked_ns = qos_clock_ns(CLOCK_MONOTONIC);
	r = start(sandbox, plan);
	if (!process->pid)
		sandbox->process = NULL;
	if (r < 0)
		return complain(diag, r);
	*ret = TAKE_PTR(sandbox);
	return 0;
}

/* --- what it says --- */

static void become_ready(struct qos_sandbox *sandbox, const struct qos_talk *talk)
{
	const struct qos_sched_attr attr = {
		.policy = SCHED_FIFO, .flags = QOS_SCHED_RESET_ON_FORK, .priority = PRIORITY};

	if (sandbox->ready || talk->n != sandbox->n_programs || talk->serial != sandbox->n_state) {
		end(sandbox, "it is ready for other rules than the contract's");
		return;
	}
	sandbox->ready = true;
	sandbox->asked_ns = 0;
	sandbox->used_ns = cpu_time(sandbox);
	sandbox->looked_ns = qos_clock_ns(CLOCK_MONOTONIC);
	qos_sched_set(sandbox->process->pid, &attr); /* else it runs as an ordinary process */
}

/* true: an ASK. */
static bool hear(struct qos_sandbox *sandbox, const struct qos_talk *talk, uint64_t events)
{
	if (talk->type == QOS_TALK_READY) {
		become_ready(sandbox, talk);
		return false;
	}
	if (!sandbox->ready) {
		end(sandbox, "it spoke before it was ready");
		return false;
	}
	if (talk->type == QOS_TALK_PONG) {
		if (!sandbox->asked_ns || talk->serial != sandbox->serial)
			end(sandbox, "it answered what was not asked");
		sandbox->asked_ns = 0;
		return false;
	}
	if (++sandbox->n_asks <= events + BACKLOG)
		return true;
	end(sandbox, "it asks for more than it got events");
	return false;
}

/* Counting may cost a system call, so it is put off while nothing hangs on it. */
bool qos_sandbox_begin(struct qos_sandbox *sandbox, uint64_t events)
{
	_Static_assert(UNCOUNTED + QOS_SANDBOX_TAKE_MAX <= BACKLOG, "a round may end too early");

	sandbox->taken = 0;
	return sandbox->n_asks >= events + UNCOUNTED;
}

bool qos_sandbox_take(struct qos_sandbox *sandbox, uint64_t events, struct qos_talk *ret)
{
	if (sandbox->hung_up)
		end_by_hangup(sandbox);
	while (!sandbox->hung_up && !sandbox->end[0] && sandbox->taken < QOS_SANDBOX_TAKE_MAX) {
		ssize_t n = recv(sandbox->socket, ret, sizeof(*ret), MSG_DONTWAIT | MSG_TRUNC);

		if (n < 0 && errno == EAGAIN)
			return false;
		if (n <= 0) {
			end_by_hangup(sandbox);
			return false;
		}
		sandbox->taken++;
		if ((size_t)n > sizeof(*ret) || !qos_talk_is_valid(ret, (size_t)n))
			end(sandbox, "what it says makes no sense");
		else if (hear(sandbox, ret, events))
			return true;
	}
	return false;
}

/* --- looks --- */

static void ping(struct qos_sandbox *sandbox, uint64_t now_ns)
{
	const struct qos_talk talk = {.type = QOS_TALK_PING, .serial = ++sandbox->serial};

	sandbox->asked_ns = now_ns;
	sandbox->began_ns = sandbox->used_ns;
	/* If there is no room it does not read: then it is silent, which is seen. */
	send(sandbox->socket, &talk, qos_talk_size(&talk), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static uint64_t patience(const struct qos_sandbox *sandbox)
{
	bool runnable = false;
	uint64_t ns;

	if (!sandbox->ready)
		return QOS_SANDBOX_START_NS;
	if (qos_proc_run_time(sandbox->process->pid, &runnable, &ns) == 0 && runnable &&
	    sandbox->used_ns - sandbox->began_ns < LITTLE_NS)
		return QOS_SANDBOX_STARVED_NS;
	return QOS_SANDBOX_SILENT_NS;
}

void qos_sandbox_look(struct qos_sandbox *sandbox, uint64_t now_ns)
{
	uint64_t used_ns, since_ns = now_ns - sandbox->looked_ns;
	struct pollfd wait = {.fd = sandbox->process->pidfd, .events = POLLIN};

	if (sandbox->end[0] || since_ns < QOS_SANDBOX_WATCH_NS / 2)
		return;
	if (poll(&wait, 1, 0) == 1) {
		end_by_hangup(sandbox);
		return;
	}
	if (sandbox->hung_up)
		end(sandbox, "it hung up");
	used_ns = cpu_time(sandbox);
	sandbox->percent =
		sandbox->ready ? (unsigned int)((used_ns - sandbox->used_ns) * 100 / since_ns) : 0;
	if (sandbox->percent > QOS_SANDBOX_CPU_PERCENT)
		end(sandbox, "it takes too much CPU time");
	sandbox->used_ns = used_ns;
	sandbox->looked_ns = now_ns;
	if (!sandbox->asked_ns)
		ping(sandbox, now_ns);
	else if (now_ns - sandbox->asked_ns > patience(sandbox))
		end(sandbox, sandbox->ready ? "it does not answer" : "it does not get ready");
}

unsigned int qos_sandbox_percent(const struct qos_sandbox *sandbox)
{
	return sandbox->end[0] ? 0 : sandbox->percent;
}

void qos_sandbox_cut(struct qos_sandbox *sandbox)
{
	end(sandbox, "it takes most of too much CPU time that all of them take");
}
