/* SPDX-License-Identifier: GPL-2.0-only */
/* This machine, compared with what other tools and the tests themselves know of it. */
#include "victim.h"

#include <errno.h>
#include <linux/sched.h>
#include <sys/utsname.h>

#include "admit/capacity.h"
#include "kern/probe.h"
#include "util/file.h"

#define FAIR "/sys/kernel/debug/sched/fair_server"

static struct qos_host *probe(const struct qos_probe_own *own)
{
	struct qos_host *host = NULL;

	assert_int_equal(qos_probe_host(own, &host), 0);
	return host;
}

static void test_basics(void **state)
{
	_cleanup_host_ struct qos_host *host = probe(NULL);
	struct qos_cpus online = online_cpus();
	struct utsname name;
	bool lo = false, root = false;

	assert_int_equal(uname(&name), 0);
	assert_string_equal(host->release, name.release);
	assert_true(qos_cpus_equal(&host->online, &online));
	assert_int_equal(qos_cpus_count(&host->online), sysconf(_SC_NPROCESSORS_ONLN));
	assert_true(host->hz >= 100 && host->hz <= 1000);
	assert_true(host->rt_period_us > 0);
	assert_true(host->dl_period_min_ns > 0 && host->dl_period_min_ns < host->dl_period_max_ns);
	for (size_t i = 0; i < host->n_interfaces; i++)
		lo |= strcmp(host->interfaces[i].name, "lo") == 0;
	assert_true(lo);
	for (size_t i = 0; i < host->n_users; i++)
		root |= strcmp(host->users[i], "root") == 0;
	assert_true(root);
	assert_true(host->n_groups > 0);
	assert_false(qos_probe_supply_changed(host));
}

/* A fact of the machine, not of the moment: it is one of few values, and the next look finds that one
 * or its neighbour. */
static void test_sample_cost(void **state)
{
	uint64_t us = qos_probe_sample_cost() / 1000, again = qos_probe_sample_cost() / 1000;

	assert_in_range(us, 1, QOS_SAMPLE_COST_MAX / 1000);
	assert_int_equal(us & (us - 1), 0);
	assert_in_range(again, us / 2, 2 * us);
}

static void test_supply_changed(void **state)
{
	_cleanup_host_ struct qos_host *host = probe(NULL);

	host->rt_runtime_us--;
	assert_true(qos_probe_supply_changed(host));
	host->rt_runtime_us++;
	host->rt_period_us++;
	assert_true(qos_probe_supply_changed(host));
	host->rt_period_us--;
	host->perf_paranoid++;
	assert_true(qos_probe_supply_changed(host));
	host->perf_paranoid--;
	assert_false(qos_probe_supply_changed(host));
	qos_cpus_add(&host->online, QOS_CPUS_MAX - 1);
	assert_true(qos_probe_supply_changed(host));
}

/* What the live suite itself cannot do without. */
static void test_features(void **state)
{
	_cleanup_host_ struct qos_host *host = probe(NULL);

	assert_true(qos_host_has(host, QOS_FEATURE_BTF));
	assert_true(qos_host_has(host, QOS_FEATURE_BPF));
	assert_true(qos_host_has(host, QOS_FEATURE_TASK_CLOCK));
	assert_true(qos_host_has(host, QOS_FEATURE_DEADLINE));
	assert_true(qos_host_has(host, QOS_FEATURE_RT));
	for (int i = 0; i < QOS_FEATURE_COUNT; i++)
		assert_int_not_equal(host->feature[i], QOS_UNKNOWN);
}

/* The trial lets go of a capability, and that of its own thread only. The other outcome takes a kernel with
 * Debian's patch: tests/vm/test_paranoid.py. */
static void test_unit_clock(void **state)
{
	_cleanup_host_ struct qos_host *host = probe(NULL);
	_cleanup_free_ char *before = NULL, *after = NULL;
	size_t len;

	assert_int_equal(qos_file_read(AT_FDCWD, "/proc/thread-self/status", 65536, &before, &len),
			 0);
	assert_int_equal(qos_probe_unit_clock(),
			 host->perf_paranoid > 2 ? QOS_DENIED : QOS_PRESENT);
	assert_int_equal(qos_file_read(AT_FDCWD, "/proc/thread-self/status", 65536, &after, &len),
			 0);
	assert_memory_equal(strstr(before, "CapEff:"), strstr(after, "CapEff:"), 24);
}

/* Neither a policy nor an affinity of the caller changes. */
static void test_changes_nothing(void **state)
{
	struct victim_state before = victim_state(0);

	qos_host_free(probe(NULL));
	assert_victim(0, &before);
}

/* A caller under taskset says nothing about the machine. */
static void test_narrow_caller(void **state)
{
	struct victim_state before = victim_state(0);
	struct qos_cpus first = one_cpu(0);
	_cleanup_host_ struct qos_host *host = NULL;

	assert_int_equal(qos_sched_set_affinity(0, &first), 0);
	host = probe(NULL);
	assert_int_equal(qos_sched_set_affinity(0, &before.cpus), 0);
	assert_true(qos_host_has(host, QOS_FEATURE_DEADLINE));
}

/* --- the fair server --- */

static void write_number(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* debugfs may be absent or locked down, so its place is taken by files of the same form. */
static void test_fair_server(void **state)
{
	_cleanup_host_ struct qos_host *host = NULL;

	if (mount("none", "/sys/kernel/debug", "tmpfs", 0, NULL) < 0)
		skip(); /* a kernel without CONFIG_DEBUG_FS has not even the directory */
	assert_int_equal(qos_file_mkdirs(FAIR "/cpu0", 0755), 0);
	assert_int_equal(qos_file_mkdirs(FAIR "/cpu1", 0755), 0);
	write_number(FAIR "/cpu0/runtime", "50000000\n");
	write_number(FAIR "/cpu0/period", "1000000000\n");
	write_number(FAIR "/cpu1/runtime", "20000000\n");
	write_number(FAIR "/cpu1/period", "100000000\n");
	host = probe(NULL);
	assert_int_equal(umount("/sys/kernel/debug"), 0);
	assert_true(qos_cpus_count(&host->online) >= 2);
	assert_int_equal(host->fair_runtime_ns, 20000000); /* 20 % is more than 5 % */
	assert_int_equal(host->fair_period_ns, 100000000);
}

/* --- foreign --- */

static const struct qos_foreign *find(const struct qos_host *host, pid_t tid)
{
	for (size_t i = 0; i < host->n_foreign; i++) {
		if (host->foreign[i].tid == tid)
			return &host->foreign[i];
	}
	return NULL;
}

static bool is_own(void *data, pid_t tid)
{
	return tid == *(pid_t *)data;
}

static void test_foreign(void **state)
{
	const struct qos_sched_attr fifo = {.policy = SCHED_FIFO, .priority = 3};
	const struct qos_sched_attr deadline = {.policy = SCHED_DEADLINE,
						.runtime_ns = 100000,
						.deadline_ns = 50000000,
						.period_ns = 60000000};
	struct qos_cpus last = one_cpu(last_cpu());
	pid_t a = victim_start(NULL), b = victim_start(NULL), c = victim_start(NULL);
	const struct qos_probe_own own = {.is_own = is_own, .data = &c};
	_cleanup_host_ struct qos_host *host = NULL;
	const struct qos_foreign *found;

	assert_int_equal(qos_sched_set(a, &fifo), 0);
	assert_int_equal(qos_sched_set_affinity(a, &last), 0);
	assert_int_equal(qos_sched_set(b, &deadline), 0);
	assert_int_equal(qos_sched_set(c, &fifo), 0);
	assert_int_equal(qos_sched_set(0, &fifo), 0);
	host = probe(&own);
	assert_int_equal(qos_sched_set(0, &(struct qos_sched_attr){}), 0);
	found = find(host, a);
	assert_non_null(found);
	assert_int_equal(found->policy, SCHED_FIFO);
	assert_int_equal(found->priority, 3);
	assert_true(qos_cpus_equal(&found->cpus, &last));
	assert_true(found->used_ppm <= 1000000);
	found = find(host, b);
	assert_non_null(found);
	assert_int_equal(found->policy, SCHED_DEADLINE);
	assert_int_equal(found->runtime_ns, 100000);
	assert_int_equal(found->period_ns, 50000000); /* the shorter of deadline and period */
	assert_null(find(host, c));
	assert_null(find(host, getpid()));
	for (size_t i = 0; i < host->n_foreign; i++) /* of the kernel, only what matters */
		assert_true(strncmp(host->foreign[i].comm, "migration/", 10) ||
			    host->foreign[i].used_ppm >= QOS_NEGLIGIBLE_PPM);
	victim_stop(a);
	victim_stop(b);
	victim_stop(c);
}

/* A program that died and that nobody waits for; its parameters, which the kernel takes a period later, read as none, and
 * who has none counts as a whole CPU. */
static void test_foreign_zombie(void **state)
{
	const struct qos_sched_attr deadline = {.policy = SCHED_DEADLINE,
						.runtime_ns = 100000,
						.deadline_ns = 1000000,
						.period_ns = 1000000};
	pid_t pid = victim_start(NULL);
	_cleanup_host_ struct qos_host *host = NULL;
	struct qos_sched_attr now;

	assert_int_equal(qos_sched_set(pid, &deadline), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	test_wait_for(qos_sched_get(pid, &now) == 0 && now.runtime_ns == 0);
	assert_int_equal(now.policy, SCHED_DEADLINE);
	host = probe(NULL);
	assert_null(find(host, pid));
	victim_stop(pid);
}

static void spin(void)
{
	for (;;)
		;
}

static void test_foreign_use(void **state)
{
	const struct qos_sched_attr rr = {.policy = SCHED_RR, .priority = 1};
	_cleanup_host_ struct qos_host *host = NULL;
	struct qos_cpus last = one_cpu(last_cpu());
	pid_t pid = victim_start(spin);
	struct timespec used;
	clockid_t clock;

	assert_int_equal(qos_sched_set_affinity(pid, &last), 0);
	assert_int_equal(clock_getcpuclockid(pid, &clock), 0);
	test_wait_for(clock_gettime(clock, &used) == 0 && used.tv_nsec > 100000000);
	assert_int_equal(qos_sched_set(pid, &rr), 0);
	host = probe(NULL);
	victim_stop(pid);
	assert_non_null(find(host, pid));
	assert_true(find(host, pid)->used_ppm > 50000);
}

static void test_foreign_truncated(void **state)
{
	const struct qos_sched_attr fifo = {.policy = SCHED_FIFO, .priority = 1};
	const struct qos_sched_attr deadline = {.policy = SCHED_DEADLINE,
						.runtime_ns = 100000,
						.deadline_ns = 50000000,
						.period_ns = 50000000};
	pid_t pids[QOS_FOREIGN_MAX + 1];
	_cleanup_host_ struct qos_host *host = NULL;

	for (int i = 0; i <= QOS_FOREIGN_MAX; i++) {
		pids[i] = victim_start(NULL);
		assert_int_equal(qos_sched_set(pids[i], i < QOS_FOREIGN_MAX ? &fifo : &deadline),
				 0);
	}
	host = probe(NULL);
	for (int i = 0; i <= QOS_FOREIGN_MAX; i++)
		victim_stop(pids[i]);
	assert_int_equal(host->n_foreign, QOS_FOREIGN_MAX);
	assert_true(host->foreign_truncated);
	assert_non_null(find(host, pids[QOS_FOREIGN_MAX])); /* the last one matters most */
}

/* --- without root --- */

/* Exit code: 0, or the number of the line that was wrong. */
static int probe_as_nobody(void)
{
	struct qos_host *host = NULL;
	int line = 0;

	if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
		return 1;
	if (qos_probe_host(NULL, &host) < 0)
		return 2;
	if (host->feature[QOS_FEATURE_BPF] != QOS_DENIED)
		line = 3;
	if (host->feature[QOS_FEATURE_DEADLINE] != QOS_DENIED)
		line = 4;
	if (host->feature[QOS_FEATURE_RT] != QOS_DENIED)
		line = 5;
	if (!qos_cpus_count(&host->online) || !host->hz || !host->rt_period_us)
		line = 6;
	if (!qos_host_has(host, QOS_FEATURE_BTF))
		line = 7;
	qos_host_free(host);
	return line;
}

static void test_without_root(void **state)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(probe_as_nobody());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_basics),		cmocka_unit_test(test_sample_cost),
		cmocka_unit_test(test_supply_changed),	cmocka_unit_test(test_features),
		cmocka_unit_test(test_changes_nothing), cmocka_unit_test(test_narrow_caller),
		cmocka_unit_test(test_fair_server),	cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_foreign_use),	cmocka_unit_test(test_foreign_truncated),
		cmocka_unit_test(test_without_root),	cmocka_unit_test(test_unit_clock),
		cmocka_unit_test(test_foreign_zombie),
	};

	need_root();
	return cmocka_run_group_tests(tests, private_mounts, NULL);
}
