/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The facts of this machine, from files that anybody may read as far as possible, so that `check`
 * and `doctor` work without root. What cannot be read keeps its default: the kernel's own limits,
 * "unknown" for a feature.
 *
 * CONFIG_HZ is taken from the resolution of the coarse clock, which is one tick: it needs neither
 * /proc/config.gz nor /boot, which many kernels and all containers lack.
 *
 * Weakness: the fair server shows itself only in debugfs, so without root, or where debugfs is not
 * mounted, it is not known; the default cap of 90 % leaves more than its 5 % anyway.
 */
#include "kern/probe_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <time.h>

#include "kern/link_speed.h"
#include "kern/sched.h"
#include "util/file.h"

#define SMALL_FILE_MAX 4096
#define NAMES_MAX      4096 /* more users than that are a directory service, which nobody lists */
#define INTERFACES_MAX 1024
#define FAIR_SERVER    "/sys/kernel/debug/sched/fair_server"
#define PERF_PARANOID  "/proc/sys/kernel/perf_event_paranoid"

/* --- small files --- */

static int read_text(const char *path, char **ret)
{
	size_t len;
	int r;

	r = qos_file_read(AT_FDCWD, path, SMALL_FILE_MAX, ret, &len);
	if (r == 0)
		(*ret)[strcspn(*ret, "\n")] = '\0';
	return r;
}

static int read_number(const char *path, int64_t *ret)
{
	_cleanup_free_ char *text = NULL;
	char *end;
	int64_t value;
	int r;

	r = read_text(path, &text);
	if (r < 0)
		return r;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno || end == text || *end)
		return -EINVAL;
	*ret = value;
	return 0;
}

/* *ret is only touched by a number that is not negative. */
static void read_unsigned(const char *path, uint64_t unit, uint64_t *ret)
{
	int64_t value;

	if (read_number(path, &value) == 0 && value >= 0)
		*ret = (uint64_t)value * unit;
}

static void read_cpus(const char *path, struct qos_cpus *ret)
{
	_cleanup_free_ char *text = NULL;

	if (read_text(path, &text) == 0)
		qos_cpus_parse(text, ret);
}

/* --- processor time --- */

static uint32_t tick_rate(void)
{
	struct timespec tick;

	if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) < 0 || tick.tv_sec || tick.tv_nsec <= 0)
		return 0;
	return (uint32_t)((1000000000 + tick.tv_nsec / 2) / tick.tv_nsec);
}

static void read_rt_limits(struct qos_host *host)
{
	read_number("/proc/sys/kernel/sched_rt_runtime_us", &host->rt_runtime_us);
	read_unsigned("/proc/sys/kernel/sched_rt_period_us", 1, &host->rt_period_us);
	read_unsigned("/proc/sys/kernel/sched_deadline_period_min_us", 1000,
		      &host->dl_period_min_ns);
	read_unsigned("/proc/sys/kernel/sched_deadline_period_max_us", 1000,
		      &host->dl_period_max_ns);
}

/* The largest of all CPUs. The share decides: runtimes below 2^32 ns multiply without overflow. */
static void read_fair_server(struct qos_host *host)
{
	QOS_CPU_FOREACH(cpu, &host->online) {
		uint64_t runtime = 0, period = 0;
		char path[96];

		snprintf(path, sizeof(path), FAIR_SERVER "/cpu%u/runtime", cpu);
		read_unsigned(path, 1, &runtime);
		snprintf(path, sizeof(path), FAIR_SERVER "/cpu%u/period", cpu);
		read_unsigned(path, 1, &period);
		if (!runtime || !period || runtime > UINT32_MAX || period > UINT32_MAX)
			continue;
		if (host->fair_period_ns &&
		    runtime * host->fair_period_ns <= host->fair_runtime_ns * period)
			continue;
		host->fair_runtime_ns = runtime;
		host->fair_period_ns = period;
	}
}

bool qos_probe_supply_changed(const struct qos_host *host)
{
	struct qos_cpus online = host->online;
	int64_t runtime = host->rt_runtime_us, paranoid = host->perf_paranoid;
	uint64_t period = host->rt_period_us;

	read_cpus("/sys/devices/system/cpu/online", &online);
	read_number("/proc/sys/kernel/sched_rt_runtime_us", &runtime);
	read_unsigned("/proc/sys/kernel/sched_rt_period_us", 1, &period);
	read_number(PERF_PARANOID, &paranoid);
	return !qos_cpus_equal(&online, &host->online) || runtime != host->rt_runtime_us ||
	       period != host->rt_period_us || paranoid != host->perf_paranoid;
}

/* --- interfaces --- */

static int add_interface(struct qos_host *host, int fd, const char *name)
{
	struct qos_interface *wider;

	wider = reallocarray(host->interfaces, host->n_interfaces + 1, sizeof(*wider));
	if (!wider)
		return -ENOMEM;
	host->interfaces = wider;
	wider += host->n_interfaces++;
	*wider = (struct qos_interface){.speed_bps = qos_link_speed(fd, name)};
	memcpy(wider->name, name, strnlen(name, sizeof(wider->name) - 1));
	return 0;
}

static int read_interfaces(struct qos_host *host)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct if_nameindex *all = if_nameindex();
	int r = 0;

	for (size_t i = 0; all && all[i].if_name && i < INTERFACES_MAX && r == 0; i++)
		r = add_interface(host, fd, all[i].if_name);
	if (all)
		if_freenameindex(all);
	return r;
}

/* --- names --- */

struct names {
	char **list;
	size_t n;
};

static void names_reset(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->list[i]);
	free(names->list);
	*names = (struct names){};
}

static int names_add(struct names *names, const char *name)
{
	char **wider = reallocarray(names->list, names->n + 1, sizeof(*wider));

	if (!wider)
		return -ENOMEM;
	names->list = wider;
	wider[names->n] = strdup(name);
	return wider[names->n++] ? 0 : -ENOMEM;
}

static const char *next_user(void)
{
	const struct passwd *entry = getpwent();

	return entry ? entry->pw_name : NULL;
}

static const char *next_group(void)
{
	const struct group *entry = getgrent();

	return entry ? entry->gr_name : NULL;
}

/* Too many of them: not known, so not checked. */
static int read_names(const char *(*next)(void), char ***ret, size_t *ret_n)
{
	QOS_CLEANUP(names_reset) struct names names = {};
	const char *name;
	int r;

	while ((name = next())) {
		if (names.n == NAMES_MAX)
			return 0;
		r = names_add(&names, name);
		if (r < 0)
			return r;
	}
	*ret = TAKE_PTR(names.list);
	*ret_n = names.n;
	names.n = 0;
	return 0;
}

static int read_people(struct qos_host *host)
{
	int r;

	setpwent();
	r = read_names(next_user, &host->users, &host->n_users);
	endpwent();
	if (r < 0)
		return r;
	setgrent();
	r = read_names(next_group, &host->groups, &host->n_groups);
	endgrent();
	return r;
}

/* --- all of it --- */

static int read_release(struct qos_host *host)
{
	struct utsname name;

	if (uname(&name) < 0)
		return 0;
	host->release = strdup(name.release);
	return host->release ? 0 : -ENOMEM;
}

int qos_probe_host(const struct qos_probe_own *own, struct qos_host **ret)
{
	_cleanup_host_ struct qos_host *host = NULL;
	int r;

	r = qos_host_new(&host);
	if (r == 0)
		r = read_release(host);
	if (r == 0)
		r = read_interfaces(host);
	if (r == 0)
		r = read_people(host);
	if (r < 0)
		return r;
	read_cpus("/sys/devices/system/cpu/online", &host->online);
	read_cpus("/sys/devices/system/cpu/isolated", &host->isolated);
	host->hz = tick_rate();
	read_rt_limits(host);
	read_fair_server(host);
	read_number(PERF_PARANOID, &host->perf_paranoid);
	qos_probe_features(host, own);
	qos_probe_foreign(host, own);
	*ret = TAKE_PTR(host);
	return 0;
}
