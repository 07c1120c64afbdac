/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sched_setattr(2) and friends by number: glibc before 2.41 has no wrapper, and its cpu_set_t
 * macros hide the mask's size. The first version (48 bytes) of the kernel's struct is used on
 * purpose: it leaves utilisation clamps alone.
 *
 * Weakness: the affinity that the kernel tells is the effective one (cpuset and online CPUs taken
 * off), so what a thread once asked for beyond that cannot be read back.
 */
#include "kern/sched.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/file.h"

#define SCHED_FILE_MAX 16384

struct kernel_attr {
	uint32_t size;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime;
	uint64_t deadline;
	uint64_t period;
};

_Static_assert(sizeof(struct kernel_attr) == 48, "SCHED_ATTR_SIZE_VER0");

/* Under a real-time policy the kernel keeps nice but sched_getattr does not tell it. */
static int read_nice(pid_t tid, int32_t *ret)
{
	int nice;

	errno = 0;
	nice = getpriority(PRIO_PROCESS, (id_t)tid);
	if (nice == -1 && errno != 0)
		return -errno;
	*ret = nice;
	return 0;
}

int qos_sched_get(pid_t tid, struct qos_sched_attr *ret)
{
	struct kernel_attr attr = {};
	int32_t nice = 0;
	int r;

	if (syscall(SYS_sched_getattr, tid, &attr, sizeof(attr), 0) < 0)
		return -errno;
	r = read_nice(tid, &nice);
	if (r < 0)
		return r;
	*ret = (struct qos_sched_attr){
		.policy = attr.policy,
		.flags = attr.flags & QOS_SCHED_FLAGS,
		.nice = nice,
		.priority = attr.priority,
		.runtime_ns = attr.runtime,
		.deadline_ns = attr.deadline,
		.period_ns = attr.period,
	};
	return 0;
}

int qos_sched_set(pid_t tid, const struct qos_sched_attr *attr)
{
	struct kernel_attr kernel = {
		.size = sizeof(kernel),
		.policy = attr->policy,
		.flags = attr->flags & QOS_SCHED_FLAGS,
		.nice = attr->nice,
		.priority = attr->priority,
		.runtime = attr->runtime_ns,
		.deadline = attr->deadline_ns,
		.period = attr->period_ns,
	};

	return syscall(SYS_sched_setattr, tid, &kernel, 0) < 0 ? -errno : 0;
}

int qos_sched_get_affinity(pid_t tid, struct qos_cpus *ret)
{
	struct qos_cpus cpus = {};

	if (syscall(SYS_sched_getaffinity, tid, sizeof(cpus.word), cpus.word) < 0)
		return -errno;
	*ret = cpus;
	return 0;
}

int qos_sched_set_affinity(pid_t tid, const struct qos_cpus *cpus)
{
	return syscall(SYS_sched_setaffinity, tid, sizeof(cpus->word), cpus->word) < 0 ? -errno : 0;
}

bool qos_sched_same(const struct qos_sched_attr *a, const struct qos_sched_attr *b)
{
	if (a->policy != b->policy || ((a->flags ^ b->flags) & QOS_SCHED_RESET_ON_FORK))
		return false;
	switch (a->policy) {
	case SCHED_FIFO:
	case SCHED_RR:
		return a->priority == b->priority;
	case SCHED_DEADLINE:
		return a->runtime_ns == b->runtime_ns && a->deadline_ns == b->deadline_ns &&
		       a->period_ns == b->period_ns;
	default:
		return true;
	}
}

/* A line of that file is "dl.runtime                 :              4907442". */
static bool read_field(const char *text, const char *name, int64_t *ret)
{
	const char *line = strstr(text, name);

	line = line ? strchr(line, ':') : NULL;
	if (line)
		*ret = strtoll(line + 1, NULL, 10);
	return line;
}

bool qos_sched_is_unthrottled(pid_t tid)
{
	_cleanup_free_ char *text = NULL;
	int64_t left_ns, deadline_ns;
	char path[64];
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/sched", tid);
	if (qos_file_read(AT_FDCWD, path, SCHED_FILE_MAX, &text, &len) < 0)
		return false;
	return read_field(text, "\ndl.runtime ", &left_ns) &&
	       read_field(text, "\ndl.deadline ", &deadline_ns) && (left_ns > 0 || !deadline_ns);
}

int qos_sched_online(struct qos_cpus *ret)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r;

	r = qos_file_read(AT_FDCWD, "/sys/devices/system/cpu/online", QOS_CPUS_TEXT_MAX, &text,
			  &len);
	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	return qos_cpus_parse(text, ret);
}

const char *qos_sched_call_name(uint32_t policy)
{
	static const char *const names[] = {
		[SCHED_NORMAL] = "sched_setattr(OTHER)",
		[SCHED_FIFO] = "sched_setattr(FIFO)",
		[SCHED_RR] = "sched_setattr(RR)",
		[SCHED_BATCH] = "sched_setattr(BATCH)",
		[SCHED_IDLE] = "sched_setattr(IDLE)",
		[SCHED_DEADLINE] = "sched_setattr(DEADLINE)",
	};

	if (policy >= QOS_ARRAY_SIZE(names) || !names[policy])
		return "sched_setattr";
	return names[policy];
}
