// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is a thread real-time at every moment? Looks each millisecond, from above the band that qosd uses:
 *
 *   lapse TID
 *
 * SIGTERM ends it. Output: samples lapses longest_lapse_us longest_pause_us
 *
 * A lapse is a run of samples that find another class than FIFO or DEADLINE; its length is counted up to
 * the next sample that finds one of these, so too long rather than too short. What is shorter than the
 * longest pause between two samples may go unseen.
 */
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define DEADLINE      6 /* not in every libc */
#define RESET_ON_FORK 0x40000000

static volatile sig_atomic_t ended;

static void on_end(int signal)
{
	(void)signal;
	ended = 1;
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ULL + ts.tv_nsec / 1000;
}

static int is_real_time(pid_t tid)
{
	int policy = sched_getscheduler(tid);

	if (policy < 0) {
		perror("lapse");
		exit(1);
	}
	policy &= ~RESET_ON_FORK;
	return policy == SCHED_FIFO || policy == DEADLINE;
}

static void look(pid_t tid)
{
	uint64_t samples = 0, lapses = 0, longest = 0, pause = 0, lost_at = 0, last, t;

	for (last = now_us(); !ended; last = t) {
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
		t = now_us();
		pause = t - last > pause ? t - last : pause;
		samples++;
		if (is_real_time(tid)) {
			if (lost_at && t - lost_at > longest)
				longest = t - lost_at;
			lost_at = 0;
		} else if (!lost_at) {
			lapses++;
			lost_at = last;
		}
	}
	if (lost_at && last - lost_at > longest)
		longest = last - lost_at;
	printf("%llu %llu %llu %llu\n", (unsigned long long)samples, (unsigned long long)lapses,
	       (unsigned long long)longest, (unsigned long long)pause);
}

int main(int argc, char **argv)
{
	struct sched_param param = {.sched_priority = 60};

	if (argc != 2)
		return 64;
	signal(SIGTERM, on_end);
	if (mlockall(MCL_CURRENT | MCL_FUTURE) || sched_setscheduler(0, SCHED_FIFO, &param)) {
		perror("lapse");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	look(atoi(argv[1]));
	return 0;
}
