// SPDX-License-Identifier: GPL-2.0-only
/*
 * A periodic program as tests need it: wakes up at start + phase + n period, burns C of its
 * thread's CPU time, and skips to the next period when late. Prints what it did at the end.
 *
 *   worker PERIOD_US C_US [-p PHASE_US] [-s START_NS] [-n JOBS] [-w] [-x]
 *
 * -s: CLOCK_MONOTONIC; by default the next 10 ms after the program began. -w: prints "ready" and
 * waits for a byte on stdin before it starts (to be attached meanwhile). -x: does not skip when
 * late. SIGTERM ends it. Output: jobs late skipped max_response_us max_wake_us
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct plan {
	uint64_t period, cost, phase, start, jobs;
	int wait, backlog;
};

static volatile sig_atomic_t ended;

static void on_end(int signal)
{
	(void)signal;
	ended = 1;
}

static uint64_t now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static void sleep_until(uint64_t at)
{
	struct timespec ts = {at / 1000000000, at % 1000000000};

	while (!ended && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

static void burn(uint64_t ns)
{
	uint64_t until = now(CLOCK_THREAD_CPUTIME_ID) + ns;

	while (now(CLOCK_THREAD_CPUTIME_ID) < until && !ended)
		;
}

static struct plan read_plan(int argc, char **argv)
{
	struct plan plan = {0};
	int option;

	while ((option = getopt(argc, argv, "p:s:n:wx")) != -1) {
		switch (option) {
		case 'p':
			plan.phase = strtoull(optarg, NULL, 10) * 1000;
			break;
		case 's':
			plan.start = strtoull(optarg, NULL, 10);
			break;
		case 'n':
			plan.jobs = strtoull(optarg, NULL, 10);
			break;
		case 'w':
			plan.wait = 1;
			break;
		case 'x':
			plan.backlog = 1;
			break;
		default:
			exit(64);
		}
	}
	if (argc - optind != 2)
		exit(64);
	plan.period = strtoull(argv[optind], NULL, 10) * 1000;
	plan.cost = strtoull(argv[optind + 1], NULL, 10) * 1000;
	return plan;
}

static void wait_for_go(void)
{
	char byte;

	puts("ready");
	fflush(stdout);
	if (read(0, &byte, 1) != 1)
		exit(1);
}

int main(int argc, char **argv)
{
	struct plan plan = read_plan(argc, argv);
	uint64_t at, late = 0, skipped = 0, jobs = 0, response = 0, wake = 0, t;

	signal(SIGTERM, on_end);
	if (plan.wait)
		wait_for_go();
	at = plan.start ? plan.start : (now(CLOCK_MONOTONIC) / 10000000 + 1) * 10000000;
	at += plan.phase;
	while (!ended && (!plan.jobs || jobs < plan.jobs)) {
		sleep_until(at);
		t = now(CLOCK_MONOTONIC) - at;
		if (!ended && t > wake)
			wake = t;
		burn(plan.cost);
		t = now(CLOCK_MONOTONIC) - at;
		if (ended)
			break;
		jobs++;
		if (t > response)
			response = t;
		late += t > plan.period;
		for (at += plan.period; !plan.backlog && at < now(CLOCK_MONOTONIC);
		     at += plan.period)
			skipped++;
	}
	printf("%llu %llu %llu %llu %llu\n", (unsigned long long)jobs, (unsigned long long)late,
	       (unsigned long long)skipped, (unsigned long long)(response / 1000),
	       (unsigned long long)(wake / 1000));
	return 0;
}
