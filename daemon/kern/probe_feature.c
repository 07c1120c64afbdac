/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel has. Each feature is tried or looked for, never guessed from a version. Trials
 * leave nothing behind: a program that is not attached, an event that is closed, a policy that only
 * a thread of our own ever has, for some microseconds.
 *
 * Weakness: EPERM does not tell a missing privilege from a security module or a cgroup that says
 * no; both are "denied", and the advice names both.
 */
#include "kern/probe_parts.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <malloc.h>
#include <mntent.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

#include "kern/probe_module.h"
#include "kern/sandbox.h"
#include "kern/sched.h"
#include "util/file.h"

/* --- files --- */

static enum qos_feature_state exists(const char *path)
{
	return access(path, F_OK) == 0 ? QOS_PRESENT : QOS_ABSENT;
}

static enum qos_feature_state probe_btf(void)
{
	return exists("/sys/kernel/btf/vmlinux");
}

static enum qos_feature_state probe_uprobes(void)
{
	return exists("/sys/bus/event_source/devices/uprobe");
}

static enum qos_feature_state probe_module(void)
{
	return qos_probe_module_advice(qos_probe_module())->state;
}

static enum qos_feature_state probe_sched_ext(void)
{
	return exists("/sys/kernel/sched_ext");
}

/* First letter of a switch file. */
static enum qos_feature_state probe_switch(const char *path)
{
	_cleanup_free_ char *text = NULL;
	size_t len;

	if (qos_file_read(AT_FDCWD, path, 64, &text, &len) < 0)
		return QOS_ABSENT;
	return text[0] == '1' ? QOS_PRESENT : QOS_OFF;
}

static enum qos_feature_state probe_delayacct(void)
{
	return probe_switch("/proc/sys/kernel/task_delayacct");
}

/* /sys/kernel/realtime came with the mainline merge and the patches before it; the version string
 * has the word in all of them. */
static enum qos_feature_state probe_preempt_rt(void)
{
	struct utsname name;

	if (probe_switch("/sys/kernel/realtime") == QOS_PRESENT)
		return QOS_PRESENT;
	return uname(&name) == 0 && strstr(name.version, "PREEMPT_RT") ? QOS_PRESENT : QOS_ABSENT;
}

/* --- file systems --- */

static void endmntentp(FILE **file)
{
	if (*file)
		endmntent(*file);
}

/* Where a file system of this type (with this option, unless NULL) is mounted; false: nowhere. */
static bool find_mount(const char *type, const char *option, char *ret, size_t size)
{
	QOS_CLEANUP(endmntentp) FILE *mounts = setmntent("/proc/self/mounts", "re");
	const struct mntent *entry;

	while (mounts && (entry = getmntent(mounts))) {
		if (strcmp(entry->mnt_type, type) != 0 || (option && !hasmntopt(entry, option)))
			continue;
		return snprintf(ret, size, "%s", entry->mnt_dir) < (int)size;
	}
	return false;
}

/* Lines of /proc/filesystems: "nodev\tbpf". */
static bool kernel_knows(const char *type)
{
	_cleanup_free_ char *text = NULL;
	char line[64];
	size_t len;

	if (qos_file_read(AT_FDCWD, "/proc/filesystems", 65536, &text, &len) < 0)
		return false;
	snprintf(line, sizeof(line), "\t%s\n", type);
	return strstr(text, line);
}

static enum qos_feature_state probe_bpffs(void)
{
	struct statfs fs;

	if (statfs("/sys/fs/bpf", &fs) == 0 && (uint32_t)fs.f_type == BPF_FS_MAGIC)
		return QOS_PRESENT;
	return kernel_knows("bpf") ? QOS_OFF : QOS_ABSENT;
}

static enum qos_feature_state probe_cgroup2(void)
{
	char path[256];

	if (find_mount("cgroup2", NULL, path, sizeof(path)))
		return QOS_PRESENT;
	return kernel_knows("cgroup2") ? QOS_OFF : QOS_ABSENT;
}

/* One controller belongs to one hierarchy: mounted as version 1 it is not there in version 2. */
static enum qos_feature_state probe_cpuset(void)
{
	_cleanup_free_ char *text = NULL;
	char mount[256], path[300];
	size_t len;

	if (find_mount("cgroup2", NULL, mount, sizeof(mount))) {
		snprintf(path, sizeof(path), "%s/cgroup.controllers", mount);
		if (qos_file_read(AT_FDCWD, path, 4096, &text, &len) == 0 && strstr(text, "cpuset"))
			return QOS_PRESENT;
	}
	if (find_mount("cgroup", "cpuset", mount, sizeof(mount)))
		return QOS_OFF;
	return exists("/proc/self/cpuset") == QOS_PRESENT ? QOS_OFF : QOS_ABSENT;
}

/* --- trials --- */

enum qos_feature_state qos_probe_state(int error)
{
	switch (error) {
	case 0:
		return QOS_PRESENT;
	case EPERM:
	case EACCES:
		return QOS_DENIED;
	case EBUSY:
	case ENOSPC:		/* a limit of zero */
		return QOS_OFF; /* there, but all of it is taken or switched to zero */
	case ENOSYS:
	case EINVAL:
	case ENOENT:
	case EOPNOTSUPP:
		return QOS_ABSENT;
	default:
		return QOS_UNKNOWN;
	}
}

static enum qos_feature_state probe_bpf(void)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	_cleanup_close_ int fd = bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, "qos_probe", "GPL",
					       insns, QOS_ARRAY_SIZE(insns), NULL);

	return qos_probe_state(fd < 0 ? errno : 0);
}

static enum qos_feature_state try_fexit(const struct btf *kernel, const char *function, bool attach)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_TRACE_FEXIT);
	_cleanup_close_ int fd = -1, link_fd = -1;
	int id = btf__find_by_name_kind(kernel, function, BTF_KIND_FUNC);

	if (id < 0)
		return qos_probe_state(-id);
	opts.attach_btf_id = (uint32_t)id;
	fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, "qos_probe", "GPL", insns, QOS_ARRAY_SIZE(insns),
			   &opts);
	if (fd < 0)
		return qos_probe_state(errno);
	if (attach)
		link_fd = bpf_raw_tracepoint_open(NULL, fd);
	return qos_probe_state(attach && link_fd < 0 ? errno : 0);
}

/* The kernel's types are five megabytes to read, so once for both. */
static enum qos_feature_state try_drift(bool attach)
{
	struct btf *kernel = btf__load_vmlinux_btf();
	enum qos_feature_state state = QOS_ABSENT;

	if (kernel) {
		state = try_fexit(kernel, "__sched_setscheduler", attach);
		if (state == QOS_PRESENT)
			state = try_fexit(kernel, "__sched_setaffinity", attach);
	}
	btf__free(kernel);
	malloc_trim(0);
	return state;
}

enum qos_feature_state qos_probe_drift_loads(void)
{
	return try_drift(false);
}

/* Tried once. */
static enum qos_feature_state probe_drift(void)
{
	static enum qos_feature_state known = QOS_UNKNOWN;

	if (known == QOS_UNKNOWN)
		known = try_drift(true);
	return known;
}

static enum qos_feature_state probe_taskstats(void)
{
	struct nl_sock *sock = nl_socket_alloc();
	enum qos_feature_state state = QOS_UNKNOWN;
	int r;

	if (sock && genl_connect(sock) == 0) {
		r = genl_ctrl_resolve(sock, "TASKSTATS");
		if (r >= 0)
			state = QOS_PRESENT;
		else if (r == -NLE_OBJ_NOTFOUND)
			state = QOS_ABSENT;
	}
	nl_socket_free(sock);
	return state;
}

/* Tried once: it takes a process and a network namespace. */
static enum qos_feature_state probe_sandbox(void)
{
	static enum qos_feature_state known = QOS_UNKNOWN;

	if (known == QOS_UNKNOWN)
		known = qos_probe_state(-qos_sandbox_probe());
	return known;
}

struct policy_trial {
	struct qos_sched_attr attr;
	int error;
};

/* In a thread of its own, which ends with the policy. Its affinity is widened first: a caller that
 * was started under taskset says nothing about the machine. */
static void *try_policy(void *data)
{
	struct policy_trial *trial = data;
	struct qos_cpus all;

	memset(&all, 0xff, sizeof(all));
	qos_sched_set_affinity(0, &all);
	trial->error = -qos_sched_set(0, &trial->attr);
	return NULL;
}

static enum qos_feature_state probe_policy(const struct qos_sched_attr *attr)
{
	struct policy_trial trial = {.attr = *attr};
	pthread_t thread;

	if (pthread_create(&thread, NULL, try_policy, &trial) != 0)
		return QOS_UNKNOWN;
	pthread_join(thread, NULL);
	return qos_probe_state(trial.error);
}

static enum qos_feature_state probe_rt(void)
{
	return probe_policy(&(struct qos_sched_attr){
		.policy = SCHED_FIFO, .flags = QOS_SCHED_RESET_ON_FORK, .priority = 1});
}

/* 0.1 % of a CPU: if even that is too much (EBUSY), the class is of no use. */
static enum qos_feature_state probe_deadline(void)
{
	return probe_policy(&(struct qos_sched_attr){.policy = SCHED_DEADLINE,
						     .flags = QOS_SCHED_RESET_ON_FORK,
						     .runtime_ns = 100000,
						     .deadline_ns = 100000000,
						     .period_ns = 100000000});
}

void qos_probe_features(struct qos_host *host, const struct qos_probe_own *own)
{
	static enum qos_feature_state (*const probes[QOS_FEATURE_COUNT])(void) = {
		[QOS_FEATURE_BTF] = probe_btf,
		[QOS_FEATURE_BPF] = probe_bpf,
		[QOS_FEATURE_BPFFS] = probe_bpffs,
		[QOS_FEATURE_TASK_CLOCK] = qos_probe_clock,
		[QOS_FEATURE_UPROBES] = probe_uprobes,
		[QOS_FEATURE_DEADLINE] = probe_deadline,
		[QOS_FEATURE_RT] = probe_rt,
		[QOS_FEATURE_PREEMPT_RT] = probe_preempt_rt,
		[QOS_FEATURE_CGROUP2] = probe_cgroup2,
		[QOS_FEATURE_CPUSET_PARTITION] = probe_cpuset,
		[QOS_FEATURE_TASKSTATS] = probe_taskstats,
		[QOS_FEATURE_DELAYACCT] = probe_delayacct,
		[QOS_FEATURE_MODULE] = probe_module,
		[QOS_FEATURE_SCHED_EXT] = probe_sched_ext,
		[QOS_FEATURE_SANDBOX] = probe_sandbox,
		[QOS_FEATURE_DRIFT] = probe_drift,
	};

	if (own)
		host->feature[QOS_FEATURE_DRIFT] = own->drift;
	for (size_t i = 0; i < QOS_FEATURE_COUNT; i++) {
		if (host->feature[i] == QOS_UNKNOWN)
			host->feature[i] = probes[i]();
	}
}
