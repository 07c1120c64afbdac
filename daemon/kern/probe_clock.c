/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who may have task clock events. The kernel's own levels of kernel.perf_event_paranoid end with 2,
 * where CAP_PERFMON opens everything and users may watch themselves outside the kernel. Debian's
 * patch adds 3, its default: nobody without CAP_SYS_ADMIN. Other patches, security modules and seccomp
 * filters may say no as well, so the number is named and a trial decides.
 *
 * Weakness: what the trial for the unit finds does not hold for a daemon that is started by hand with all of
 * root's capabilities, nor where a filter of the unit's own says no.
 */
#include "kern/probe_parts.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

static enum qos_feature_state try_clock(bool without_kernel)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_TASK_CLOCK,
		.disabled = 1,
		.exclude_kernel = without_kernel,
	};
	_cleanup_close_ int fd =
		(int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);

	return qos_probe_state(fd < 0 ? errno : 0);
}

enum qos_feature_state qos_probe_clock(void)
{
	return try_clock(false);
}

/* Of this thread alone, which libc's wrappers would not be content with. 0 or -errno. */
static int drop_sys_admin(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	data[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective &= ~CAP_TO_MASK(CAP_SYS_ADMIN);
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static void *try_as_unit(void *data)
{
	enum qos_feature_state *state = data;

	if (drop_sys_admin() == 0)
		*state = try_clock(true);
	return NULL;
}

enum qos_feature_state qos_probe_unit_clock(void)
{
	enum qos_feature_state state = QOS_UNKNOWN;
	pthread_t thread;

	if (pthread_create(&thread, NULL, try_as_unit, &state) == 0)
		pthread_join(thread, NULL);
	return state;
}
