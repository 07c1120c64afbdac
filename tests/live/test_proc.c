/* SPDX-License-Identifier: GPL-2.0-only */
/* Facts of real processes: of our own making, so that each is known. */
#include "victim.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "kern/proc.h"

static int told[2];

static void tell(pid_t tid)
{
	if (write(told[1], &tid, sizeof(tid)) != sizeof(tid))
		_exit(1);
}

static pid_t hear(void)
{
	pid_t tid = 0;

	assert_int_equal(read(told[0], &tid, sizeof(tid)), sizeof(tid));
	return tid;
}

static int pipe_setup(void **state)
{
	return pipe(told);
}

static int pipe_teardown(void **state)
{
	close(told[0]);
	close(told[1]);
	return 0;
}

static struct qos_task_facts *read_facts(pid_t tgid, pid_t tid)
{
	struct qos_task_facts *facts = NULL;

	assert_int_equal(qos_proc_read(tgid, tid, &facts), 0);
	return facts;
}

/* --- one process --- */

/* A name with everything that could confuse a parser of /proc/PID/stat. */
static void rename_self(void)
{
	prctl(PR_SET_NAME, "a) R 1 (b c\n");
	tell(getpid());
}

static void test_process(void **state)
{
	_cleanup_task_facts_ struct qos_task_facts *facts = NULL;
	pid_t pid = victim_start(rename_self);
	uint64_t start = 0;
	struct stat exe;
	char own_name[17] = "";
	pid_t tgid = 0;

	hear();
	facts = read_facts(pid, pid);
	prctl(PR_GET_NAME, own_name);
	assert_int_equal(stat("/proc/self/exe", &exe), 0);
	assert_int_equal(qos_proc_start_time(pid, &start), 0);
	assert_true(start > 0);
	assert_int_equal(facts->task.tid, pid);
	assert_int_equal(facts->task.tgid, pid);
	assert_int_equal(facts->task.start_time, start);
	assert_false(facts->task.kernel_thread);
	assert_string_equal(facts->task.comm, "a) R 1 (b c\n");
	assert_string_equal(facts->task.process_comm, facts->task.comm);
	assert_string_equal(facts->task.parent_comm, own_name);
	assert_int_equal(facts->task.exe_dev, exe.st_dev);
	assert_int_equal(facts->task.exe_ino, exe.st_ino);
	assert_non_null(facts->task.cgroup);
	assert_int_equal(facts->task.cgroup[0], '/');
	assert_int_equal(facts->task.uid, 0);
	assert_true(facts->task.n_gids > 0);
	assert_int_equal(facts->task.gids[0], 0);
	assert_int_equal(qos_proc_tgid(pid, &tgid), 0);
	assert_int_equal(tgid, pid);
	victim_stop(pid);
}

static void exec_with_arguments(void)
{
	execv("/usr/bin/tail", (char *[]){"tail", "-f", "two words", "", "/dev/null", NULL});
	_exit(1);
}

/* An image has its name a moment before it has its arguments. */
static bool has_arguments(pid_t pid, struct qos_task_facts **facts)
{
	qos_task_facts_free(*facts);
	*facts = read_facts(pid, pid);
	return strcmp((*facts)->task.comm, "tail") == 0 && (*facts)->task.cmdline[0];
}

static void test_cmdline(void **state)
{
	_cleanup_task_facts_ struct qos_task_facts *facts = NULL;
	pid_t pid = victim_start(exec_with_arguments);

	test_wait_for(has_arguments(pid, &facts));
	assert_string_equal(facts->task.cmdline, "tail -f two words  /dev/null");
	victim_stop(pid);
}

/* --- ids --- */

static uid_t other_uid;
static gid_t other_gid, more_gid;

static void become_another(void)
{
	if (setgroups(1, &more_gid) < 0 || setresgid(other_gid, other_gid, other_gid) < 0 ||
	    setresuid(other_uid, other_uid, other_uid) < 0)
		_exit(1);
	tell(getpid());
}

/* As a set-user-id program has it: started by somebody, allowed to be root. */
static void keep_effective_root(void)
{
	if (setresuid(other_uid, 0, 0) < 0 || setresgid(other_gid, 0, 0) < 0)
		_exit(1);
	tell(getpid());
}

static void find_others(void)
{
	const struct passwd *user = getpwnam("nobody");
	const struct group *group = getgrnam("daemon");

	assert_non_null(user);
	other_uid = user->pw_uid;
	other_gid = user->pw_gid;
	assert_non_null(group);
	more_gid = group->gr_gid;
}

static void test_ids(void **state)
{
	_cleanup_task_facts_ struct qos_task_facts *facts = NULL;
	pid_t pid;

	find_others();
	pid = victim_start(become_another);
	hear();
	facts = read_facts(pid, pid);
	assert_int_equal(facts->task.uid, other_uid);
	assert_int_equal(facts->task.n_gids, 2);
	assert_int_equal(facts->task.gids[0], other_gid);
	assert_int_equal(facts->task.gids[1], more_gid);
	victim_stop(pid);
}

static void test_effective_ids_do_not_count(void **state)
{
	_cleanup_task_facts_ struct qos_task_facts *facts = NULL;
	pid_t pid;

	find_others();
	pid = victim_start(keep_effective_root);
	hear();
	facts = read_facts(pid, pid);
	assert_int_equal(facts->task.uid, other_uid);
	assert_int_equal(facts->task.gids[0], other_gid);
	victim_stop(pid);
}

/* --- threads --- */

static void *named_thread(void *data)
{
	prctl(PR_SET_NAME, data);
	tell((pid_t)syscall(SYS_gettid));
	while (pause())
		;
	return NULL;
}

static void start_thread(void)
{
	pthread_t thread;

	prctl(PR_SET_NAME, "leader");
	if (pthread_create(&thread, NULL, named_thread, "worker") != 0)
		_exit(1);
}

static void start_thread_and_leave(void)
{
	start_thread();
	pthread_exit(NULL);
}

static void test_thread(void **state)
{
	_cleanup_task_facts_ struct qos_task_facts *facts = NULL;
	pid_t pid = victim_start(start_thread), tid = hear(), tgid = 0;

	facts = read_facts(pid, tid);
	assert_string_equal(facts->task.comm, "worker");
	assert_string_equal(facts->task.process_comm, "leader");
	assert_int_equal(qos_proc_tgid(tid, &tgid), 0);
	assert_int_equal(tgid, pid);
	victim_stop(pid);
}

static void test_thread_of_another_process(void **state)
{
	struct qos_task_facts *facts = NULL;
	pid_t pid = victim_start(start_thread), tid = hear();

	assert_int_equal(qos_proc_read(getpid(), tid, &facts), -ESRCH);
	assert_null(facts);
	victim_stop(pid);
}

static char state_of(pid_t pid)
{
	struct qos_proc_stat stat = {};
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	return qos_proc_stat_read(AT_FDCWD, path, &stat) == 0 ? stat.state : '?';
}

/* The leader is a zombie, its process lives: the facts are the thread's, the name the leader's. */
static void test_zombie_leader(void **state)
{
	_cleanup_task_facts_ struct qos_task_facts *facts = NULL, *process = NULL;
	pid_t pid = victim_start(start_thread_and_leave), tid = hear();
	struct stat exe;

	test_wait_for(state_of(pid) == 'Z');
	assert_int_equal(stat("/proc/self/exe", &exe), 0);
	assert_int_equal(qos_proc_read(pid, pid, &process), -ESRCH);
	facts = read_facts(pid, tid);
	assert_string_equal(facts->task.comm, "worker");
	assert_string_equal(facts->task.process_comm, "leader");
	assert_int_equal(facts->task.exe_ino, exe.st_ino);
	assert_non_null(facts->task.cmdline);
	assert_non_null(facts->task.cgroup);
	assert_int_equal(qos_proc_read_process(pid, &process), 0);
	assert_int_equal(process->task.tid, tid);
	assert_int_equal(process->task.exe_ino, exe.st_ino);
	victim_stop(pid);
}

/* Our own want of descriptors is not the end of a thread. */
static void test_no_descriptors(void **state)
{
	struct qos_task_facts *facts = NULL;
	pid_t pid = victim_start(start_thread), tid = hear(), tgid = 0;
	struct rlimit before, few;
	uint64_t start;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	for (few.rlim_cur = 0; few.rlim_cur < 16; few.rlim_cur++) {
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
		if (qos_proc_read(pid, tid, &facts) != -EMFILE)
			break;
		if (few.rlim_cur < 3) {
			assert_int_equal(qos_proc_start_time(tid, &start), -EMFILE);
			assert_int_equal(qos_proc_tgid(tid, &tgid), -EMFILE);
			assert_int_equal(qos_proc_read_process(pid, &facts), -EMFILE);
		}
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_in_range(few.rlim_cur, 4, 15);
	assert_non_null(facts);
	qos_task_facts_free(facts);
	victim_stop(pid);
}

static void leave(void)
{
	_exit(0);
}

static void test_zombie_and_gone(void **state)
{
	struct qos_task_facts *facts = NULL;
	uint64_t start = 7;
	pid_t pid = victim_start(leave), tgid = 8;

	test_wait_for(state_of(pid) == 'Z');
	assert_int_equal(qos_proc_start_time(pid, &start), -ESRCH);
	assert_int_equal(qos_proc_read(pid, pid, &facts), -ESRCH);
	waitpid(pid, NULL, 0);
	assert_int_equal(qos_proc_start_time(pid, &start), -ESRCH);
	assert_int_equal(qos_proc_read(pid, pid, &facts), -ESRCH);
	assert_int_equal(qos_proc_tgid(pid, &tgid), -ESRCH);
	assert_int_equal(start, 7);
	assert_int_equal(tgid, 8);
	assert_null(facts);
}

/* --- walking --- */

struct search {
	pid_t wanted;
	int found;
};

static int find_process(void *data, pid_t tgid)
{
	struct search *search = data;

	search->found += tgid == search->wanted;
	return tgid == search->wanted ? 42 : 0;
}

static int find_thread(void *data, pid_t tgid, pid_t tid)
{
	struct search *search = data;

	search->found += tid == search->wanted;
	return 0;
}

static void test_walk(void **state)
{
	pid_t pid = victim_start(start_thread), tid = hear();
	struct search search = {.wanted = pid};

	assert_int_equal(qos_proc_each_process(find_process, &search), 42);
	assert_int_equal(search.found, 1);
	search = (struct search){.wanted = tid};
	assert_int_equal(qos_proc_each_process(find_process, &search), 0);
	assert_int_equal(search.found, 0);
	assert_int_equal(qos_proc_each_thread(pid, find_thread, &search), 0);
	assert_int_equal(search.found, 1);
	victim_stop(pid);
	assert_int_equal(qos_proc_each_thread(pid, find_thread, &search), -ESRCH);
}

static void test_kernel_thread(void **state)
{
	_cleanup_task_facts_ struct qos_task_facts *facts = NULL;
	struct qos_proc_stat stat;

	if (qos_proc_stat_read(AT_FDCWD, "/proc/2/stat", &stat) < 0 ||
	    strcmp(stat.comm, "kthreadd") != 0)
		skip(); /* a pid namespace of its own has none */
	assert_true(stat.kernel_thread);
	assert_int_equal(qos_proc_read_process(2, &facts), 0);
	assert_true(facts->task.kernel_thread);
	assert_string_equal(facts->task.process_comm, "kthreadd");
	assert_null(facts->task.cgroup);
	assert_int_equal(facts->task.n_gids, 0);
}

static void test_own(void **state)
{
	_cleanup_task_facts_ struct qos_task_facts *own = NULL, *other = NULL;

	assert_int_equal(qos_proc_read_process(getpid(), &own), 0);
	assert_true(own->task.own);
	assert_int_equal(qos_proc_read_process(getppid(), &other), 0);
	assert_false(other->task.own);
}

#define proc_test(f) cmocka_unit_test_setup_teardown(f, pipe_setup, pipe_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		proc_test(test_process),
		proc_test(test_cmdline),
		proc_test(test_ids),
		proc_test(test_effective_ids_do_not_count),
		proc_test(test_thread),
		proc_test(test_thread_of_another_process),
		proc_test(test_zombie_leader),
		proc_test(test_no_descriptors),
		proc_test(test_zombie_and_gone),
		proc_test(test_walk),
		proc_test(test_kernel_thread),
		proc_test(test_own),
	};

	need_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
