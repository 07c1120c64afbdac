/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the monitor tells of processes, and its manners: errors, descriptors, cost.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "monitor_live.h"

#define STREAM 7

static const struct qos_stream_config plain = {
	.period_ns = 100 * MS, .deadline_ns = 100 * MS, .runtime_ns = 10 * MS};

/* A child that does nothing until told, then calls `act`. */
struct child {
	pid_t pid;
	int go;
};

static void child_start(struct child *child, void (*act)(void))
{
	int fds[2];
	char byte;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	child->pid = fork();
	if (!child->pid) {
		close(fds[1]);
		_exit(read(fds[0], &byte, 1) == 1 ? act(), 0 : 1);
	}
	close(fds[0]);
	child->go = fds[1];
}

static void child_end(struct child *child)
{
	int status;

	assert_int_equal(write(child->go, "x", 1), 1);
	close(child->go);
	assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
	assert_int_equal(status, 0);
}

static void nothing(void)
{
}

static void exec_true(void)
{
	execl("/bin/true", "true", NULL);
	_exit(1);
}

static void rename_self(void)
{
	prctl(PR_SET_NAME, "a new name");
}

static struct heard *forget(struct qos_monitor *monitor)
{
	static struct heard heard;

	hear_all(monitor, &heard, NULL);
	heard.n = 0;
	return &heard;
}

static void test_fork(void **state)
{
	struct heard *heard = forget(*state);
	const struct qos_event *event;
	struct child child;

	child_start(&child, nothing);
	child_end(&child);
	assert_null(heard_find(*state, heard, QOS_EVENT_FORK, child.pid));

	assert_int_equal(qos_monitor_watch(*state, getpid()), 0);
	child_start(&child, nothing);
	child_end(&child);
	event = heard_find(*state, heard, QOS_EVENT_FORK, child.pid);
	assert_non_null(event);
	assert_int_equal(event->tgid, child.pid);
	assert_int_equal(event->parent, getpid());
	assert_int_equal(qos_monitor_unwatch(*state, getpid()), 0);
	assert_int_equal(qos_monitor_unwatch(*state, getpid()), -ENOENT);

	qos_monitor_watch_flags(*state, QOS_WATCH_ALL_FORKS);
	child_start(&child, nothing);
	child_end(&child);
	qos_monitor_watch_flags(*state, 0);
	assert_non_null(heard_find(*state, heard, QOS_EVENT_FORK, child.pid));
}

static void test_exec(void **state)
{
	struct heard *heard = forget(*state);
	const struct qos_event *event;
	struct child child;

	child_start(&child, exec_true);
	child_end(&child);
	event = heard_find(*state, heard, QOS_EVENT_EXEC, child.pid);
	assert_non_null(event);
	assert_int_equal(event->tgid, child.pid);
	assert_int_equal(event->parent, child.pid);
	assert_in_range(event->now_ns, 1, now_ns());
	assert_null(heard_find(*state, heard, QOS_EVENT_COMM, child.pid));
}

static void test_comm(void **state)
{
	struct heard *heard = forget(*state);
	const struct qos_event *event;
	struct child child;

	child_start(&child, rename_self);
	assert_int_equal(qos_monitor_watch(*state, child.pid), 0);
	child_end(&child);
	event = heard_find(*state, heard, QOS_EVENT_COMM, child.pid);
	assert_non_null(event);
	assert_string_equal(event->comm, "a new name");
	assert_int_equal(qos_monitor_unwatch(*state, child.pid), 0);

	qos_monitor_watch_flags(*state, QOS_WATCH_ALL_COMMS);
	child_start(&child, exec_true);
	child_end(&child);
	qos_monitor_watch_flags(*state, 0);
	event = heard_find(*state, heard, QOS_EVENT_COMM, child.pid);
	assert_non_null(event);
	assert_string_equal(event->comm, "true");
}

/* Finds a cgroup hierarchy; false: the machine has none. */
static bool find_cgroup(char *path, size_t size)
{
	_cleanup_fclose_ FILE *mounts = fopen("/proc/self/mounts", "re");
	char line[512], where[256], type[64];

	while (mounts && fgets(line, sizeof(line), mounts)) {
		if (sscanf(line, "%*s %255s %63s", where, type) != 2 || strncmp(type, "cgroup", 6))
			continue;
		snprintf(path, size, "%s/qosd-test-%d", where, getpid());
		if (!mkdir(path, 0755))
			return true;
	}
	return false;
}

static void test_cgroup(void **state)
{
	struct heard *heard = forget(*state);
	char path[320], procs[352];
	struct child child;
	FILE *file;

	if (!find_cgroup(path, sizeof(path))) {
		print_message("no cgroup hierarchy to write to\n");
		skip();
	}
	child_start(&child, nothing);
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", path);
	file = fopen(procs, "we");
	if (file) {
		fprintf(file, "%d", child.pid);
		fclose(file);
	}
	child_end(&child);
	until(!rmdir(path) || errno == ENOENT);
	assert_non_null(file);
	assert_non_null(heard_find(*state, heard, QOS_EVENT_CGROUP, child.pid));
}

static void idle_round(struct worker *worker)
{
}

static void test_exit(void **state)
{
	struct heard *heard = forget(*state);
	const struct worker worker_plan = {.body = idle_round};
	struct worker *worker;
	const struct qos_event *event;
	pid_t tid;

	assert_int_equal(qos_monitor_stream_set(*state, STREAM, &plain), 0);
	worker = worker_start(&worker_plan);
	assert_int_equal(qos_monitor_thread_attach(*state, worker->tid, STREAM), 0);
	worker_round(worker);
	assert_null(heard_find(*state, heard, QOS_EVENT_EXIT, worker->tid));
	tid = worker->tid;
	worker_stop(worker);
	until(heard_find(*state, heard, QOS_EVENT_EXIT, tid));
	event = heard_find(*state, heard, QOS_EVENT_EXIT, tid);
	assert_int_equal(event->stream, STREAM);
	assert_int_equal(event->tgid, getpid());
	assert_int_equal(qos_monitor_thread_detach(*state, tid), 0);
	assert_int_equal(qos_monitor_thread_detach(*state, tid), -ENOENT);
	assert_int_equal(qos_monitor_thread_attach(*state, tid, STREAM), -ESRCH);
	assert_int_equal(qos_monitor_stream_remove(*state, STREAM), 0);
}

/* An exec in a thread that is not the leader: its tid is gone, although it never exits. */
static void *exec_later(void *data)
{
	char *const *args = data;
	char byte;

	prctl(PR_SET_NAME, "executor");
	if (read(atoi(args[0]), &byte, 1) == 1)
		execl("/bin/true", "true", NULL);
	_exit(1);
}

static void fork_exec_by_thread(int report, int go)
{
	char fd[16], *args[] = {fd, NULL};
	pthread_t executor;

	snprintf(fd, sizeof(fd), "%d", go);
	pthread_create(&executor, NULL, exec_later, args);
	if (write(report, "x", 1) != 1)
		_exit(1);
	pause();
}

static int find_tid(void *data, pid_t tgid, pid_t tid)
{
	struct qos_proc_stat stat;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", tgid, tid);
	if (qos_proc_stat_read(AT_FDCWD, path, &stat) || strcmp(stat.comm, "executor") ||
	    stat.state != 'S')
		return 0;
	*(pid_t *)data = tid;
	return 1;
}

static void test_exec_in_a_thread(void **state)
{
	struct heard *heard = forget(*state);
	int report[2], go[2], status;
	const struct qos_event *event;
	pid_t pid, tid = 0;
	char byte;

	assert_int_equal(pipe(report) | pipe(go), 0);
	pid = fork();
	if (!pid)
		fork_exec_by_thread(report[1], go[0]);
	assert_int_equal(read(report[0], &byte, 1), 1);
	until(qos_proc_each_thread(pid, find_tid, &tid) == 1);
	assert_int_not_equal(tid, pid);
	assert_int_equal(qos_monitor_stream_set(*state, STREAM, &plain), 0);
	assert_int_equal(qos_monitor_thread_attach(*state, tid, STREAM), 0);
	assert_int_equal(write(go[1], "x", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	event = heard_find(*state, heard, QOS_EVENT_EXEC, pid);
	assert_non_null(event);
	assert_int_equal(event->parent, tid);
	/* One event tells both: two could be told in the wrong order. */
	assert_null(heard_find(*state, heard, QOS_EVENT_EXIT, tid));
	assert_int_equal(qos_monitor_thread_detach(*state, tid), 0);
	assert_int_equal(qos_monitor_stream_remove(*state, STREAM), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(close(report[i]) | close(go[i]), 0);
}

static size_t count_fds(void)
{
	_cleanup_closedir_ DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	return n;
}

static void test_descriptors(void **state)
{
	size_t before;

	assert_int_equal(qos_monitor_stream_set(*state, STREAM, &plain), 0);
	before = count_fds();
	for (int i = 0; i < 200; i++) {
		assert_int_equal(qos_monitor_thread_attach(*state, gettid(), STREAM), 0);
		assert_int_equal(qos_monitor_thread_clock(*state, gettid(), MS / 20), 0);
	}
	assert_int_equal(count_fds(), before + 1);
	assert_int_equal(qos_monitor_thread_detach(*state, gettid()), 0);
	assert_int_equal(count_fds(), before);
	assert_int_equal(qos_monitor_thread_clock(*state, gettid(), MS / 20), -ENOENT);
	assert_int_equal(qos_monitor_thread_attach(*state, 0, STREAM), -EINVAL);
	assert_int_equal(qos_monitor_stream_remove(*state, STREAM), 0);
}

static void test_many_streams(void **state)
{
	struct qos_stream_stats stats;

	for (uint32_t id = 100; id < 5100; id++)
		assert_int_equal(qos_monitor_stream_set(*state, id, &plain), 0);
	for (uint32_t id = 100; id < 5100; id++) {
		assert_int_equal(qos_monitor_stream_read(*state, id, &stats), 0);
		assert_int_equal(stats.jobs, 0);
		assert_int_equal(qos_monitor_stream_remove(*state, id), 0);
		assert_int_equal(qos_monitor_stream_remove(*state, id), -ENOENT);
		assert_int_equal(qos_monitor_stream_read(*state, id, &stats), -ENOENT);
	}
}

static void test_bad_streams(void **state)
{
	struct qos_stream_config bad[8];

	for (int i = 0; i < 8; i++)
		bad[i] = plain;
	bad[0].period_ns = 0;
	bad[1].deadline_ns = plain.period_ns + 1;
	bad[2].runtime_ns = plain.deadline_ns + 1;
	bad[3].runtime_ns = 0;
	bad[4].window_x = 1;
	bad[5].job = QOS_ABI_JOB_PROBES + 1;
	bad[6].period_mhz = 4000000000u; /* 250 ns */
	bad[7].flags = QOS_STREAM_WATCH_BUDGET;
	for (int i = 0; i < 8; i++)
		assert_int_equal(qos_monitor_stream_set(*state, STREAM, &bad[i]), -EINVAL);
}

/* More events than the ring holds: those that are dropped are counted. */
static void test_full_ring(void **state)
{
	struct heard *heard = forget(*state);
	uint64_t lost = 0;

	assert_int_equal(qos_monitor_watch(*state, getpid()), 0);
	for (int i = 0; i < 6000; i++)
		prctl(PR_SET_NAME, "again");
	assert_int_equal(qos_monitor_unwatch(*state, getpid()), 0);
	assert_in_range(qos_monitor_dispatch(*state, hear, heard, &lost), 1, QOS_DISPATCH_MAX);
	assert_true(lost > 0);
	assert_true(hear_all(*state, heard, &lost) >= 4000 - QOS_DISPATCH_MAX);
	assert_true(heard_count(heard, QOS_EVENT_COMM, gettid()) + lost >= 6000);
	lost = 0;
	hear_all(*state, heard, &lost);
	assert_int_equal(lost, 0);
	prctl(PR_SET_NAME, "test");
}

/* A call hands on a bounded part, and then nothing for a while. */
static void test_storm_waits(void **state)
{
	struct heard *heard = forget(*state);
	struct pollfd poll_fd = {.fd = qos_monitor_fd(*state), .events = POLLIN};
	uint64_t from;

	assert_int_equal(qos_monitor_watch(*state, getpid()), 0);
	for (int i = 0; i < 3 * QOS_DISPATCH_MAX; i++)
		prctl(PR_SET_NAME, "again");
	assert_int_equal(qos_monitor_unwatch(*state, getpid()), 0);
	assert_int_equal(poll(&poll_fd, 1, 1000), 1);
	from = now_ns();
	assert_in_range(qos_monitor_dispatch(*state, hear, heard, NULL), 1, QOS_DISPATCH_MAX);
	assert_int_equal(qos_monitor_dispatch(*state, hear, heard, NULL), 0);
	assert_int_equal(poll(&poll_fd, 1, 1000), 1);
	assert_true(now_ns() - from >= QOS_DISPATCH_PAUSE_NS);
	hear_all(*state, heard, NULL);
	assert_true(heard_count(heard, QOS_EVENT_COMM, gettid()) >= 3 * QOS_DISPATCH_MAX);
	prctl(PR_SET_NAME, "test");
}

static void over_budget(struct worker *worker)
{
	work(5 * MS);
}

/* The ring that any user can fill is full: an overrun is told all the same, and at once. */
static void test_overrun_in_a_storm(void **state)
{
	const struct worker worker_plan = {.body = over_budget};
	struct qos_stream_config config = plain;
	struct heard *heard = forget(*state);
	struct worker *worker;

	config.budget_ns = MS;
	config.flags = QOS_STREAM_WATCH_BUDGET;
	assert_int_equal(qos_monitor_stream_set(*state, STREAM, &config), 0);
	worker = worker_start(&worker_plan);
	assert_int_equal(qos_monitor_thread_attach(*state, worker->tid, STREAM), 0);
	assert_int_equal(qos_monitor_thread_clock(*state, worker->tid, MS / 20), 0);
	assert_int_equal(qos_monitor_watch(*state, getpid()), 0);
	for (int i = 0; i < 6000; i++)
		prctl(PR_SET_NAME, "again");
	worker_round(worker);
	assert_int_equal(qos_monitor_urgent_dispatch(*state, hear, heard), 2);
	assert_int_equal(heard->events[0].type, QOS_EVENT_OVERRUN);
	assert_int_equal(heard->events[0].tid, worker->tid);
	assert_int_equal(heard->events[1].type, QOS_EVENT_IDLE);
	assert_int_equal(qos_monitor_unwatch(*state, getpid()), 0);
	assert_int_equal(qos_monitor_thread_detach(*state, worker->tid), 0);
	worker_stop(worker);
	hear_all(*state, heard, NULL);
	assert_int_equal(qos_monitor_stream_remove(*state, STREAM), 0);
	prctl(PR_SET_NAME, "test");
}

/* A watched process ends with its last thread, not with its leader. */
static void *end_later(void *data)
{
	char byte;

	if (read(*(int *)data, &byte, 1) != 1)
		_exit(1);
	return NULL;
}

static pid_t leaderless(int go)
{
	pid_t pid = fork();
	pthread_t thread;

	if (pid)
		return pid;
	pthread_create(&thread, NULL, end_later, &go);
	pthread_exit(NULL);
}

static char state_of(pid_t pid)
{
	struct qos_proc_stat stat = {};
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	qos_proc_stat_read(AT_FDCWD, path, &stat);
	return stat.state;
}

static void test_end(void **state)
{
	struct heard *heard = forget(*state);
	int go[2], status;
	pid_t pid;

	assert_int_equal(pipe(go), 0);
	pid = leaderless(go[0]);
	assert_int_equal(qos_monitor_watch(*state, pid), 0);
	until(state_of(pid) == 'Z');
	assert_null(heard_find(*state, heard, QOS_EVENT_END, 0));
	assert_int_equal(write(go[1], "x", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	until(heard_find(*state, heard, QOS_EVENT_END, 0));
	assert_int_equal(heard_find(*state, heard, QOS_EVENT_END, 0)->tgid, pid);
	assert_int_equal(qos_monitor_watch(*state, getpid()), 0);
	qos_monitor_forget_gone(*state);
	assert_int_equal(qos_monitor_unwatch(*state, pid), -ENOENT);
	assert_int_equal(qos_monitor_unwatch(*state, getpid()), 0);
	assert_int_equal(close(go[0]) | close(go[1]), 0);
}

/* A child of a watched process's child is told of too. */
static void fork_again(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	_exit(waitpid(pid, NULL, 0) == pid ? 0 : 1);
}

static void test_grandchild(void **state)
{
	struct heard *heard = forget(*state);
	struct child child;
	bool found = false;

	assert_int_equal(qos_monitor_watch(*state, getpid()), 0);
	child_start(&child, fork_again);
	child_end(&child);
	assert_int_equal(qos_monitor_unwatch(*state, getpid()), 0);
	hear_all(*state, heard, NULL);
	for (size_t i = 0; i < heard->n; i++)
		found |= heard->events[i].type == QOS_EVENT_FORK &&
			 heard->events[i].parent == (uint32_t)child.pid;
	assert_true(found);
}

static void test_cost(void **state)
{
	uint64_t runs = 1, ns = 1;

	qos_monitor_cost(*state, &runs, &ns);
	assert_true(ns == 0 || runs > 0);
}

static void test_without_privilege(void **state)
{
	int status, fds[2];
	char words[1024] = "";
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (!pid) {
		struct qos_diag diag = QOS_DIAG_INIT;
		struct qos_monitor *monitor = NULL;
		int r;

		if (setuid(65534))
			_exit(100);
		r = qos_monitor_new(-1, &diag, &monitor);
		dprintf(fds[1], "%s|%s", diag.entries[0].text, diag.entries[0].hint);
		_exit(monitor ? 101 : -r);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(read(fds[0], words, sizeof(words) - 1) > 0);
	close(fds[0]);
	close(fds[1]);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EPERM);
	assert_non_null(strstr(words, "the monitor cannot start: bpf("));
	assert_non_null(strstr(words, "run as root"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fork),	    cmocka_unit_test(test_exec),
		cmocka_unit_test(test_comm),	    cmocka_unit_test(test_cgroup),
		cmocka_unit_test(test_exit),	    cmocka_unit_test(test_exec_in_a_thread),
		cmocka_unit_test(test_descriptors), cmocka_unit_test(test_many_streams),
		cmocka_unit_test(test_bad_streams), cmocka_unit_test(test_full_ring),
		cmocka_unit_test(test_storm_waits), cmocka_unit_test(test_overrun_in_a_storm),
		cmocka_unit_test(test_end),	    cmocka_unit_test(test_grandchild),
		cmocka_unit_test(test_cost),	    cmocka_unit_test(test_without_privilege),
	};

	if (geteuid()) {
		fprintf(stderr, "skipped: the monitor needs root\n");
		return 77;
	}
	return cmocka_run_group_tests_name("monitor_events", tests, load_monitor, unload_monitor);
}
