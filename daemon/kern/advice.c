/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Words for what a kernel lacks or refuses: cause and remedy, since EPERM alone has cost many an
 * evening. Two tables, nothing else. The features follow enum qos_feature; of the errors, the row
 * of the very call comes first and the general row of the errno second.
 *
 * Weakness: one errno can have several causes that user space cannot tell apart; the row then names
 * them, the likeliest first.
 */
#include "kern/probe.h"

#include <errno.h>
#include <string.h>

#include "util/cleanup.h"

#define ANY "any call"

static const struct qos_feature_advice features[QOS_FEATURE_COUNT] = {
	[QOS_FEATURE_BTF] =
		{
			.what = "type information of the kernel (/sys/kernel/btf/vmlinux)",
			.config = "CONFIG_DEBUG_INFO_BTF",
			.cost = "the monitor cannot be loaded: nothing is measured and no thread "
				"is found by events",
			.remedy = "run a kernel with CONFIG_DEBUG_INFO_BTF=y; those of the "
				  "distributions have it",
			.needed = true,
		},
	[QOS_FEATURE_BPF] =
		{
			.what = "BPF programs on tracepoints",
			.config = "CONFIG_BPF_SYSCALL, CONFIG_BPF_EVENTS",
			.cost = "the monitor cannot be loaded: nothing is measured and no thread "
				"is found by events",
			.remedy = "run as root with CAP_BPF and CAP_PERFMON, without "
				  "lockdown=confidentiality, on a kernel with CONFIG_BPF_EVENTS=y",
			.needed = true,
		},
	[QOS_FEATURE_BPFFS] =
		{
			.what = "bpf file system on /sys/fs/bpf",
			.config = "CONFIG_BPF_SYSCALL",
			.cost = "qosd mounts one itself; where it may not, no thread is changed, "
				"because what it was could not be kept",
			.remedy = "mount -t bpf bpf /sys/fs/bpf",
			.needed = false,
		},
	[QOS_FEATURE_TASK_CLOCK] =
		{
			.what = "task clock events (perf)",
			.config = "CONFIG_PERF_EVENTS",
			.cost = "threads under SCHED_DEADLINE are measured, and the kernel cuts "
				"their overruns, but not before its next tick; nothing runs under "
				"SCHED_FIFO, since nothing would cut it there; `job: {begin, end}` "
				"cannot be measured",
			.remedy = "sysctl kernel.perf_event_paranoid=2 where it is more (Debian "
				  "has 3), and a file in /etc/sysctl.d that keeps it; else run as "
				  "root with CAP_PERFMON, on a kernel with CONFIG_PERF_EVENTS=y",
			.needed = false,
		},
	[QOS_FEATURE_UPROBES] =
		{
			.what = "probes in programs (uprobe, usdt)",
			.config = "CONFIG_UPROBE_EVENTS",
			.cost = "contracts with `job: {begin, end}` cannot be measured; all others "
				"can",
			.remedy =
				"run a kernel with CONFIG_UPROBE_EVENTS=y, or write `job: wakeup`; "
				"where task_clock is denied too, its remedy",
			.needed = false,
		},
	[QOS_FEATURE_DEADLINE] =
		{
			.what = "SCHED_DEADLINE",
			.config = "sched_setattr(2), kernel.sched_rt_runtime_us",
			.cost = "streams run under SCHED_FIFO, pinned to one CPU each",
			.remedy = "run as root with CAP_SYS_NICE; if it is off, `sysctl "
				  "kernel.sched_rt_runtime_us=950000`, and look for other such "
				  "tasks with `ps -eLo tid,cls,comm`",
			.needed = false,
		},
	[QOS_FEATURE_RT] =
		{
			.what = "SCHED_FIFO",
			.config = "CONFIG_RT_GROUP_SCHED",
			.cost = "streams that cannot have SCHED_DEADLINE are refused",
			.remedy = "run as root with CAP_SYS_NICE; with CONFIG_RT_GROUP_SCHED=y "
				  "also give qosd's cgroup and the program's a cpu.rt_runtime_us",
			.needed = false,
		},
	[QOS_FEATURE_PREEMPT_RT] =
		{
			.what = "fully preemptible kernel",
			.config = "CONFIG_PREEMPT_RT",
			.cost = "wake-ups can be milliseconds late while the kernel works for "
				"somebody else",
			.remedy = "install the distribution's RT kernel (Debian: "
				  "linux-image-rt-amd64)",
			.needed = false,
		},
	[QOS_FEATURE_CGROUP2] =
		{
			.what = "unified control groups",
			.config = "CONFIG_CGROUPS",
			.cost = "`cgroup:` and `unit:` match by systemd's own hierarchy where "
				"there is one",
			.remedy = "boot with systemd.unified_cgroup_hierarchy=1, or mount -t "
				  "cgroup2 none /sys/fs/cgroup",
			.needed = false,
		},
	[QOS_FEATURE_CPUSET_PARTITION] =
		{
			.what = "cpuset partitions",
			.config = "CONFIG_CPUSETS",
			.cost = "SCHED_DEADLINE streams share all CPUs, so a stream with `cpus:` "
				"gets SCHED_FIFO instead",
			.remedy = "do not mount the version 1 cpuset hierarchy; boot with "
				  "cgroup_no_v1=cpuset",
			.needed = false,
		},
	[QOS_FEATURE_TASKSTATS] =
		{
			.what = "task statistics over netlink",
			.config = "CONFIG_TASKSTATS",
			.cost = "`status` has no run queue delays and no context switches",
			.remedy = "run a kernel with CONFIG_TASKSTATS=y",
			.needed = false,
		},
	[QOS_FEATURE_DELAYACCT] =
		{
			.what = "delay accounting",
			.config = "CONFIG_TASK_DELAY_ACCT",
			.cost = "run queue delays in task statistics are 0",
			.remedy = "sysctl kernel.task_delayacct=1 (qosd does not switch it on by "
				  "itself)",
			.needed = false,
		},
	[QOS_FEATURE_MODULE] =
		{
			.what = "the DWCS module (qos_dwcs)",
			.config = "CONFIG_MODULES",
			.cost = "the native manager serves streams: windows are measured but not "
				"scheduled by, and nothing is kept without the daemon",
			.remedy = "doctor says what is so with it",
			.needed = false,
		},
	[QOS_FEATURE_SCHED_EXT] =
		{
			.what = "schedulers in BPF (sched_ext)",
			.config = "CONFIG_SCHED_CLASS_EXT",
			.cost = "nothing today",
			.remedy = "none is needed",
			.needed = false,
		},
	[QOS_FEATURE_SANDBOX] =
		{
			.what = "sandboxes for rules (user namespaces, seccomp)",
			.config = "CONFIG_USER_NS and CONFIG_SECCOMP_FILTER",
			.cost = "contracts with `placement: user` have no adaptation; `kernel` "
				"needs no sandbox",
			.remedy = "sysctl user.max_user_namespaces (and, where it exists, "
				  "kernel.unprivileged_userns_clone) above 0; a container has to "
				  "permit them",
			.needed = false,
		},
	[QOS_FEATURE_DRIFT] =
		{
			.what = "news of changed policies and affinities (fexit programs)",
			.config = "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS",
			.cost = "who changes a thread of a contract is not known, and is noticed "
				"at the slow loop's next turn",
			.remedy = "run a kernel with CONFIG_FUNCTION_TRACER=y, of an architecture "
				  "with BPF trampolines",
			.needed = false,
		},
};

static const struct qos_errno_advice errors[] = {
	{"sched_setattr(DEADLINE)", EPERM,
	 "the thread may not run on every CPU of its root domain (affinity or cpuset), or qosd "
	 "lacks CAP_SYS_NICE",
	 "taskset -cp 0-$(($(nproc --all)-1)) TID, or AllowedCPUs= of its unit; otherwise the "
	 "stream is placed under SCHED_FIFO"},
	{"sched_setattr(DEADLINE)", EBUSY,
	 "kernel.sched_rt_runtime_us leaves too little for one more SCHED_DEADLINE task beside "
	 "those that are there",
	 "ps -eLo tid,cls,comm shows the others (DLN); sysctl kernel.sched_rt_runtime_us=950000 is "
	 "the kernel's default"},
	{"sched_setattr(DEADLINE)", EINVAL,
	 "runtime is below 1024 ns or the period outside kernel.sched_deadline_period_min_us and "
	 "_max_us",
	 "sysctl kernel.sched_deadline_period_min_us kernel.sched_deadline_period_max_us shows the "
	 "limits"},

	{"sched_setattr(DEADLINE)", ENOSYS, "the kernel is older than 3.14",
	 "the stream is placed under SCHED_FIFO"},
	{"sched_setattr(FIFO)", EPERM,
	 "qosd lacks CAP_SYS_NICE, or CONFIG_RT_GROUP_SCHED=y and the thread's cgroup has no "
	 "real-time share",
	 "write a share to cpu.rt_runtime_us of that cgroup, or boot with rt_group_sched=0 where "
	 "the kernel knows it"},
	{"sched_setattr(FIFO)", EINVAL, "the priority is not in 1 to 99",
	 "correct cpu.band in /etc/qosd/qosd.yaml"},
	{"sched_setattr(RR)", EPERM,
	 "qosd lacks CAP_SYS_NICE, or CONFIG_RT_GROUP_SCHED=y and the thread's cgroup has no "
	 "real-time share",
	 "write a share to cpu.rt_runtime_us of that cgroup, or boot with rt_group_sched=0 where "
	 "the kernel knows it"},
	{"sched_setattr(OTHER)", EPERM,
	 "qosd lacks CAP_SYS_NICE, or the thread is in another user namespace",
	 "run qosd as root, with CAP_SYS_NICE in CapabilityBoundingSet="},
	{"sched_setattr(IDLE)", EPERM,
	 "qosd lacks CAP_SYS_NICE, or the thread is in another user namespace",
	 "run qosd as root, with CAP_SYS_NICE in CapabilityBoundingSet="},
	{"sched_setaffinity", EINVAL, "none of the CPUs is online and in the thread's cpuset",
	 "compare `cpus:` with cpuset.cpus.effective of its cgroup (AllowedCPUs= of its unit)"},
	{"sched_setaffinity", EBUSY, "the affinity of a SCHED_DEADLINE thread cannot be narrowed",
	 "give it another policy first: chrt -o -p 0 TID"},
	{"sched_setaffinity", EPERM, "qosd lacks CAP_SYS_NICE, or a security module forbids it",
	 "run qosd as root, with CAP_SYS_NICE in CapabilityBoundingSet="},
	{"fork", EAGAIN,
	 "a SCHED_DEADLINE thread without RESET_ON_FORK cannot fork; qosd always sets the flag, so "
	 "somebody else set the policy, or pids.max or RLIMIT_NPROC is reached",
	 "chrt -p TID shows the policy; raise TasksMax= or LimitNPROC= of its unit"},
	{"bpf(PROG_LOAD)", EPERM,
	 "CAP_BPF and CAP_PERFMON are missing, or the kernel is locked down",
	 "run as root; cat /sys/kernel/security/lockdown must not say [confidentiality]"},
	{"bpf(PROG_LOAD)", EACCES, "the kernel's verifier refused the program",
	 "report it with the verifier's words and `uname -r`"},
	{"bpf(PROG_LOAD)", EINVAL,
	 "the kernel does not know a program type or an instruction that the monitor uses",
	 "run a kernel from 5.15 on with CONFIG_BPF_EVENTS=y and CONFIG_DEBUG_INFO_BTF=y"},
	{"bpf(PROG_LOAD)", E2BIG,
	 "the program is too large or too complex for this kernel's verifier",
	 "run a newer kernel, and report it with `uname -r`"},
	{"bpf(PROG_LOAD)", ESRCH, "the kernel has no such tracepoint or type",
	 "run a kernel from 5.15 on with CONFIG_DEBUG_INFO_BTF=y"},
	{"bpf(PROG_LOAD)", ENOMEM,
	 "no memory for the program, or RLIMIT_MEMLOCK on kernels before 5.11",
	 "raise MemoryMax= and LimitMEMLOCK= of qosd.service"},
	{"bpf(MAP_CREATE)", EPERM, "CAP_BPF is missing",
	 "run as root, with CAP_BPF in CapabilityBoundingSet="},
	{"bpf(MAP_CREATE)", ENOMEM,
	 "the memory limit of qosd's cgroup, or RLIMIT_MEMLOCK on kernels before 5.11",
	 "raise MemoryMax= and LimitMEMLOCK= of qosd.service"},
	{"bpf(MAP_CREATE)", EINVAL, "the kernel does not know the type of map",
	 "run a kernel from 5.15 on with CONFIG_BPF_SYSCALL=y"},
	{"bpf(MAP_UPDATE_ELEM)", E2BIG, "the map is full: 65536 threads are managed already",
	 "narrow what the contracts match"},
	{"bpf(MAP_UPDATE_ELEM)", ENOMEM, "no memory for one more thread",
	 "raise MemoryMax= of qosd.service"},
	{"bpf(LINK_CREATE)", EPERM, "CAP_PERFMON is missing",
	 "run as root, with CAP_PERFMON in CapabilityBoundingSet="},
	{"bpf(LINK_CREATE)", EINVAL, "the kernel cannot attach such a program there",
	 "run a kernel from 5.15 on with CONFIG_BPF_EVENTS=y"},
	{"bpf(OBJ_PIN)", EPERM, "the directory is not in a bpf file system, or CAP_BPF is missing",
	 "mount -t bpf bpf /sys/fs/bpf"},
	{"bpf(OBJ_PIN)", ENOENT, "the directory does not exist", "mount -t bpf bpf /sys/fs/bpf"},
	{"bpf(OBJ_PIN)", EEXIST, "something is pinned under that name already",
	 "see `bpftool map list pinned FILE`; stop the other daemon, or remove the file"},
	{"bpf(OBJ_GET)", EACCES, "the pinned map belongs to another user", "run as root"},
	{"bpf(OBJ_GET)", EPERM, "the file is not in a bpf file system, or CAP_BPF is missing",
	 "run as root; mount -t bpf bpf /sys/fs/bpf"},
	{"mount(bpf)", EPERM, "CAP_SYS_ADMIN is missing, as in a container",
	 "mount -t bpf bpf /sys/fs/bpf outside, and bind it into the container"},
	{"mount(bpf)", ENODEV, "the kernel has no bpf file system",
	 "run a kernel with CONFIG_BPF_SYSCALL=y"},
	{"mkdir", EROFS, "the file system is read-only",
	 "mount -t bpf bpf /sys/fs/bpf before qosd starts"},
	{"perf_event_open", EPERM,
	 "CAP_PERFMON is missing, or kernel.perf_event_paranoid forbids it",
	 "run as root, with CAP_PERFMON in CapabilityBoundingSet="},
	{"perf_event_open", EACCES,
	 "CAP_PERFMON is missing, or kernel.perf_event_paranoid forbids it",
	 "sysctl kernel.perf_event_paranoid=2 where it is 3 (Debian), which asks for "
	 "CAP_SYS_ADMIN; "
	 "else run as root, with CAP_PERFMON in CapabilityBoundingSet="},
	{"perf_event_open", EMFILE,
	 "every watched thread takes a file descriptor, and RLIMIT_NOFILE is reached",
	 "raise LimitNOFILE= of qosd.service"},
	{"perf_event_open", ENOSYS, "the kernel has no perf events",
	 "run a kernel with CONFIG_PERF_EVENTS=y"},
	{"perf_event_open", ENOENT, "the kernel has no such event",
	 "run a kernel with CONFIG_PERF_EVENTS=y"},
	{"perf_event_open", EOPNOTSUPP, "the kernel has no such event",
	 "run a kernel with CONFIG_PERF_EVENTS=y"},
	{"uprobe", EINVAL,
	 "the program's file has no code at that place, or cannot have probes (noexec, special "
	 "file system)",
	 "readelf -n FILE lists usdt probes, nm -D FILE the functions"},
	{"uprobe", ENOENT, "no such file, function or probe",
	 "readelf -n FILE lists usdt probes, nm -D FILE the functions"},
	{"uprobe", EACCES, "kernel.perf_event_paranoid is 3 (Debian), which asks for CAP_SYS_ADMIN",
	 "sysctl kernel.perf_event_paranoid=2"},
	{"uprobe", EPERM, "CAP_PERFMON or CAP_SYS_ADMIN is missing", "run as root"},
	{"uprobe", EOPNOTSUPP, "the kernel has no probes in programs",
	 "run a kernel with CONFIG_UPROBE_EVENTS=y, or write `job: wakeup`"},
	{"taskstats", ENOENT, "the kernel has no task statistics",
	 "run a kernel with CONFIG_TASKSTATS=y"},
	{"taskstats", EPERM, "CAP_NET_ADMIN in the initial user namespace is missing",
	 "run as root, with CAP_NET_ADMIN in CapabilityBoundingSet="},
	{"netlink", EPERM, "CAP_NET_ADMIN in the initial user namespace is missing",
	 "run as root, with CAP_NET_ADMIN in CapabilityBoundingSet="},
	{"netlink", ENOBUFS, "messages came faster than they were read and some were lost",
	 "none is needed, the state is read anew; if it goes on, sysctl net.core.rmem_max=4194304"},
	{"netlink", EAFNOSUPPORT, "RestrictAddressFamilies= of qosd.service lacks AF_NETLINK",
	 "systemctl cat qosd.service shows who changed it"},
	{"genl(qos_dwcs)", ENODEV, "the module qos_dwcs is not loaded",
	 "none is needed, contracts move to the native manager; modprobe qos_dwcs brings it back"},
	{"genl(qos_dwcs)", EPERM,
	 "CAP_NET_ADMIN or CAP_SYS_NICE is missing in the initial namespaces",
	 "run as root, with both in CapabilityBoundingSet= and the host's network namespace"},
	{"genl(qos_dwcs)", ENOENT, "the module has no such contract, stream or thread (any more)",
	 "none is needed, it is set again; if it goes on, somebody else gives it commands"},
	{"genl(qos_dwcs)", EEXIST, "the thread is attached already, by another program",
	 "stop the other program that gives the module commands"},
	{"genl(qos_dwcs)", EBUSY, "the band of priorities cannot change while threads are attached",
	 "qosctl panic, then start qosd with the new cpu.band"},
	{"genl(qos_dwcs)", ENOSPC,
	 "the module holds as many contracts, streams or threads as it may",
	 "narrow what the contracts match; kmod/uapi/qos_dwcs.h has the limits"},
	{"genl(qos_dwcs)", EOPNOTSUPP, "the module cannot serve such a stream",
	 "write another `job:`, or managers: {cpu: native} in qosd.yaml"},
	{"genl(qos_dwcs)", EINVAL, "a value is outside what the module takes",
	 "compare with the limits in kmod/uapi/qos_dwcs.h; are qosd and module of one version?"},
	{"genl(qos_dwcs)", ERANGE, "a value is outside what the module takes",
	 "compare with the limits in kmod/uapi/qos_dwcs.h; are qosd and module of one version?"},
	{"genl(qos_dwcs)", ETIMEDOUT, "the module did not answer within a second",
	 "none is needed, it is tried again; journalctl -k may say why"},
	{"genl(qos_dwcs)", EBADMSG, "the module's answer is not as its specification says",
	 "install qosd and the module of one version"},
	{"pidfd_open", ENOSYS, "the kernel is older than 5.3", "run a kernel from 5.15 on"},
	{"pidfd_open", EINVAL,
	 "the kernel has no pidfd for a thread that is no process (before 6.9)",
	 "none is needed: the thread is found by its tid instead"},
	{ANY, EPERM, "a capability is missing or a security module forbids it",
	 "run as root; journalctl -k shows what a security module refused"},
	{ANY, EACCES, "file permissions or a security module forbid it",
	 "run as root; journalctl -k shows what a security module refused"},
	{ANY, EBUSY, "somebody else has it at the moment", "qosctl status shows what qosd holds"},
	{ANY, EINVAL, "the kernel does not know this request in this form",
	 "run a newer kernel; qosctl doctor shows what this one lacks"},
	{ANY, EAGAIN, "a limit is reached for the moment",
	 "try again; look at TasksMax= and the limits of qosd.service"},
	{ANY, ENOMEM, "no memory, or the limit of qosd's cgroup is reached",
	 "raise MemoryMax= of qosd.service"},
	{ANY, ENOSPC, "no room left on the file system or in a kernel table",
	 "df -h /run; df -i /run"},
	{ANY, E2BIG, "a table is full", "narrow what the contracts match"},
	{ANY, EMFILE, "RLIMIT_NOFILE is reached", "raise LimitNOFILE= of qosd.service"},
	{ANY, ENFILE, "the machine has no file descriptors left",
	 "sysctl fs.file-max shows the limit"},
	{ANY, ENOSYS, "the kernel lacks this call",
	 "run a newer kernel; qosctl doctor shows what this one lacks"},
	{ANY, ENOENT, "it does not exist", "qosctl doctor shows what this kernel lacks"},
	{ANY, ESRCH, "the thread has ended", "none is needed"},
	{ANY, EEXIST, "it exists already", "qosctl status shows what qosd holds"},
	{ANY, EROFS, "the file system is read-only",
	 "look at ProtectSystem= and ReadWritePaths= of qosd.service"},
	{ANY, ENODEV, "the kernel lacks this device or file system",
	 "qosctl doctor shows what this kernel lacks"},
	{ANY, EOPNOTSUPP, "the kernel was built without it",
	 "qosctl doctor shows what this kernel lacks"},
	{ANY, ENOBUFS, "a buffer of the kernel overflowed",
	 "none is needed, the state is read anew"},
	{ANY, EAFNOSUPPORT, "this kind of socket is forbidden or unknown",
	 "look at RestrictAddressFamilies= of qosd.service"},
	{ANY, 0, "the kernel gives no reason that qosd knows",
	 "journalctl -k may have one; qosctl doctor shows what this kernel lacks"},
};

const struct qos_feature_advice *qos_feature_advice(enum qos_feature feature)
{
	return &features[feature];
}

/* The row of the call and errno; of the errno for `ANY`; the last row. */
const struct qos_errno_advice *qos_errno_advice(const char *call, int error)
{
	const struct qos_errno_advice *general = &errors[QOS_ARRAY_SIZE(errors) - 1];

	for (size_t i = 0; i < QOS_ARRAY_SIZE(errors); i++) {
		if (errors[i].error != error)
			continue;
		if (strcmp(errors[i].call, call) == 0)
			return &errors[i];
		if (strcmp(errors[i].call, ANY) == 0)
			general = &errors[i];
	}
	return general;
}

const struct qos_errno_advice *qos_errno_advice_table(size_t *ret_n)
{
	*ret_n = QOS_ARRAY_SIZE(errors);
	return errors;
}
