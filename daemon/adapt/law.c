/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The default law. Up at once, because a job that is cut is a lost request; down slowly, because a
 * quiet moment says little: three turns in a row, and a tenth of the grant a step, so that one
 * load that comes and goes does not make the grant swing. A turn with late jobs is never a reason
 * to give less, whatever made them late.
 *
 * What was used is known as the edge of a bucket of a histogram, and the next edge below is 1/9 less. So that is no
 * reason either: a steady job whose p99 lies near an edge would else be granted less and more by turns for ever.
 *
 * Where requests were cut, what was used is what was granted and says nothing of the need: then
 * the grant grows by a quarter until it is enough or ends at the range.
 *
 * Weakness: the p99 leaves one job in a hundred to the margin; a program whose worst jobs are
 * rarer and more than 15 % longer overruns now and then, which its window has to bear.
 */
#include "adapt/law.h"

#define JOBS_MIN       5U     /* fewer say nothing */
#define MARGIN_PERCENT 115U   /* over the p99 */
#define GRAIN_NS       10000U /* targets are multiples of this */
#define BLIND_PERCENT  125U   /* when the need is not known */
#define BELOW_PERCENT  85U    /* less than this would have done: a turn that counts */
#define BELOW_TURNS    3U
#define STEP_PERCENT   90U /* lowered at most to this a step */
#define DEAD_PERCENT   3U  /* smaller changes are not worth one */

static uint64_t percent(uint64_t ns, unsigned int percents)
{
	unsigned __int128 wide = ((unsigned __int128)ns * percents + 99) / 100;

	return wide > UINT64_MAX ? UINT64_MAX : (uint64_t)wide;
}

static uint64_t clamp(uint64_t ns, const struct qos_law_bounds *bounds)
{
	if (ns > bounds->hi_ns)
		return bounds->hi_ns;
	return ns < bounds->lo_ns ? bounds->lo_ns : ns;
}

static uint64_t target_of(const struct qos_law_signal *signal, const struct qos_law_bounds *bounds)
{
	uint64_t ns = percent(signal->used_p99_ns, MARGIN_PERCENT);

	if (ns <= UINT64_MAX - GRAIN_NS)
		ns = (ns + GRAIN_NS - 1) / GRAIN_NS * GRAIN_NS;
	if (signal->overruns && ns < percent(bounds->granted_ns, BLIND_PERCENT))
		ns = percent(bounds->granted_ns, BLIND_PERCENT);
	return clamp(ns, bounds);
}

static bool outside_dead_band(uint64_t a, uint64_t b, uint64_t granted)
{
	return (a > b ? a - b : b - a) >= percent(granted, DEAD_PERCENT);
}

static bool raise(struct qos_law_state *state, const struct qos_law_signal *signal,
		  const struct qos_law_bounds *bounds, uint64_t target, uint64_t *ret_runtime_ns,
		  const char **ret_reason)
{
	state->below_turns = 0;
	if (!signal->overruns && !outside_dead_band(target, bounds->granted_ns, bounds->granted_ns))
		return false;
	*ret_runtime_ns = target;
	*ret_reason = signal->overruns ? "requests were cut at their budget"
				       : "jobs use more than the margin leaves";
	return true;
}

static bool lower(struct qos_law_state *state, const struct qos_law_bounds *bounds, uint64_t target,
		  uint64_t *ret_runtime_ns, const char **ret_reason)
{
	uint64_t step = percent(bounds->granted_ns, STEP_PERCENT);

	if (++state->below_turns < BELOW_TURNS)
		return false;
	state->below_turns = 0;
	step = clamp(step > target ? step : target, bounds);
	if (!outside_dead_band(step, bounds->granted_ns, bounds->granted_ns) ||
	    step >= bounds->granted_ns)
		return false;
	*ret_runtime_ns = step;
	*ret_reason = "jobs used less for several turns";
	return true;
}

bool qos_law_step(struct qos_law_state *state, const struct qos_law_signal *signal,
		  const struct qos_law_bounds *bounds, uint64_t *ret_runtime_ns,
		  const char **ret_reason)
{
	uint64_t target;

	if (signal->jobs < JOBS_MIN && !signal->overruns)
		return false;
	target = target_of(signal, bounds);
	if (target > bounds->granted_ns)
		return raise(state, signal, bounds, target, ret_runtime_ns, ret_reason);
	if (signal->overruns || signal->late ||
	    target >= percent(bounds->granted_ns, BELOW_PERCENT)) {
		state->below_turns = 0;
		return false;
	}
	return lower(state, bounds, target, ret_runtime_ns, ret_reason);
}
