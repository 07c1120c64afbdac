/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a sample of the task clock costs: a loop reads the clock, samples tear gaps into it, and a
 * gap is what the thread loses: the interrupt, and in a virtual machine the exits that it takes. How
 * fast the loop is does not matter, so frequencies and busy neighbours do not either, which change
 * the work done in a millisecond more than samples do.
 *
 * Other interrupts tear gaps too, so the samples are found by their number: the median of as many
 * longest gaps as there were samples is one of theirs. A gap longer than the spacing was somebody
 * else's turn, of the machine or of the hypervisor, and no time in which samples fell due.
 *
 * Weakness: one CPU is asked for all; the monitor's own program behind the sample (below 1 us) and
 * the caches that it throws out are covered by rounding up only.
 */
#include "kern/probe.h"

#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/clock.h"

#define SPACING_NS 200000ULL
#define SAMPLES	   48
#define LONGEST_NS (20 * SAMPLES * SPACING_NS) /* by then a machine is judged by what was seen */

/* The longest ones, longest first. */
struct gaps {
	uint64_t ns[SAMPLES];
};

static void gaps_add(struct gaps *gaps, uint64_t ns)
{
	size_t i = SAMPLES - 1;

	if (ns <= gaps->ns[i])
		return;
	for (; i > 0 && gaps->ns[i - 1] < ns; i--)
		gaps->ns[i] = gaps->ns[i - 1];
	gaps->ns[i] = ns;
}

static uint64_t median_gap(void)
{
	uint64_t start = qos_clock_ns(CLOCK_MONOTONIC), before = start, ran = 0;
	struct gaps gaps = {};

	while (ran < SAMPLES * SPACING_NS && before - start < LONGEST_NS) {
		uint64_t now = qos_clock_ns(CLOCK_MONOTONIC), gap = now - before;

		before = now;
		if (gap >= SPACING_NS)
			continue;
		ran += gap;
		gaps_add(&gaps, gap);
	}
	return gaps.ns[SAMPLES / 2];
}

/* A power of two of microseconds: coarse, so that the next start finds the same. */
static uint64_t round_up(uint64_t ns)
{
	uint64_t up = 1000;

	while (up < ns)
		up *= 2;
	return up;
}

uint64_t qos_probe_sample_cost(void)
{
	/* Without the kernel's own time, users may too where kernel.perf_event_paranoid is 2. */
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_TASK_CLOCK,
		.sample_period = SPACING_NS,
		.exclude_kernel = 1,
	};
	_cleanup_close_ int fd = -1;

	fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? 0 : round_up(median_gap());
}
