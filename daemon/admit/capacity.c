/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Supply: what is left of the machine once everything that qosd does not own has its share. All of
 * it is a fact of the host, so admission stays a pure function that can be asked for any machine.
 *
 * Foreign FIFO and RR work has no known pattern, only an average. It is counted as utilisation on
 * one CPU of its set (the one that is fullest of such work already, so that the worst CPU is not
 * underrated and the others stay free), and on every CPU where it may run above our lowest level
 * nothing is proven under SCHED_FIFO any more. What uses less than QOS_NEGLIGIBLE_PPM is left out
 * of the latter.
 *
 * SCHED_FIFO takes task clock events, since nothing else ends an endless loop there (thread_engage.c).
 * Where a daemon may not have them, a stream is better off under SCHED_DEADLINE, proven or not, or
 * refused with the remedy, than in force on paper.
 *
 * Weakness: a probe that found more tasks than it can tell of may have left out SCHED_DEADLINE
 * ones; then only SCHED_FIFO loses its proofs.
 */
#include "admit/capacity.h"

#include <sched.h>
#include <string.h>

#define PPM_TO_PPB 1000U

/* num / den of a CPU, rounded down, at most all of it. */
static uint64_t share_ppb(uint64_t num, uint64_t den)
{
	if (num >= den)
		return QOS_PPB;
	return (uint64_t)((unsigned __int128)num * QOS_PPB / den);
}

static void limit(struct qos_capacity *capacity, uint64_t cap_ppb, const char *reason)
{
	if (cap_ppb >= capacity->cap_ppb)
		return;
	capacity->cap_ppb = cap_ppb;
	capacity->cap_reason = reason;
}

static void add_quota(struct qos_capacity *capacity, uint64_t runtime_ns, uint64_t period_ns)
{
	capacity->quotas[capacity->n_quotas++] =
		(struct qos_quota){.runtime_ns = runtime_ns, .period_ns = period_ns};
}

/* Both take nothing from work that stays within the cap on average and comes in small pieces. */
static void find_quotas(const struct qos_host *host, struct qos_capacity *capacity)
{
	if (host->rt_runtime_us >= 0 && (uint64_t)host->rt_runtime_us < host->rt_period_us)
		add_quota(capacity, (uint64_t)host->rt_runtime_us * 1000,
			  host->rt_period_us * 1000);
	if (host->fair_runtime_ns && host->fair_runtime_ns < host->fair_period_ns)
		add_quota(capacity, host->fair_period_ns - host->fair_runtime_ns,
			  host->fair_period_ns);
}

static void find_cap(const struct qos_host *host, const struct qos_config *config,
		     struct qos_capacity *capacity)
{
	capacity->cap_ppb = (uint64_t)config->cap_ppm * PPM_TO_PPB;
	capacity->cap_reason = "cpu.cap";
	if (host->rt_runtime_us >= 0 && host->rt_period_us)
		limit(capacity, share_ppb((uint64_t)host->rt_runtime_us, host->rt_period_us),
		      "kernel.sched_rt_runtime_us");
	if (host->fair_runtime_ns && host->fair_period_ns) {
		uint64_t fair = qos_feasible_ppb(host->fair_runtime_ns, host->fair_period_ns);

		limit(capacity, fair < QOS_PPB ? QOS_PPB - fair : 0, "the kernel's fair server");
	}
}

/* A task whose parameters are not known, or that a CPU has just room for, counts as a whole one. */
static void add_deadline(const struct qos_foreign *foreign, struct qos_capacity *capacity)
{
	struct qos_sporadic *task = &capacity->dl_foreign[capacity->n_dl_foreign++];
	uint64_t util = QOS_PPB, density = QOS_PPB, t = foreign->period_ns;

	*task = (struct qos_sporadic){.c = 1, .d = 1, .t = 1};
	if (foreign->runtime_ns < t && 2 * capacity->overhead_ns < t - foreign->runtime_ns) {
		uint64_t c = foreign->runtime_ns + 2 * capacity->overhead_ns;

		*task = (struct qos_sporadic){.c = c, .d = t, .t = t, .late = t - c};
		util = qos_feasible_ppb(c, t);
		density = qos_feasible_ppb(c + capacity->blocking_ns, t);
	}
	capacity->dl_foreign_ppb += util;
	capacity->dl_foreign_density_ppb += density;
	if (density > capacity->dl_foreign_max_ppb)
		capacity->dl_foreign_max_ppb = density;
}

static unsigned int fullest(const struct qos_capacity *capacity, const struct qos_cpus *cpus)
{
	unsigned int best = qos_cpus_next(cpus, 0);

	QOS_CPU_FOREACH(cpu, cpus) {
		if (capacity->foreign_ppb[cpu] > capacity->foreign_ppb[best])
			best = cpu;
	}
	return best;
}

static void add_fixed(const struct qos_foreign *foreign, bool pinned, struct qos_capacity *capacity)
{
	struct qos_cpus cpus = qos_cpus_and(&foreign->cpus, &capacity->online);
	unsigned int n = qos_cpus_count(&cpus);

	if (n == 0 || (n == 1) != pinned)
		return;
	capacity->foreign_ppb[fullest(capacity, &cpus)] += (uint64_t)foreign->used_ppm * PPM_TO_PPB;
	if (foreign->used_ppm < QOS_NEGLIGIBLE_PPM ||
	    foreign->priority < (int64_t)capacity->band_first)
		return;
	QOS_CPU_FOREACH(cpu, &cpus)
		qos_cpus_add(&capacity->disturbed, cpu);
}

/* Pinned work first, so that the wider lands where it counts most. */
static void add_foreign(const struct qos_host *host, struct qos_capacity *capacity)
{
	for (size_t i = 0; i < host->n_foreign; i++) {
		if (host->foreign[i].policy == SCHED_DEADLINE)
			add_deadline(&host->foreign[i], capacity);
		else
			add_fixed(&host->foreign[i], true, capacity);
	}
	for (size_t i = 0; i < host->n_foreign; i++) {
		if (host->foreign[i].policy != SCHED_DEADLINE)
			add_fixed(&host->foreign[i], false, capacity);
	}
	if (host->foreign_truncated)
		capacity->disturbed = capacity->online;
}

#define LARGEST_BYTES 65536 /* a packet of segmentation offload, where nothing is known */

/* OFF: it is loaded, but has no CPU in its charge. */
bool qos_capacity_has_windows(const struct qos_host *host, const struct qos_config *config)
{
	enum qos_feature_state state = host->feature[QOS_FEATURE_MODULE];

	return config->network_manager != QOS_MANAGER_NATIVE &&
	       (state == QOS_PRESENT || state == QOS_OFF);
}

static void add_links(const struct qos_host *host, const struct qos_config *config,
		      struct qos_capacity *capacity)
{
	capacity->link_share_ppb = QOS_PPB - (uint64_t)config->link_share_ppm * PPM_TO_PPB;
	capacity->link_blocking_ns = config->link_blocking_ns;
	capacity->link_windows = qos_capacity_has_windows(host, config);
	for (size_t i = 0; i < host->n_interfaces && i < QOS_LINKS_MAX; i++) {
		const struct qos_interface *interface = &host->interfaces[i];
		const struct qos_config_link *set = qos_config_link(config, interface->name);
		struct qos_link *link = &capacity->links[capacity->n_links++];

		memcpy(link->name, interface->name, sizeof(link->name));
		link->bps = set && set->capacity_bps ? set->capacity_bps : interface->speed_bps;
		link->largest_bytes =
			interface->largest_bytes ? interface->largest_bytes : LARGEST_BYTES;
		if (!set || !set->takeover)
			memcpy(link->foreign, interface->qdisc, sizeof(link->foreign));
	}
}

const struct qos_link *qos_capacity_link(const struct qos_capacity *capacity, const char *name)
{
	for (size_t i = 0; i < capacity->n_links; i++) {
		if (!strcmp(capacity->links[i].name, name))
			return &capacity->links[i];
	}
	return NULL;
}

/* What was never asked for is there, as in a dump that says nothing of it. */
static bool has_clock(const struct qos_host *host)
{
	return qos_host_has(host, QOS_FEATURE_TASK_CLOCK) ||
	       host->feature[QOS_FEATURE_TASK_CLOCK] == QOS_UNKNOWN;
}

void qos_capacity_of(const struct qos_host *host, const struct qos_config *config,
		     struct qos_capacity *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->online = host->online;
	ret->isolated = qos_cpus_and(&host->isolated, &host->online);
	ret->n_cpus = qos_cpus_count(&host->online);
	ret->sample_cost_ns = host->sample_cost_ns;
	ret->overhead_ns = config->overhead_ns;
	ret->blocking_ns = config->blocking_ns;
	ret->band_first = config->band_first;
	ret->band_last = config->band_last;
	ret->dl_period_min_ns = host->dl_period_min_ns;
	ret->dl_period_max_ns = host->dl_period_max_ns;
	ret->deadline = qos_host_has(host, QOS_FEATURE_DEADLINE);
	ret->uncut = !has_clock(host);
	ret->fifo = qos_host_has(host, QOS_FEATURE_RT) && !ret->uncut;
	ret->dwcs =
		config->cpu_manager != QOS_MANAGER_NATIVE && qos_host_has(host, QOS_FEATURE_MODULE);
	if (config->cpu_manager == QOS_MANAGER_MODULE)
		ret->deadline = ret->fifo = false;
	find_cap(host, config, ret);
	find_quotas(host, ret);
	add_links(host, config, ret);
	add_foreign(host, ret);
}
