/* SPDX-License-Identifier: GPL-2.0-only */
/* The pinned map: where it lies, who may have made it, what it remembers. */
#include "victim.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/sched.h>
#include <sys/stat.h>

#include "state/originals.h"
#include "state/pins.h"

static const struct qos_sched_attr fifo = {
	.policy = SCHED_FIFO, .flags = QOS_SCHED_RESET_ON_FORK, .priority = 11};
static const struct qos_sched_attr deadline = {.policy = SCHED_DEADLINE,
					       .flags = QOS_SCHED_RESET_ON_FORK,
					       .runtime_ns = 10000,
					       .deadline_ns = 90000000,
					       .period_ns = 100000000};

#define PIN_NAME "originals_v1"

static struct qos_originals *open_at(const char *dir)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_originals *originals = NULL;

	if (qos_originals_open(dir, true, &diag, &originals) < 0)
		qos_diag_print(&diag, stderr);
	assert_non_null(originals);
	qos_diag_reset(&diag);
	return originals;
}

static int records_setup(void **state)
{
	scratch_setup(state);
	*state = open_at(pin_dir);
	return 0;
}

static int records_teardown(void **state)
{
	qos_originals_close(*state);
	return scratch_teardown(state);
}

/* --- the directory --- */

static bool is_mounted(const char *path)
{
	FILE *mounts = fopen("/proc/self/mounts", "re");
	char line[1024], needle[300];
	bool found = false;

	snprintf(needle, sizeof(needle), "qosd %s bpf ", path);
	while (mounts && fgets(line, sizeof(line), mounts))
		found |= strncmp(line, needle, strlen(needle)) == 0;
	fclose(mounts);
	return found;
}

static void test_open_nothing(void **state)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_originals *originals = NULL;

	assert_int_equal(qos_originals_open(pin_dir, false, &diag, &originals), -ENOENT);
	assert_null(originals);
	assert_int_equal(diag.n_entries, 0);
}

static void test_own_mount_comes_and_goes(void **state)
{
	struct qos_originals *originals = open_at(pin_dir);

	assert_true(is_mounted(pin_dir));
	assert_int_equal(qos_originals_unpin(originals), 0);
	qos_originals_close(originals);
	assert_false(is_mounted(pin_dir));
	assert_int_equal(access(pin_dir, F_OK), -1);
}

/* /sys/fs/bpf without a bpf file system: sysfs has no mkdir, so the mount goes there. */
static void test_mount_on_sysfs(void **state)
{
	struct qos_originals *originals;

	while (umount2("/sys/fs/bpf", MNT_DETACH) == 0)
		;
	originals = open_at("/sys/fs/bpf/qos-test");
	assert_true(is_mounted("/sys/fs/bpf"));
	assert_int_equal(qos_originals_unpin(originals), 0);
	qos_originals_close(originals);
	assert_false(is_mounted("/sys/fs/bpf"));
}

static void test_mount_of_the_system_stays(void **state)
{
	struct qos_originals *originals;
	DIR *dir;

	assert_int_equal(mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL), 0);
	originals = open_at("/sys/fs/bpf/qos-test");
	assert_int_equal(qos_originals_unpin(originals), 0);
	qos_originals_close(originals);
	assert_int_equal(access("/sys/fs/bpf/qos-test", F_OK), -1);
	dir = opendir("/sys/fs/bpf");
	assert_non_null(dir);
	closedir(dir);
	assert_int_equal(umount("/sys/fs/bpf"), 0);
}

static int pin_map(const char *name, size_t value_size)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "other", sizeof(struct qos_original_key),
				value_size, 4, NULL);
	char path[160];
	int r;

	assert_true(fd >= 0);
	snprintf(path, sizeof(path), "%s/%s", pin_dir, name);
	r = bpf_obj_pin(fd, path);
	close(fd);
	return r;
}

static void test_pin_of_others_keeps_the_mount(void **state)
{
	struct qos_originals *originals = open_at(pin_dir);

	assert_int_equal(pin_map("other", 8), 0);
	assert_int_equal(qos_originals_unpin(originals), 0);
	qos_originals_close(originals);
	assert_true(is_mounted(pin_dir));
}

static void test_directory_of_others_is_refused(void **state)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_originals *originals = open_at(pin_dir);

	qos_originals_close(originals);
	assert_int_equal(chmod(pin_dir, 0777), 0);
	assert_int_equal(qos_originals_open(pin_dir, true, &diag, &originals), -EPERM);
	assert_int_equal(diag.n_errors, 1);
	assert_non_null(diag.entries[0].hint);
	qos_diag_reset(&diag);
}

static void test_other_layout_is_refused(void **state)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_originals *originals = NULL;

	assert_int_equal(qos_pins_prepare(pin_dir, true, &diag), 0);
	assert_int_equal(pin_map(PIN_NAME, sizeof(struct qos_original) - 8), 0);
	assert_int_equal(qos_originals_open(pin_dir, true, &diag, &originals), -EPROTO);
	assert_non_null(strstr(diag.entries[0].text, "another version"));
	qos_diag_reset(&diag);
}

/* The same sizes may mean other things, so the number of the layout is in the name. */
static void test_pin_names_its_layout(void **state)
{
	struct qos_originals *originals = open_at(pin_dir);
	char path[160];

	snprintf(path, sizeof(path), "%s/" PIN_NAME, pin_dir);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(qos_originals_unpin(originals), 0);
	qos_originals_close(originals);
}

static void test_second_writer_is_refused(void **state)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_originals *first = open_at(pin_dir), *second = NULL;

	assert_int_equal(qos_originals_open(pin_dir, true, &diag, &second), -EBUSY);
	assert_null(second);
	assert_non_null(strstr(diag.entries[0].text, "another qosd uses it"));
	assert_non_null(diag.entries[0].hint);
	qos_diag_reset(&diag);
	assert_int_equal(qos_originals_open(pin_dir, false, &diag, &second), 0);
	assert_int_equal(qos_originals_lock(second, &diag), -EBUSY);
	qos_originals_close(first);
	qos_diag_reset(&diag);
	assert_int_equal(qos_originals_lock(second, &diag), 0);
	assert_int_equal(qos_originals_open(pin_dir, true, &diag, &first), -EBUSY);
	qos_diag_reset(&diag);
	assert_int_equal(qos_originals_unpin(second), 0);
	qos_originals_close(second);
	assert_false(is_mounted(pin_dir));
}

/* --- records --- */

static void test_record(void **state)
{
	struct qos_originals *originals = *state;
	struct qos_original_key key, again;
	struct qos_original original;
	pid_t pid = victim_start(NULL);

	assert_int_equal(qos_originals_get(originals, pid, &original), -ENOENT);
	assert_int_equal(qos_originals_record(originals, pid, &key), 0);
	assert_int_equal(qos_originals_change(originals, &key, &fifo, NULL, false, NULL), 0);
	assert_int_equal(qos_originals_record(originals, pid, &again), 0);
	assert_memory_equal(&key, &again, sizeof(key));
	assert_int_equal(qos_originals_get(originals, pid, &original), 0);
	assert_int_equal(original.own.policy, SCHED_NORMAL);
	assert_int_equal(original.set.policy, SCHED_FIFO);
	assert_int_equal(qos_originals_unpin(originals), -EBUSY);
	victim_stop(pid);
	assert_int_equal(qos_originals_record(originals, pid, &again), -ESRCH);
	assert_int_equal(qos_originals_change(originals, &key, &fifo, NULL, false, NULL), -ESRCH);
	assert_int_equal(qos_originals_restore_key(originals, &key, NULL), 0);
	assert_int_equal(qos_originals_restore(originals, pid, NULL), 0);
	assert_int_equal(qos_originals_unpin(originals), 0);
}

static void test_record_again_after_reopen(void **state)
{
	struct qos_originals *again = NULL;
	struct qos_original_key key;
	pid_t pid = victim_start(NULL);

	assert_int_equal(qos_originals_open(pin_dir, false, NULL, &again), 0);
	assert_int_equal(qos_originals_record(*state, pid, &key), 0);
	assert_int_equal(qos_originals_change(*state, &key, &fifo, NULL, false, NULL), 0);
	assert_int_equal(qos_originals_restore_all(again), 0);
	assert_int_equal(victim_state(pid).attr.policy, SCHED_NORMAL);
	qos_originals_close(again);
	victim_stop(pid);
}

/* More than one, so that the walk goes on behind a dropped record. */
static void test_restore_all(void **state)
{
	struct qos_original_key key;
	struct victim_state before[20];
	pid_t pids[20];

	for (int i = 0; i < 20; i++) {
		pids[i] = victim_start(NULL);
		before[i] = victim_state(pids[i]);
		assert_int_equal(qos_originals_record(*state, pids[i], &key), 0);
		assert_int_equal(qos_originals_change(*state, &key, &fifo, NULL, false, NULL), 0);
	}
	victim_stop(pids[7]);
	assert_int_equal(qos_originals_restore_all(*state), 0);
	assert_int_equal(qos_originals_unpin(*state), 0);
	for (int i = 0; i < 20; i++) {
		if (i == 7)
			continue;
		assert_victim(pids[i], &before[i]);
		victim_stop(pids[i]);
	}
}

static int count(void *data, pid_t tid, const struct qos_original *original)
{
	++*(int *)data;
	return 0;
}

static void test_each_forgets_the_dead(void **state)
{
	struct qos_originals *originals = *state;
	struct qos_original_key keys[3];
	pid_t pids[3];
	int n = 0;

	for (int i = 0; i < 3; i++) {
		pids[i] = victim_start(NULL);
		assert_int_equal(qos_originals_record(originals, pids[i], &keys[i]), 0);
	}
	victim_stop(pids[1]);
	assert_int_equal(qos_originals_each(originals, count, &n), 0);
	assert_int_equal(n, 2);
	qos_originals_forget(originals, &keys[0]);
	victim_stop(pids[2]);
	assert_int_equal(qos_originals_unpin(originals), 0);
	victim_stop(pids[0]);
}

/* The tid lives, but it is another thread: its state is none of ours. */
static void test_reused_tid(void **state)
{
	struct qos_originals *originals = *state;
	struct qos_original_key key;
	pid_t pid = victim_start(NULL);
	struct victim_state before;
	int n = 0;

	assert_int_equal(qos_originals_record(originals, pid, &key), 0);
	assert_int_equal(qos_originals_change(originals, &key, &fifo, NULL, false, NULL), 0);
	before = victim_state(pid);
	key.start_time--;
	assert_int_equal(qos_originals_change(originals, &key, &deadline, NULL, true, NULL),
			 -ENOENT);
	assert_int_equal(qos_originals_restore_key(originals, &key, NULL), 0);
	assert_victim(pid, &before);
	assert_int_equal(qos_originals_each(originals, count, &n), 0);
	assert_int_equal(n, 1);
	victim_stop(pid);
}

static void test_exec_of_the_dead(void **state)
{
	struct qos_original_key key;
	pid_t pid = victim_start(NULL);

	assert_int_equal(qos_originals_record(*state, pid, &key), 0);
	victim_stop(pid);
	assert_int_equal(qos_originals_exec(*state, &key, pid), 0);
	assert_int_equal(qos_originals_verify(*state, &key), -ENOENT);
}

#define directory_test(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
#define record_test(f)	  cmocka_unit_test_setup_teardown(f, records_setup, records_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		directory_test(test_open_nothing),
		directory_test(test_own_mount_comes_and_goes),
		directory_test(test_mount_on_sysfs),
		directory_test(test_mount_of_the_system_stays),
		directory_test(test_pin_of_others_keeps_the_mount),
		directory_test(test_directory_of_others_is_refused),
		directory_test(test_other_layout_is_refused),
		directory_test(test_pin_names_its_layout),
		directory_test(test_second_writer_is_refused),
		record_test(test_record),
		record_test(test_record_again_after_reopen),
		record_test(test_restore_all),
		record_test(test_each_forgets_the_dead),
		record_test(test_reused_tid),
		record_test(test_exec_of_the_dead),
	};

	need_root();
	return cmocka_run_group_tests(tests, private_mounts, NULL);
}
