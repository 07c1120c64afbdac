/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The contract as a value: free, copy, compare. The owned strings of each struct stand in one table
 * of offsets, so that the three cannot disagree about what is owned. Weakness: a new field that is
 * no string must be added to the *_equal function by hand; the round-trip property test finds one
 * that was forgotten only if its generator sets it.
 */
#include "contract/contract.h"

#include <errno.h>
#include <string.h>

const char *const qos_overrun_names[] = {"demote", "throttle", "allow", NULL};
const char *const qos_silence_names[] = {"ignore", "lost", NULL};
const char *const qos_manage_names[] = {"schedule", "observe", NULL};
const char *const qos_job_names[] = {"wakeup", "period", "probes", NULL};
const char *const qos_late_names[] = {"drop", "send", NULL};
const char *const qos_excess_names[] = {"send", "hold", NULL};
const char *const qos_placement_names[] = {"kernel", "user", NULL};
const char *const qos_lease_names[] = {"hold", "base", "release", NULL};
const char *const qos_drift_names[] = {"yield", "restore", "warn", NULL};
const char *const qos_guarantee_names[] = {"best-effort", "simulated", "proven", NULL};
const char *const qos_match_key_names[] = {"unit",  "user-unit", "cgroup",  "slice",
					   "exe",   "comm",	 "cmdline", "user",
					   "group", "parent",	 NULL};

static const size_t cpu_strings[] = {
	offsetof(struct qos_cpu_stream, name),
	offsetof(struct qos_cpu_stream, job_begin),
	offsetof(struct qos_cpu_stream, job_end),
};

static const size_t net_strings[] = {
	offsetof(struct qos_net_stream, name),	       offsetof(struct qos_net_stream, interface),
	offsetof(struct qos_net_stream, match.proto),  offsetof(struct qos_net_stream, match.dst),
	offsetof(struct qos_net_stream, match.cgroup),
};

static const size_t contract_strings[] = {
	offsetof(struct qos_contract, name),
	offsetof(struct qos_contract, description),
};

static char **string_at(const void *base, size_t offset)
{
	return (char **)((char *)base + offset);
}

static void free_strings(void *base, const size_t *offsets, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(*string_at(base, offsets[i]));
}

static bool equal_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool equal_strings(const void *a, const void *b, const size_t *offsets, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!equal_text(*string_at(a, offsets[i]), *string_at(b, offsets[i])))
			return false;
	return true;
}

static void free_list(char **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

/* *ret and *ret_n describe what the caller owns, also on failure. */
static int copy_list(char *const *list, size_t n, char ***ret, size_t *ret_n)
{
	*ret_n = 0;
	*ret = calloc(n ? n : 1, sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	for (; *ret_n < n; ++*ret_n)
		if (!((*ret)[*ret_n] = strdup(list[*ret_n])))
			return -ENOMEM;
	return 0;
}

static void match_free(struct qos_match *match)
{
	if (!match)
		return;
	for (size_t i = 0; i < match->n_children; i++)
		match_free(match->children[i]);
	free(match->children);
	free(match->value);
	free(match);
}

static bool match_equal(const struct qos_match *a, const struct qos_match *b)
{
	if (!a || !b)
		return a == b;
	if (a->kind != b->kind || a->n_children != b->n_children)
		return false;
	if (a->kind == QOS_MATCH_TERM)
		return a->key == b->key && equal_text(a->value, b->value);
	for (size_t i = 0; i < a->n_children; i++)
		if (!match_equal(a->children[i], b->children[i]))
			return false;
	return true;
}

static void cpu_clear(struct qos_cpu_stream *stream)
{
	free_strings(stream, cpu_strings, QOS_ARRAY_SIZE(cpu_strings));
	free_list(stream->threads, stream->n_threads);
}

static bool equal_range(const struct qos_range *a, const struct qos_range *b)
{
	if (!a->set || !b->set)
		return a->set == b->set;
	return a->lo == b->lo && a->hi == b->hi && a->step == b->step;
}

static bool equal_period(const struct qos_period *a, const struct qos_period *b)
{
	return a->ns == b->ns && a->mhz == b->mhz;
}

static bool equal_window(const struct qos_window *a, const struct qos_window *b)
{
	return a->x == b->x && a->y == b->y;
}

static bool equal_threads(const struct qos_cpu_stream *a, const struct qos_cpu_stream *b)
{
	if (a->n_threads != b->n_threads)
		return false;
	for (size_t i = 0; i < a->n_threads; i++)
		if (strcmp(a->threads[i], b->threads[i]) != 0)
			return false;
	return true;
}

static bool cpu_equal(const struct qos_cpu_stream *a, const struct qos_cpu_stream *b)
{
	return equal_strings(a, b, cpu_strings, QOS_ARRAY_SIZE(cpu_strings)) &&
	       equal_threads(a, b) && a->max_threads == b->max_threads &&
	       equal_period(&a->period, &b->period) && a->runtime_ns == b->runtime_ns &&
	       a->deadline_ns == b->deadline_ns && equal_window(&a->window, &b->window) &&
	       a->latency_ns == b->latency_ns && a->where == b->where &&
	       (a->where != QOS_WHERE_LIST || qos_cpus_equal(&a->cpus, &b->cpus)) &&
	       a->overrun == b->overrun && a->job == b->job && a->silence == b->silence &&
	       a->manage == b->manage && equal_range(&a->runtime_range, &b->runtime_range);
}

static void net_clear(struct qos_net_stream *stream)
{
	free_strings(stream, net_strings, QOS_ARRAY_SIZE(net_strings));
}

static bool equal_flow(const struct qos_flow_match *a, const struct qos_flow_match *b)
{
	return a->sport == b->sport && a->dport == b->dport && a->dscp == b->dscp &&
	       a->mark_set == b->mark_set && (!a->mark_set || a->mark == b->mark);
}

static bool net_equal(const struct qos_net_stream *a, const struct qos_net_stream *b)
{
	return equal_strings(a, b, net_strings, QOS_ARRAY_SIZE(net_strings)) &&
	       equal_flow(&a->match, &b->match) && a->rate_bps == b->rate_bps &&
	       a->packet_bytes == b->packet_bytes && equal_period(&a->period, &b->period) &&
	       a->deadline_ns == b->deadline_ns && equal_window(&a->window, &b->window) &&
	       a->late == b->late && a->excess == b->excess && a->limit == b->limit &&
	       a->manage == b->manage && equal_range(&a->rate_range, &b->rate_range);
}

void qos_contract_free(struct qos_contract *contract)
{
	if (!contract)
		return;
	for (size_t i = 0; i < contract->n_cpu; i++)
		cpu_clear(&contract->cpu[i]);
	for (size_t i = 0; i < contract->n_net; i++)
		net_clear(&contract->net[i]);
	free(contract->cpu);
	free(contract->net);
	match_free(contract->match);
	qos_rules_free(contract->rules, contract->n_rules);
	free_strings(contract, contract_strings, QOS_ARRAY_SIZE(contract_strings));
	free_list(contract->files, contract->n_files);
	free(contract);
}

static bool equal_streams(const struct qos_contract *a, const struct qos_contract *b)
{
	if (a->n_cpu != b->n_cpu || a->n_net != b->n_net)
		return false;
	for (size_t i = 0; i < a->n_cpu; i++)
		if (!cpu_equal(&a->cpu[i], &b->cpu[i]))
			return false;
	for (size_t i = 0; i < a->n_net; i++)
		if (!net_equal(&a->net[i], &b->net[i]))
			return false;
	return true;
}

bool qos_contract_equal(const struct qos_contract *a, const struct qos_contract *b)
{
	if (a == b)
		return true; /* it goes on: see load.c */
	return equal_strings(a, b, contract_strings, QOS_ARRAY_SIZE(contract_strings)) &&
	       a->importance == b->importance && a->has_adapt == b->has_adapt &&
	       a->placement == b->placement && a->accept == b->accept &&
	       a->on_lease_expiry == b->on_lease_expiry && a->on_drift == b->on_drift &&
	       match_equal(a->match, b->match) && equal_streams(a, b) &&
	       qos_rules_equal(a->rules, a->n_rules, b->rules, b->n_rules);
}

struct rename {
	char *const *from;
	char *const *to;
	size_t n;
};

static void rename_loc(struct qos_loc *loc, const void *data)
{
	const struct rename *files = data;

	for (size_t i = 0; loc->file && i < files->n; i++) {
		if (!strcmp(loc->file, files->from[i])) {
			loc->file = files->to[i];
			return;
		}
	}
	loc->file = NULL;
}

static void rename_match(struct qos_match *match, const struct rename *files)
{
	rename_loc(&match->loc, files);
	for (size_t i = 0; i < match->n_children; i++)
		rename_match(match->children[i], files);
}

int qos_contract_own_files(struct qos_contract *contract, char *const *files, size_t n_files)
{
	struct rename names = {.from = files};
	size_t n;
	char **own;
	int r = copy_list(files, n_files, &own, &n);

	if (r < 0) {
		free_list(own, n);
		return r;
	}
	names.to = own;
	names.n = n;
	rename_loc(&contract->loc, &names);
	if (contract->match)
		rename_match(contract->match, &names);
	for (size_t i = 0; i < contract->n_cpu; i++)
		rename_loc(&contract->cpu[i].loc, &names);
	for (size_t i = 0; i < contract->n_net; i++)
		rename_loc(&contract->net[i].loc, &names);
	qos_rules_each_loc(contract->rules, contract->n_rules, rename_loc, &names);
	free_list(contract->files, contract->n_files);
	contract->files = own;
	contract->n_files = n;
	return 0;
}

uint64_t qos_net_packet_ns(const struct qos_net_stream *stream)
{
	uint64_t ns = stream->packet_bytes * 8 * 1000000000ULL / stream->rate_bps;

	return ns ? ns : 1;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

bool qos_flow_equal(const struct qos_flow_match *a, const struct qos_flow_match *b)
{
	return same_text(a->cgroup, b->cgroup) && same_text(a->proto, b->proto) &&
	       a->sport == b->sport && a->dport == b->dport && same_text(a->dst, b->dst) &&
	       a->dscp == b->dscp && a->mark_set == b->mark_set && a->mark == b->mark;
}
