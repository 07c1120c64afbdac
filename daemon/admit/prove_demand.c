/* SPDX-License-Identifier: GPL-2.0-only */
/* See prove_demand.h. */
#include "admit/prove_demand.h"

/* The time after which all begins anew, and the largest deadline; UINT64_MAX if it does not fit. */
static uint64_t last_point(const struct qos_demand_source *sources, size_t n)
{
	uint64_t whole = 1, deadline = 0;

	for (size_t i = 0; i < n && whole; i++) {
		unsigned __int128 own = (unsigned __int128)sources[i].period * sources[i].cycle;

		whole = own >> 62 ? 0 : qos_prove_lcm(whole, (uint64_t)own);
		if (sources[i].deadline > deadline)
			deadline = sources[i].deadline;
	}
	return whole ? whole + deadline : UINT64_MAX;
}

static struct qos_demand_source *earliest(struct qos_demand_source *sources, size_t n)
{
	struct qos_demand_source *first = sources;

	for (size_t i = 1; i < n; i++) {
		if (sources[i].next < first->next)
			first = &sources[i];
	}
	return first;
}

bool qos_prove_demand(struct qos_demand_source *sources, size_t n, uint64_t blocking,
		      uint64_t jobs_max)
{
	uint64_t end = last_point(sources, n), demand = blocking, work = 0;

	for (size_t i = 0; i < n; i++) {
		sources[i].k = 0;
		sources[i].next = sources[i].deadline;
	}
	while (n) {
		struct qos_demand_source *source = earliest(sources, n);

		if (source->next > end)
			return true;
		demand += source->most(source->data, source->k);
		if (demand > source->next || ++work > jobs_max)
			return false;
		source->k++;
		source->next += source->period;
	}
	return true;
}
