/* SPDX-License-Identifier: GPL-2.0-only */
/* The claims of one CPU, made when they are needed: a table can be long, and grants are copied a lot. */
#include "admit/claim.h"

#include <errno.h>

#include "admit/plan_windows.h"
#include "util/cleanup.h"

void qos_stream_claims_free(struct qos_stream_claim *claims, size_t n)
{
	for (size_t i = 0; i < n; i++)
		qos_claim_reset(&claims[i].claim);
	free(claims);
}

static bool sits_on(const struct qos_entry *entry, size_t i, unsigned int cpu)
{
	const struct qos_stream_grant *grant = &entry->grant.streams[i];

	return grant->policy == QOS_POLICY_DWCS && qos_cpus_has(&grant->cpus, cpu);
}

static int by_id(const void *a, const void *b)
{
	const struct qos_stream_claim *left = a, *right = b;

	return (left->id > right->id) - (left->id < right->id);
}

/* False: one of them is not proven. */
static bool gather(const struct qos_book *book, unsigned int cpu, qos_claim_id_fn id, void *data,
		   struct qos_cpu_claims *ret)
{
	for (size_t k = 0; k < book->n_entries; k++) {
		const struct qos_entry *entry = book->entries[k];

		for (size_t i = 0; i < entry->grant.n_streams; i++) {
			const char *name = entry->contract->name;

			if (!sits_on(entry, i, cpu))
				continue;
			if (entry->grant.streams[i].guarantee != QOS_PROVEN)
				return false;
			ret->streams[ret->n++] = (struct qos_stream_claim){
				.contract = name, .stream = i, .id = id(data, name, i)};
		}
	}
	qsort(ret->streams, ret->n, sizeof(*ret->streams), by_id);
	return ret->n;
}

static int prove(const struct qos_book *book, struct qos_cpu_claims *ret)
{
	_cleanup_free_ struct qos_windows_stream *streams = calloc(ret->n, sizeof(*streams));
	_cleanup_free_ struct qos_claim *claims = calloc(ret->n, sizeof(*claims));

	if (!streams || !claims)
		return -ENOMEM;
	for (size_t i = 0; i < ret->n; i++) {
		const struct qos_stream_claim *one = &ret->streams[i];
		const struct qos_entry *entry = qos_book_find(book, one->contract);

		streams[i] = (struct qos_windows_stream){
			.wish = &entry->contract->cpu[one->stream],
			.runtime_ns = entry->grant.streams[one->stream].granted_ns,
			.cost_ns = qos_book_demand(book, entry, one->stream).one_ns,
		};
	}
	qos_plan_windows(book->capacity, streams, ret->n, claims, &ret->plan);
	for (size_t i = 0; i < ret->n; i++)
		ret->streams[i].claim = claims[i];
	return 0;
}

int qos_claims_of(const struct qos_book *book, unsigned int cpu, qos_claim_id_fn id, void *data,
		  struct qos_cpu_claims *ret)
{
	QOS_CLEANUP(qos_cpu_claims_reset) struct qos_cpu_claims claims = {};
	size_t n = 0;
	int r;

	for (size_t k = 0; k < book->n_entries; k++)
		n += book->entries[k]->grant.n_streams;
	claims.streams = calloc(n + 1, sizeof(*claims.streams));
	if (!claims.streams)
		return -ENOMEM;
	*ret = (struct qos_cpu_claims){};
	if (!gather(book, cpu, id, data, &claims))
		return 0;
	r = prove(book, &claims);
	if (r < 0 || !claims.plan)
		return r;
	*ret = claims;
	claims = (struct qos_cpu_claims){};
	return 0;
}
